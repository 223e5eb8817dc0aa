"""Fully connected layers on bytes."""

from __future__ import annotations

import math

from plait.backends.cpu.common import cpu
from plait.backends.cpu.quantized.common import Sums, grid, refuse_weights, residual_fields, result_fields
from plait.backends.lowering import Lowering
from plait.ir.layers.linear import FullyConnected
from plait.ir.layout import ROW_WORD
from plait.kernels_pyx import packing_q8

_ONE_PIXEL = ("ih", "iw", "oh", "ow", "kh", "kw", "stride_h", "stride_w", "dil_h", "dil_w", "groups")


def _naive(layer: FullyConnected, lowering: Lowering, variant: str) -> None:
    """A convolution of images of one pixel."""
    sums = Sums.of(layer, lowering)
    outputs, inputs = layer.weight.type.static_shape
    lowering.call(
        "q8_conv_naive_nchw",
        x=lowering.place(layer.x),
        y=lowering.place(layer.result),
        w=lowering.constant(sums.weight),
        w_zero=None if sums.weight_zero is None else lowering.constant(sums.weight_zero),
        x_zero=int(grid(layer.x, lowering).zero),
        n=math.prod(layer.x.type.static_shape[:-1]),
        ic=inputs,
        oc=outputs,
        pad_t=0,
        pad_l=0,
        **dict.fromkeys(_ONE_PIXEL, 1),
        **sums.fields(lowering),
        **result_fields(layer, lowering),
        **residual_fields(None, layer.result, lowering),
    )


def _streamed(layer: FullyConnected, lowering: Lowering, variant: str) -> None:
    sums = Sums.of(layer, lowering)
    outputs, inputs = layer.weight.type.static_shape
    lowering.call(
        "q8_fc",
        x=lowering.place(layer.x),
        y=lowering.place(layer.result),
        w=lowering.constant(packing_q8.pack_fc(sums.weight)),
        m=math.prod(layer.x.type.static_shape[:-1]),
        k=inputs,
        n=outputs,
        **sums.fields(lowering, packing_q8.FC_PANEL),
        **result_fields(layer, lowering),
    )


def _refuse(layer: FullyConnected) -> str | None:
    return refuse_weights(layer, zeros=True)


cpu(
    "fully_connected",
    ROW_WORD,
    "gemv",
    _streamed,
    dtype="q8",
    refuse=refuse_weights,
    summary="weights packed in panels of 64 outputs and streamed",
)

cpu(
    "fully_connected",
    ROW_WORD,
    "naive",
    _naive,
    dtype="q8",
    refuse=_refuse,
    summary="plain loops; weights may have zero points",
)
