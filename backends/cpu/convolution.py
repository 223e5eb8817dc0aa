"""Convolution routines: naive, im2col with blocked GEMM (nchw, nhwc), direct and Winograd on blocks of channels, and
the stem from plain images."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from plait.backends.cpu.common import (
    BLOCKED,
    BLOCKS_OF_FLOATS,
    act_fields,
    channel_constant,
    cpu,
    data,
    image,
    refuse_unless_constant,
)
from plait.backends.effort import Effort
from plait.backends.lowering import Lowering
from plait.backends.routine import Formats, format_in
from plait.ir.layer import Layer
from plait.ir.layers.conv import Conv2d, inner_products
from plait.ir.layers.separable import SeparableConv2d
from plait.ir.layout import Format
from plait.kernels_pyx import packing

_STEM_CHANNELS = 16
_MOST_OFFSET = 2**31 - 1
_constant_weights = refuse_unless_constant("weight", "bias")


def geometry(conv: Conv2d) -> dict[str, int]:
    """The fields that all convolution kernels share."""
    return window(image(conv.x.type), image(conv.result.type), conv)


def window(source: tuple[int, ...], result: tuple[int, ...], conv: Conv2d | SeparableConv2d) -> dict[str, int]:
    """The same for images of these sizes. Trailing padding follows from them."""
    n, ic, ih, iw = source
    _, oc, oh, ow = result
    kh, kw = conv.kernel
    return {
        "n": n,
        "ic": ic,
        "ih": ih,
        "iw": iw,
        "oc": oc,
        "oh": oh,
        "ow": ow,
        "kh": kh,
        "kw": kw,
        "stride_h": conv.stride[0],
        "stride_w": conv.stride[1],
        "pad_t": conv.pad[0],
        "pad_l": conv.pad[1],
        "dil_h": conv.dilation[0],
        "dil_w": conv.dilation[1],
    }


def operands(conv: Conv2d, lowering: Lowering, weight: Any, layout: str) -> dict[str, Any]:
    """The fields x, w, bias, res, y and the activation."""
    return {
        "x": lowering.place(conv.x),
        "w": lowering.constant(weight),
        "bias": channel_constant(lowering, conv.bias, layout),
        "res": None if conv.residual is None else lowering.place(conv.residual),
        "y": lowering.place(conv.result),
        **act_fields(conv.act),
    }


def _naive(conv: Conv2d, lowering: Lowering, variant: str) -> None:
    lowering.call(
        "f32_conv_naive_nchw",
        **geometry(conv),
        **operands(conv, lowering, data(conv.weight, "weight"), "nchw"),
        groups=conv.groups,
    )


def _naive_effort(conv: Conv2d) -> Effort:
    """The row that is summed up lies in memory: each product reads x and y and writes y."""
    products = inner_products(conv)
    return Effort(2 * products, 8 * products, 4 * products)


def _gemm_nchw(conv: Conv2d, lowering: Lowering, variant: str) -> None:
    packed = packing.pack_conv_gemm_nchw(data(conv.weight, "weight"), conv.groups)
    lowering.call(
        "f32_conv_gemm_nchw", **geometry(conv), **operands(conv, lowering, packed, "nchw"), groups=conv.groups
    )


def _gemm_nhwc(conv: Conv2d, lowering: Lowering, variant: str) -> None:
    packed = packing.pack_conv_gemm_nhwc(data(conv.weight, "weight"), conv.groups)
    lowering.call(
        "f32_conv_gemm_nhwc", **geometry(conv), **operands(conv, lowering, packed, "nhwc"), groups=conv.groups
    )


def _indirect_nhwc(conv: Conv2d, lowering: Lowering, variant: str) -> None:
    _, c, h, w = image(conv.x.type)
    _, _, oh, ow = image(conv.result.type)
    top, left, _, _ = conv.pad
    offsets = packing.conv_offsets((h, w, c), (oh, ow), conv.kernel, conv.stride, (top, left), conv.dilation)
    packed = packing.pack_conv_gemm_nhwc(data(conv.weight, "weight"), conv.groups)
    lowering.call(
        "f32_conv_indirect_nhwc",
        **geometry(conv),
        **operands(conv, lowering, packed, "nhwc"),
        offsets=lowering.constant(offsets),
        groups=conv.groups,
    )


def _refuse_indirect(conv: Conv2d) -> str | None:
    if conv.kernel == (1, 1) and not any(conv.pad):
        return "1x1 without padding needs no table: gemm reads in place"
    if math.prod(image(conv.x.type)[1:]) > _MOST_OFFSET:
        return f"images of more than {_MOST_OFFSET} elements"
    return _constant_weights(conv)


def tile(variant: str) -> tuple[int, int]:
    """Pixels and blocks of `tile=14x2`; 0 pixels lets the kernel choose."""
    width, blocks = variant.removeprefix("tile=").split("x")
    return int(width), int(blocks)


def tiles(layout: str) -> Any:
    """Register tiles worth measuring: one, two or four output blocks at a time; the kernel fits the width to the
    row."""

    def variants(conv: Conv2d) -> list[str]:
        return output_tiles(image(conv.result.type)[1], layout)

    return variants


def output_tiles(channels: int, layout: str) -> list[str]:
    """The same for so many output channels."""
    blocks = -(-channels // BLOCKED[layout])
    return [f"tile=0x{b}" for b in (1, 2, 4) if b <= max(blocks, 1)]


def _direct(layout: str) -> Any:
    def lower(conv: Conv2d, lowering: Lowering, variant: str) -> None:
        width, blocks = tile(variant)
        packed = packing.pack_conv_blocked(data(conv.weight, "weight"), blocks, BLOCKED[layout], conv.groups)
        lowering.call(
            f"f32_conv_{layout}",
            **geometry(conv),
            **operands(conv, lowering, packed, layout),
            groups=conv.groups,
            tile_w=width,
            tile_b=blocks,
        )

    lower.__qualname__ = "_direct"
    return lower


def _refuse_direct(layout: str) -> Any:
    def refuse(conv: Conv2d) -> str | None:
        block = BLOCKED[layout]
        if conv.groups > 1:
            o, per_group = conv.weight.type.static_shape[:2]
            if per_group % block or (o // conv.groups) % block:
                return f"groups of {per_group} to {o // conv.groups} channels are not whole blocks of {block}"
        return _constant_weights(conv)

    return refuse


def _winograd(dtype: str, layout: str, m: int) -> Any:
    def lower(conv: Conv2d, lowering: Lowering, variant: str) -> None:
        _, blocks = tile(variant)
        packed = packing.pack_winograd(
            data(conv.weight, "weight").astype(np.float32, copy=False), m, blocks, BLOCKED[layout]
        )
        lowering.call(
            f"{dtype}_conv_winograd_{layout}",
            **geometry(conv),
            **operands(conv, lowering, packed, layout),
            tile_m=m,
            tile_block=0,
            tile_b=blocks,
        )

    lower.__qualname__ = f"_winograd_f{m}"
    return lower


def winograd_effort(m: int, times: int = 1) -> Any:
    """Products only: (m + 2)^2 for each tile of m x m pixels, channel and filter; transforms are left out.

    `times`: how often the time of a product of the images' elements one of transforms takes.
    """

    def effort(conv: Conv2d) -> Effort:
        n, oc, oh, ow = image(conv.result.type)
        tiles = n * -(-oh // m) * -(-ow // m)
        return Effort(2.0 * times * tiles * (m + 2) ** 2 * oc * image(conv.x.type)[1])

    return effort


def refuse_winograd_window(conv: Conv2d) -> str | None:
    """Why a convolution is none of those that Winograd's are."""
    if conv.kernel != (3, 3) or conv.stride != (1, 1) or conv.dilation != (1, 1):
        return "not 3x3 with stride 1 and dilation 1"
    if conv.groups > 1:
        return "groups are not supported"
    return None


