"""Depthwise convolution routines, one in each layout; padding is handled inside, without a copied border."""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.backends.cpu.common import BLOCKED, BLOCKS_OF_FLOATS, cpu, data, refuse_unless_constant
from plait.backends.cpu.convolution import geometry, operands
from plait.backends.lowering import Lowering
from plait.ir.layer import Layer
from plait.ir.layers.conv import Conv2d
from plait.ir.values import Array
from plait.kernels_pyx import packing

_PLAIN_PACK = {"nchw": packing.pack_dwconv_nchw, "nhwc": packing.pack_dwconv_nhwc}


def pack(layout: str, weight: Array) -> Array:
    """Filters [C, 1, KH, KW] as the kernel of a layout reads them."""
    if layout in BLOCKED:
        return packing.pack_dwconv_blocked(weight, BLOCKED[layout])
    return _PLAIN_PACK[layout](weight)


def _refuse(conv: Layer) -> str | None:
    assert isinstance(conv, Conv2d)
    if not conv.is_depthwise:
        return "not depthwise with one filter for each channel"
    return refuse_unless_constant("weight", "bias")(conv)


def _depthwise(dtype: str, layout: str) -> Any:
    def lower(conv: Conv2d, lowering: Lowering, variant: str) -> None:
        packed = pack(layout, data(conv.weight, "weight").astype(np.float32, copy=False))
        lowering.call(f"{dtype}_dwconv_{layout}", **geometry(conv), **operands(conv, lowering, packed, layout))

    lower.__qualname__ = "depthwise"
    return lower


for _dtype, _layout in BLOCKS_OF_FLOATS:
    cpu(
        "conv2d",
        _layout,
        "depthwise",
        _depthwise(_dtype, _layout),
        dtype=_dtype,
        refuse=_refuse,
        summary="one filter for each channel, direct",
    )
