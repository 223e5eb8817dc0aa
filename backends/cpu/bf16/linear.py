"""Matrix products of bfloat16 in pairs: of activations, and with the weights of fully connected layers."""

from __future__ import annotations

import math

import numpy as np

from plait.backends.cpu.bf16.convolution import packed_blocks
from plait.backends.cpu.common import act_fields, cpu, data, refuse_unless_constant
from plait.backends.cpu.linear import matmul_fields, refuse_matmul
from plait.backends.lowering import Lowering
from plait.ir.activation import NONE
from plait.ir.layers.linear import FullyConnected, Matmul
from plait.ir.layout import ROW_WORD
from plait.kernels_pyx import packing

_PANEL_BLOCKS = 4
_constant_weights = refuse_unless_constant("weight", "bias")


def _matmul(layer: Matmul, lowering: Lowering, variant: str) -> None:
    lowering.call(
        "bf16_matmul",
        a=lowering.place(layer.a),
        b=lowering.place(layer.b),
        bias=None,
        y=lowering.place(layer.result),
        **matmul_fields(layer),
        **act_fields(NONE),
    )


def _fully_connected(layer: FullyConnected, lowering: Lowering, variant: str) -> None:
    *rows, k = layer.x.type.static_shape
    bias = None
    if layer.bias is not None:
        floats = data(layer.bias, "bias").astype(np.float32)
        bias = lowering.constant(packing.pack_channels(floats, packing.FC_PANEL))
    n = layer.weight.type.static_shape[0]
    filters = data(layer.weight, "weight").reshape(n, k, 1, 1)
    lowering.call(
        "bf16_fc_panels",
        a=lowering.place(layer.x),
        b=lowering.constant(packed_blocks(filters, _PANEL_BLOCKS)),
        bias=bias,
        y=lowering.place(layer.result),
        batch0=1,
        batch1=1,
        m=math.prod(rows),
        k=k,
        n=n,
        **{f"{name}_batch{i}": 0 for name in "ab" for i in range(2)},
        **act_fields(layer.act),
    )


def _refuse_row(layer: FullyConnected) -> str | None:
    if math.prod(layer.x.type.static_shape[:-1]) == 1:
        return "a single row, whose time is that of reading the weights"
    return _constant_weights(layer)


cpu(
    "matmul",
    ROW_WORD,
    "gemm",
    _matmul,
    dtype="bf16",
    refuse=refuse_matmul,
    summary="products of pairs (vdpbf16ps), panels of b interleaved",
)
cpu(
    "fully_connected",
    ROW_WORD,
    "gemm",
    _fully_connected,
    dtype="bf16",
    refuse=_refuse_row,
    summary="products of pairs (vdpbf16ps), weights packed in panels of 64 outputs",
)
