"""Matrix products of bytes: of rows by constant weights, and of two operands that are both computed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from plait.backends.cpu.common import cpu
from plait.backends.cpu.quantized.common import (
    Sums,
    change_of_scale,
    grid,
    quantized,
    refuse_weights,
    result_fields,
    signed_weights,
)
from plait.backends.cpu.quantized.limits import refuse_products
from plait.backends.lowering import Lowering
from plait.ir.dtypes import DType, Quantized
from plait.ir.layers.linear import FullyConnected, Matmul
from plait.ir.layout import ROW_WORD
from plait.ir.quantization import why_not_integer
from plait.ir.values import Constant, Value
from plait.kernels_pyx import packing_q8

PANEL = packing_q8.FC_PANEL


def _has_one_matrix(b: Value) -> bool:
    """Whether all batches have the same right operand: then their rows are rows of one product."""
    return math.prod(b.type.static_shape[:-2]) == 1


def _refuse(layer: Matmul) -> str | None:
    if reason := why_not_integer(layer):
        return reason
    if layer.result.type.rank > 4:
        return "more than two batch dimensions"
    for value in (layer.a, layer.result):
        dtype = quantized(value)
        if dtype.storage is not DType.U8 and not (value is layer.result and _keeps_sums(layer)):
            return f"%{value.name} is stored as {dtype.storage}, and kernels take unsigned bytes"
    b = quantized(layer.b)
    if b.storage not in (DType.U8, DType.I8) and not (isinstance(layer.b, Constant) and b.bits < 8):
        return f"%{layer.b.name} is stored as {b.storage}"
    return refuse_products(layer.b.type.static_shape[-2], b, apart=True)


def _keeps_sums(layer: Matmul) -> bool:
    """Whether the result is the sums themselves, as int32."""
    a, b, y = quantized(layer.a), quantized(layer.b), quantized(layer.result)
    if y.storage is not DType.I32 or y.zero != 0 or not all(isinstance(t.scale, float | tuple) for t in (a, b, y)):
        return False
    scales = np.float32(a.scale).astype(np.float64) * np.asarray(b.scale, np.float32).astype(np.float64)  # type: ignore[arg-type]
    return bool(np.all(scales == np.float64(np.float32(y.scale))))  # type: ignore[arg-type]


def _refuse_constant(layer: Matmul) -> str | None:
    if not isinstance(layer.b, Constant) or not _has_one_matrix(layer.b):
        return "b is no constant matrix"
    return _refuse(layer)


def _refuse_computed(layer: Matmul) -> str | None:
    if isinstance(layer.b, Constant) and (quantized(layer.b).bits < 8 or _has_one_matrix(layer.b)):
        return "b is constant: it is packed once"
    return _refuse(layer)


def _ending(layer: Matmul, sums: Sums, lowering: Lowering) -> dict[str, Any]:
    """The fields of bias, scale and result."""
    if quantized(layer.result).bits > 8:
        bias = lowering.constant(packing_q8.pack_ints(sums.bias, PANEL))
        return {"bias": bias, "scale": None, "sums": 1, "zero": 0, "low": 0, "high": 255}
    return {**sums.fields(lowering, PANEL), **result_fields(layer, lowering)}


def _zeros(zeros: Any, lowering: Lowering) -> Any:
    return None if zeros is None else lowering.constant(packing_q8.pack_ints(zeros, PANEL))


def _by_constant(layer: Matmul, lowering: Lowering, variant: str) -> None:
    a, b = grid(layer.a, lowering), grid(layer.b, lowering)
    assert isinstance(layer.b, Constant), "the routine should have refused"
    k, n = layer.b.type.static_shape[-2:]
    signed, zeros = signed_weights(layer.b.data.reshape(k, n).T, b, n)
    bias = packing_q8.fold_zero(None, signed, int(a.zero), zeros)
    sums = Sums(signed, bias, *change_of_scale(layer, a.scale * b.scale, n, lowering), zeros)
    lowering.call(
        "q8_gemm",
        x=lowering.place(layer.a),
        y=lowering.place(layer.result),
        w=lowering.constant(packing_q8.pack_fc(signed)),
        w_zero=_zeros(zeros, lowering),
        m=math.prod(layer.result.type.static_shape[:-1]),
        k=k,
        n=n,
        **_ending(layer, sums, lowering),
    )


def _by_computed(layer: Matmul, lowering: Lowering, variant: str) -> None:
    a, b = grid(layer.a, lowering), grid(layer.b, lowering)
    y = layer.result.type.static_shape
    batch, (m, n), k = (1,) * (4 - len(y)) + y[:-2], y[-2:], layer.a.type.static_shape[-1]
    if _has_one_matrix(layer.b):
        batch, m = (1, 1), m * math.prod(batch)
    steps: dict[str, int] = {}
    for name, value, size in (("a", layer.a, m * k), ("b", layer.b, k * n)):
        shape = (1,) * (4 - value.type.rank) + value.type.static_shape
        steps[f"{name}_batch0"] = 0 if shape[0] == 1 else shape[1] * size
        steps[f"{name}_batch1"] = 0 if shape[1] == 1 else size
    unsigned = quantized(layer.b).storage is DType.U8
    zeros = np.broadcast_to(b.zero - (128 if unsigned else 0), (n,)).astype(np.int32)
    factor, shift = change_of_scale(layer, a.scale * b.scale, n, lowering)
    fields = _ending(layer, Sums(zeros, zeros, factor, shift, None), lowering)
    del fields["bias"]  # the kernel adds up columns
    lowering.call(
        "q8_matmul",
        a=lowering.place(layer.a),
        b=lowering.place(layer.b),
        b_zero=_zeros(zeros if zeros.any() else None, lowering),
        y=lowering.place(layer.result),
        batch0=batch[0],
        batch1=batch[1],
        m=m,
        k=k,
        n=n,
        a_zero=int(a.zero),
        turn=int(unsigned),
        **steps,
        **fields,
    )


def _fully_connected(layer: FullyConnected, lowering: Lowering, variant: str) -> None:
    sums = Sums.of(layer, lowering)
    outputs, inputs = layer.weight.type.static_shape
    lowering.call(
        "q8_gemm",
        x=lowering.place(layer.x),
        y=lowering.place(layer.result),
        w=lowering.constant(packing_q8.pack_fc(sums.weight)),
        w_zero=_zeros(sums.weight_zero, lowering),
        m=math.prod(layer.x.type.static_shape[:-1]),
        k=inputs,
        n=outputs,
        **sums.fields(lowering, PANEL),
        **result_fields(layer, lowering),
    )


def _refuse_rows(layer: FullyConnected) -> str | None:
    if reason := refuse_weights(layer, zeros=True):
        return reason
    dtype = layer.weight.type.dtype
    assert isinstance(dtype, Quantized)
    return refuse_products(layer.weight.type.static_shape[1], dtype, apart=True)


cpu(
    "matmul",
    ROW_WORD,
    "gemm",
    _by_constant,
    dtype="q8",
    refuse=_refuse_constant,
    summary="register tiles of rows x packed panels of 64 columns",
)
cpu(
    "matmul",
    ROW_WORD,
    "gemm_computed",
    _by_computed,
    dtype="q8",
    refuse=_refuse_computed,
    summary="the same of two operands that are computed, panels packed in the run",
)
cpu(
    "fully_connected",
    ROW_WORD,
    "gemm",
    _fully_connected,
    dtype="q8",
    refuse=_refuse_rows,
    summary="register tiles of rows x packed panels of 64 outputs; weights may have zero points",
)
