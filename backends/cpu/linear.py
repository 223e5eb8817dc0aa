"""Fully connected layers and matrix products; both are row-major."""

from __future__ import annotations

import math

import numpy as np

from plait.backends.cpu.common import act_fields, cpu, data, refuse_unless_constant
from plait.backends.lowering import Lowering
from plait.ir.activation import NONE
from plait.ir.layer import Layer
from plait.ir.layers.linear import FullyConnected, Matmul
from plait.ir.layout import ROW_WORD
from plait.kernels_pyx import packing


def _fully_connected(layer: FullyConnected, lowering: Lowering, variant: str) -> None:
    *rows, k = layer.x.type.static_shape
    n = layer.weight.type.static_shape[0]
    bias = (
        None
        if layer.bias is None
        else lowering.constant(packing.pack_channels(data(layer.bias, "bias"), packing.FC_PANEL))
    )
    lowering.call(
        "f32_fc",
        x=lowering.place(layer.x),
        w=lowering.constant(packing.pack_fc(data(layer.weight, "weight"))),
        bias=bias,
        res=None,
        y=lowering.place(layer.result),
        m=math.prod(rows),
        k=k,
        n=n,
        **act_fields(layer.act),
    )


def refuse_matmul(layer: Layer) -> str | None:
    """Why a matrix product is none that kernels take."""
    assert isinstance(layer, Matmul)
    if layer.result.type.rank > 4:
        return "more than two batch dimensions"
    return None


def matmul_fields(layer: Matmul) -> dict[str, int]:
    """The sizes of a matrix product, and the steps between the matrices of two batch dimensions, 0 where one is
    repeated."""
    y = layer.result.type.static_shape
    batch = (1,) * (4 - len(y)) + y[:-2]
    k = layer.a.type.static_shape[-1]
    fields = {"batch0": batch[0], "batch1": batch[1], "m": y[-2], "k": k, "n": y[-1]}
    for name, value in (("a", layer.a), ("b", layer.b)):
        shape = (1,) * (4 - value.type.rank) + value.type.static_shape
        steps = np.cumprod((1, *shape[:0:-1]))[::-1]
        fields |= {f"{name}_batch{i}": 0 if shape[i] == 1 else int(steps[i]) for i in range(2)}
    return fields


def _matmul(layer: Matmul, lowering: Lowering, variant: str) -> None:
    fields = matmul_fields(layer)
    lowering.call(
        "f32_matmul",
        a=lowering.place(layer.a),
        b=lowering.place(layer.b),
        bias=None,
        y=lowering.place(layer.result),
        **fields,
        a_row=fields["k"],
        a_col=1,
        b_row=fields["n"],
        b_col=1,
        **act_fields(NONE),
    )


cpu(
    "fully_connected",
    ROW_WORD,
    "gemv",
    _fully_connected,
    refuse=refuse_unless_constant("weight", "bias"),
    summary="weights packed in panels of 64 outputs and streamed",
)
cpu("matmul", ROW_WORD, "gemm", _matmul, refuse=refuse_matmul, summary="batched blocked GEMM on strided operands")
