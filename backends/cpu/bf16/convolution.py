"""Convolutions of bfloat16: direct on blocks of channels, and the stem from plain images."""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.backends.cpu.common import act_fields, channel_constant, cpu, data, image, refuse_unless_constant
from plait.backends.cpu.convolution import geometry, output_tiles, refuse_stem, stem_formats, tile
from plait.backends.lowering import Lowering
from plait.ir.layers.conv import Conv2d
from plait.ir.values import Array, Value
from plait.kernels_pyx import packing, packing_bf16

BLOCK = 16
"""Channels in a block of `nchw16c`, the only blocked layout of bfloat16."""
LAYOUT = "nchw16c"
_constant_weights = refuse_unless_constant("weight", "bias")


def bias_fields(bias: Value | None, channels: int, lowering: Lowering) -> dict[str, Any]:
    """The field `bias`, where sums begin: float32 in whole blocks, zeros if there is none."""
    if bias is None:
        return {"bias": lowering.constant(packing.pack_channels(np.zeros(channels, np.float32), BLOCK))}
    return {"bias": channel_constant(lowering, bias, LAYOUT)}


def packed_blocks(weight: Array, blocks: int, groups: int = 1) -> Array:
    """Filters as `bf16_conv_nchw16c` reads them."""
    return packing_bf16.pack_conv_blocked(packing_bf16.bits_of(weight), blocks, groups)


def _fields(conv: Conv2d, lowering: Lowering, packed: Any, variant: str) -> dict[str, Any]:
    width, blocks = tile(variant)
    return {
        "x": lowering.place(conv.x),
        "w": lowering.constant(packed),
        "res": None if conv.residual is None else lowering.place(conv.residual),
        "y": lowering.place(conv.result),
        "groups": conv.groups,
        "tile_w": width,
        "tile_b": blocks,
        **bias_fields(conv.bias, image(conv.result.type)[1], lowering),
        **geometry(conv),
        **act_fields(conv.act),
    }


def _direct(conv: Conv2d, lowering: Lowering, variant: str) -> None:
    packed = packed_blocks(data(conv.weight, "weight"), tile(variant)[1], conv.groups)
    lowering.call("bf16_conv_nchw16c", **_fields(conv, lowering, packed, variant))


def _stem(conv: Conv2d, lowering: Lowering, variant: str) -> None:
    bits = packing_bf16.bits_of(data(conv.weight, "weight"))
    packed = packing_bf16.pack_conv_stem(bits, tile(variant)[1], conv.dilation[1] > 1)
    lowering.call("bf16_conv_stem_nchw_nchw16c", **_fields(conv, lowering, packed, variant))


def _tiles(conv: Conv2d) -> list[str]:
    return output_tiles(image(conv.result.type)[1], LAYOUT)


def _refuse_direct(conv: Conv2d) -> str | None:
    o, per_group = conv.weight.type.static_shape[:2]
    if conv.groups > 1 and (per_group % BLOCK or (o // conv.groups) % BLOCK):
        return f"groups of {per_group} to {o // conv.groups} channels are not whole blocks of {BLOCK}"
    return _constant_weights(conv)


def _refuse_stem(conv: Conv2d) -> str | None:
    return refuse_stem(conv) or _constant_weights(conv)


cpu(
    "conv2d",
    LAYOUT,
    "direct",
    _direct,
    dtype="bf16",
    refuse=_refuse_direct,
    variants=_tiles,
    summary="products of pairs (vdpbf16ps), register tiles of pixels x blocks",
)
cpu(
    "conv2d",
    LAYOUT,
    "stem_nchw",
    _stem,
    dtype="bf16",
    refuse=_refuse_stem,
    formats=stem_formats("nchw", LAYOUT),
    variants=_tiles,
    summary="direct from few channels in nchw, products of pairs",
)