def _refuse_winograd(conv: Layer) -> str | None:
    assert isinstance(conv, Conv2d)
    return refuse_winograd_window(conv) or _constant_weights(conv)


def _stem(source: str, layout: str) -> Any:
    pack = packing.pack_conv_stem_nchw if source == "nchw" else packing.pack_conv_stem_nhwc

    def lower(conv: Conv2d, lowering: Lowering, variant: str) -> None:
        width, blocks = tile(variant)
        packed = pack(data(conv.weight, "weight"), blocks, BLOCKED[layout])
        lowering.call(
            f"f32_conv_stem_{source}_{layout}",
            **geometry(conv),
            **operands(conv, lowering, packed, layout),
            groups=1,
            tile_w=width,
            tile_b=blocks,
        )

    lower.__qualname__ = f"_stem_{source}"
    return lower


def stem_formats(source: str, layout: str) -> Formats:
    """Formats of a convolution that reads one layout and yields another, in which the residual is, too."""

    def formats(conv: Layer) -> tuple[tuple[Format, ...], tuple[Format, ...]]:
        assert isinstance(conv, Conv2d)
        inputs = [format_in(conv.x, source)] + ([] if conv.residual is None else [format_in(conv.residual, layout)])
        return tuple(inputs), (format_in(conv.result, layout),)

    return formats


