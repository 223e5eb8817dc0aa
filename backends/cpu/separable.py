"""Routines of separable convolutions: the two convolutions apart, in each layout, or fused, in bands of rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.backends.cpu.bf16.convolution import bias_fields, packed_blocks
from plait.backends.cpu.common import (
    BLOCKED,
    BLOCKS_OF_FLOATS,
    act_fields,
    channel_block,
    channel_constant,
    cpu,
    data,
    image,
    refuse_unless_constant,
)
from plait.backends.cpu.convolution import output_tiles, tile, window
from plait.backends.cpu.depthwise import pack as pack_depthwise
from plait.backends.lowering import Lowering
from plait.ir.layers.separable import SeparableConv2d
from plait.ir.values import Array
from plait.kernels_pyx import packing

_MOST_BAND_BYTES = 640 << 10
_POINTWISE = {"kh": 1, "kw": 1, "stride_h": 1, "stride_w": 1, "pad_t": 0, "pad_l": 0, "dil_h": 1, "dil_w": 1}
_refuse = refuse_unless_constant("depthwise_weight", "weight", "depthwise_bias", "bias")


def _sizes(layer: SeparableConv2d) -> tuple[dict[str, int], dict[str, int]]:
    """The geometry of the two convolutions."""
    n, _, oh, ow = image(layer.result.type)
    first = window(layer.x.type.static_shape, (n, layer.channels, oh, ow), layer)
    second = {"n": n, "ic": layer.channels, "ih": oh, "iw": ow, "oc": image(layer.result.type)[1], "oh": oh, "ow": ow}
    return first, second | _POINTWISE


def _pointwise_call(layer: SeparableConv2d, dtype: str, layout: str, variant: str) -> tuple[str, dict[str, Any], Any]:
    """Kernel of the second convolution, fields of its own, and packed weights."""
    if layout in BLOCKED:
        width, blocks = tile(variant)
        packed = _pointwise_weights(layer, dtype, layout, blocks)
        return f"{dtype}_conv_{layout}", {"groups": 1, "tile_w": width, "tile_b": blocks}, packed
    pack = packing.pack_conv_gemm_nchw if layout == "nchw" else packing.pack_conv_gemm_nhwc
    return f"f32_conv_gemm_{layout}", {"groups": 1}, pack(data(layer.weight, "weight"))


def _pointwise_weights(layer: SeparableConv2d, dtype: str, layout: str, blocks: int) -> Array:
    weight = data(layer.weight, "weight")
    if dtype == "bf16":
        return packed_blocks(weight, blocks)
    return packing.pack_conv_blocked(weight, blocks, BLOCKED[layout])


def _second_operands(layer: SeparableConv2d, lowering: Lowering, layout: str) -> dict[str, Any]:
    return {
        "bias": channel_constant(lowering, layer.bias, layout),
        "res": None if layer.residual is None else lowering.place(layer.residual),
        "y": lowering.place(layer.result),
        **act_fields(layer.act),
    }


def _apart(dtype: str, layout: str) -> Any:
    def lower(layer: SeparableConv2d, lowering: Lowering, variant: str) -> None:
        first, second = _sizes(layer)
        middle = lowering.workspace(first["n"] * _row_bytes(layer, layout) * first["oh"])
        lowering.call(
            f"{dtype}_dwconv_{layout}",
            x=lowering.place(layer.x),
            w=lowering.constant(pack_depthwise(layout, _filters(layer))),
            bias=channel_constant(lowering, layer.depthwise_bias, layout),
            res=None,
            y=middle,
            **first,
            **act_fields(layer.depthwise_act),
        )
        kernel, own, packed = _pointwise_call(layer, dtype, layout, variant)
        operands = _second_operands(layer, lowering, layout)
        if dtype == "bf16":
            operands |= bias_fields(layer.bias, second["oc"], lowering)
        lowering.call(kernel, x=middle, w=lowering.constant(packed), **own, **second, **operands)

    lower.__qualname__ = "apart"
    return lower


def _row_bytes(layer: SeparableConv2d, layout: str) -> int:
    """Bytes of a row of all channels of the first result."""
    block = channel_block(layout)
    return -(-layer.channels // block) * block * image(layer.result.type)[3] * layer.x.type.dtype.size


def _filters(layer: SeparableConv2d) -> Array:
    """Those of the first convolution, which kernels read as float32."""
    return data(layer.depthwise_weight, "depthwise_weight").astype(np.float32, copy=False)


def _tiles(layout: str) -> Any:
    return lambda layer: output_tiles(image(layer.result.type)[1], layout)


def _bands(layout: str) -> Any:
    """Tiles of the second convolution, with bands of two rows, of as many as stay in cache, and of half of them."""

    def variants(layer: SeparableConv2d) -> list[str]:
        oh = image(layer.result.type)[2]
        most = max(1, min(oh, _MOST_BAND_BYTES // max(1, _row_bytes(layer, layout))))
        heights = sorted({min(2, most), max(1, most // 2), most})
        return [f"{tiles},rows={rows}" for tiles in _tiles(layout)(layer) for rows in heights]

    return variants


def _fused(dtype: str, layout: str) -> Any:
    def lower(layer: SeparableConv2d, lowering: Lowering, variant: str) -> None:
        tiles, _, rows = variant.partition(",rows=")
        _, blocks = tile(tiles)
        dw_act = {f"dw_{name}": value for name, value in act_fields(layer.depthwise_act).items()}
        lowering.call(
            f"{dtype}_separable_{layout}",
            x=lowering.place(layer.x),
            w=lowering.constant(_pointwise_weights(layer, dtype, layout, blocks)),
            dw_w=lowering.constant(pack_depthwise(layout, _filters(layer))),
            dw_bias=channel_constant(lowering, layer.depthwise_bias, layout),
            band=int(rows),
            tile_b=blocks,
            **(_sizes(layer)[0] | {"oc": image(layer.result.type)[1]}),
            **_second_operands(layer, lowering, layout),
            **dw_act,
        )

    lower.__qualname__ = "fused"
    return lower


for _dtype, _layout in BLOCKS_OF_FLOATS:
    if _dtype == "f16":  # widened as a whole
        continue
    cpu(
        "separable_conv2d",
        _layout,
        "apart",
        _apart(_dtype, _layout),
        dtype=_dtype,
        refuse=_refuse,
        variants=_tiles(_layout) if _layout in BLOCKED else None,
        summary="the two convolutions one after the other",
    )
    if _layout in BLOCKED:
        cpu(
            "separable_conv2d",
            _layout,
            "fused",
            _fused(_dtype, _layout),
            dtype=_dtype,
            refuse=_refuse,
            variants=_bands(_layout),
            summary="bands of rows of the first convolution stay in cache for the second",
        )
