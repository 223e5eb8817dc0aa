"""Convolutions of bytes: naive, direct on blocks of channels, and depthwise."""

from __future__ import annotations

from typing import Any

from plait.backends.cpu.common import cpu, image
from plait.backends.cpu.convolution import geometry, output_tiles, refuse_stem, stem_formats, tile
from plait.backends.cpu.quantized.common import (
    BLOCK,
    Sums,
    grid,
    refuse_weights,
    residual_fields,
    result_fields,
)
from plait.backends.lowering import Lowering
from plait.ir.layers.conv import Conv2d
from plait.kernels_pyx import packing_q8


def shared_fields(conv: Conv2d, sums: Sums, lowering: Lowering, block: int = 1) -> dict[str, Any]:
    """The fields that all these kernels share: all but those of weights and tiles."""
    return {
        "x": lowering.place(conv.x),
        "y": lowering.place(conv.result),
        "x_zero": int(grid(conv.x, lowering).zero),
        **geometry(conv),
        **sums.fields(lowering, block),
        **result_fields(conv, lowering),
        **residual_fields(conv.residual, conv.result, lowering),
    }


def _naive(conv: Conv2d, lowering: Lowering, variant: str) -> None:
    sums = Sums.of(conv, lowering)
    lowering.call(
        "q8_conv_naive_nchw",
        **shared_fields(conv, sums, lowering),
        w=lowering.constant(sums.weight),
        w_zero=None if sums.weight_zero is None else lowering.constant(sums.weight_zero),
        groups=conv.groups,
    )


def _refuse_naive(conv: Conv2d) -> str | None:
    return refuse_weights(conv, zeros=True)


def direct(conv: Conv2d, lowering: Lowering, variant: str) -> None:
    """Lower a convolution to the direct kernel."""
    width, blocks = tile(variant)
    sums = Sums.of(conv, lowering)
    lowering.call(
        "q8_conv_nchw16c",
        **shared_fields(conv, sums, lowering, BLOCK),
        w=lowering.constant(packing_q8.pack_conv_blocked(sums.weight, blocks, conv.groups)),
        groups=conv.groups,
        tile_w=width,
        tile_b=blocks,
    )


def _tiles(conv: Conv2d) -> list[str]:
    return output_tiles(image(conv.result.type)[1], f"nchw{BLOCK}c")


def _refuse_direct(conv: Conv2d) -> str | None:
    if reason := refuse_weights(conv):
        return reason
    o, per_group = conv.weight.type.static_shape[:2]
    if conv.groups > 1 and (per_group % BLOCK or (o // conv.groups) % BLOCK):
        return f"groups of {per_group} to {o // conv.groups} channels are not whole blocks of {BLOCK}"
    return None


def _depthwise(conv: Conv2d, lowering: Lowering, variant: str) -> None:
    sums = Sums.of(conv, lowering)
    lowering.call(
        "q8_dwconv_nchw16c",
        **shared_fields(conv, sums, lowering, BLOCK),
        w=lowering.constant(packing_q8.pack_dwconv_blocked(sums.weight)),
    )


def refuse_depthwise(conv: Conv2d) -> str | None:
    """Why a convolution is none of one filter for each channel, with weights that kernels read."""
    return refuse_weights(conv) if conv.is_depthwise else "not depthwise with one filter for each channel"


def _stem(source: str) -> Any:
    def lower(conv: Conv2d, lowering: Lowering, variant: str) -> None:
        width, blocks = tile(variant)
        sums = Sums.of(conv, lowering)
        lowering.call(
            f"q8_conv_stem_{source}_nchw16c",
            **shared_fields(conv, sums, lowering, BLOCK),
            w=lowering.constant(packing_q8.pack_conv_stem(sums.weight, blocks, conv.dilation[1] > 1)),
            groups=1,
            tile_w=width,
            tile_b=blocks,
        )

    lower.__qualname__ = f"_stem_{source}"
    return lower


def _refuse_stem(conv: Conv2d) -> str | None:
    return refuse_stem(conv) or refuse_weights(conv)


cpu(
    "conv2d",
    "nchw",
    "naive",
    _naive,
    dtype="q8",
    refuse=_refuse_naive,
    summary="plain loops; weights may have zero points",
)
cpu(
    "conv2d",
    "nchw16c",
    "direct",
    direct,
    dtype="q8",
    refuse=_refuse_direct,
    variants=_tiles,
    summary="products of four bytes (vpdpbusd), register tiles of pixels x blocks",
)
cpu(
    "conv2d",
    "nchw16c",
    "depthwise",
    _depthwise,
    dtype="q8",
    refuse=refuse_depthwise,
    summary="one filter for each channel, products of four neighbouring taps",
)
for _source in ("nchw", "nhwc"):
    cpu(
        "conv2d",
        "nchw16c",
        f"stem_{_source}",
        _stem(_source),
        dtype="q8",
        refuse=_refuse_stem,
        formats=stem_formats(_source, "nchw16c"),
        variants=_tiles,
        summary=f"direct from few channels in {_source}, products of four bytes",
    )