def refuse_stem(conv: Conv2d) -> str | None:
    """Why a convolution is none that reads few channels, as they lie in plain images."""
    if conv.groups > 1:
        return "groups are not supported"
    if image(conv.x.type)[1] > _STEM_CHANNELS:
        return f"more than {_STEM_CHANNELS} input channels: convert the layout instead"
    if conv.residual is conv.x:
        return "x and the residual are one value, which has one format"
    return None


def _refuse_stem(conv: Conv2d) -> str | None:
    return refuse_stem(conv) or _constant_weights(conv)


cpu(
    "conv2d",
    "nchw",
    "naive",
    _naive,
    refuse=_constant_weights,
    summary="plain loops, vectorised along the row",
    least=_naive_effort,
)
cpu(
    "conv2d",
    "nchw",
    "gemm",
    _gemm_nchw,
    refuse=_constant_weights,
    summary="im2col into packed panels, blocked GEMM; weights x pixels",
)
cpu("conv2d", "nhwc", "gemm", _gemm_nhwc, refuse=_constant_weights, summary="im2col, blocked GEMM; pixels x weights")
cpu(
    "conv2d",
    "nhwc",
    "indirect",
    _indirect_nhwc,
    refuse=_refuse_indirect,
    summary="a table of places instead of im2col copies (Dukhan 2019)",
)
for _dtype, _layout in BLOCKS_OF_FLOATS:
    if _layout not in BLOCKED:
        continue
    for _m in (2, 4, 6):
        cpu(
            "conv2d",
            _layout,
            f"winograd_f{_m}",
            _winograd(_dtype, _layout, _m),
            dtype=_dtype,
            refuse=_refuse_winograd,
            variants=tiles(_layout),
            summary=f"F({_m}x{_m}, 3x3): {9 * _m * _m / (_m + 2) ** 2:.2g} times fewer products (Lavin & Gray 2016)",
            least=winograd_effort(_m),
        )
for _layout in BLOCKED:
    cpu(
        "conv2d",
        _layout,
        "direct",
        _direct(_layout),
        refuse=_refuse_direct(_layout),
        variants=tiles(_layout),
        summary="direct, register tiles of pixels x blocks",
    )
    for _source in ("nchw", "nhwc"):
        cpu(
            "conv2d",
            _layout,
            f"stem_{_source}",
            _stem(_source, _layout),
            refuse=_refuse_stem,
            formats=stem_formats(_source, _layout),
            variants=tiles(_layout),
            summary=f"direct from few channels in {_source}",
        )
