"""Winograd convolutions of bytes, with the bits of all others: integers, exact modulo 2^32 (src/winograd_q8.h)."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np

from plait.backends.cpu.common import cpu
from plait.backends.cpu.convolution import refuse_winograd_window, tile, tiles, winograd_effort
from plait.backends.cpu.quantized.common import BLOCK, Sums, refuse_weights
from plait.backends.cpu.quantized.convolution import direct, shared_fields
from plait.backends.cpu.quantized.limits import MOST_STEP
from plait.backends.lowering import Lowering
from plait.ir.dtypes import Quantized
from plait.ir.layers.conv import Conv2d
from plait.ir.values import Array
from plait.kernels_pyx import packing_q8

LAYOUT = f"nchw{BLOCK}c"
WORDS_A_PRODUCT = 2
"""A product of words takes the time of two of bytes."""


def _winograd(conv: Conv2d, lowering: Lowering, variant: str) -> None:
    sums = Sums.of(conv, lowering)
    above, below = _reach(sums.weight)
    if max((sums.bias + above).max(), (below - sums.bias).max()) >= packing_q8.WINOGRAD_MOST:
        # Only now are the scales known, and with them a bias that is as large as no network has it.
        direct(conv, lowering, variant)
        return
    _, blocks = tile(variant)
    begun = attrs.evolve(sums, bias=packing_q8.pack_winograd_bias(sums.bias))
    lowering.call(
        "q8_conv_winograd_nchw16c",
        **shared_fields(conv, begun, lowering, BLOCK),
        w=lowering.constant(packing_q8.pack_winograd(sums.weight, blocks)),
        tile_block=0,
        tile_b=blocks,
    )


def _reach(weight: Array) -> tuple[Array, Array]:
    """How far sums of products with stored bytes can be above 0, and below it: i64, for each output channel."""
    rows = weight.reshape(len(weight), -1)
    above = np.maximum(rows, 0).sum(axis=1, dtype=np.int64)
    return MOST_STEP * above, MOST_STEP * (above - rows.sum(axis=1, dtype=np.int64))


def _refuse(conv: Any) -> str | None:
    if reason := refuse_winograd_window(conv) or refuse_weights(conv):
        return reason
    if not conv.weight.has_data:  # a layer that is only measured
        return None
    bias = np.int64(0)
    if conv.bias is not None and isinstance(conv.bias.type.dtype, Quantized) and conv.bias.has_data:
        bias = np.abs(conv.bias.data.astype(np.int64))  # in steps of the sums, or brought to them
    largest = int((np.maximum(*_reach(conv.weight.data)) + bias).max())
    if largest < packing_q8.WINOGRAD_MOST:
        return None
    return f"a sum may be of {largest}: Winograd has room for {packing_q8.WINOGRAD_MOST}"


cpu(
    "conv2d",
    LAYOUT,
    "winograd_f4",
    _winograd,
    dtype="q8",
    refuse=_refuse,
    variants=tiles(LAYOUT),
    summary="F(4x4, 3x3) in integers, exact: four times fewer products, of words (vpdpwssd)",
    least=winograd_effort(4, WORDS_A_PRODUCT),
)
