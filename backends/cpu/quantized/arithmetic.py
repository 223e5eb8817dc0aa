"""Sums, differences and products of bytes."""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.backends.cpu.common import LOW_LAYOUTS, cpu, flat_rows, image_fields
from plait.backends.cpu.elementwise import operand_kind
from plait.backends.cpu.quantized.common import (
    BLOCK,
    fixed_fields,
    grid,
    is_fixed_point,
    refuse_kernels,
    result_fields,
)
from plait.backends.lowering import Lowering
from plait.ir.integer import Grid
from plait.ir.layers.elementwise import Binary, Mul
from plait.ir.values import Array, Constant, Value
from plait.kernels_pyx import BinaryOp

_KINDS = ("add", "sub", "mul")


def _fields(layer: Binary, a: Value, b: Value, lowering: Lowering) -> dict[str, Any]:
    """What both kernels take, for operands in this order."""
    first, second, y = (grid(v, lowering) for v in (a, b, layer.result))
    scales = (first.scale * second.scale, np.zeros(())) if isinstance(layer, Mul) else (first.scale, second.scale)
    changes = _fixed_changes(layer, scales, y) if is_fixed_point(layer) else _changes(scales, y)
    return {
        "a": lowering.place(a),
        "b": lowering.place(b),
        "y": lowering.place(layer.result),
        "op": int(BinaryOp[layer.op.upper()]),
        "a_zero": int(first.zero),
        "b_zero": int(second.zero),
        **changes,
        **result_fields(layer, lowering),
    }


def _changes(scales: tuple[Array, Array], y: Grid) -> dict[str, float]:
    return {"a_scale": float(y.multiplier(scales[0])), "b_scale": float(y.multiplier(scales[1]))}


def _fixed_changes(layer: Binary, scales: tuple[Array, Array], y: Grid) -> dict[str, float]:
    """In fixed point; the terms of sums have their own, towards twice the greater scale with 20 bits behind it."""
    fields: dict[str, float] = {"fixed_point": 1, "a_scale": 0.0, "b_scale": 0.0}
    if isinstance(layer, Mul):
        return fields | fixed_fields(scales[0] / y.scale)
    shared = 2 * np.maximum(*scales)
    terms = fixed_fields(scales[0] / shared, "a_") | fixed_fields(scales[1] / shared, "b_")
    return fields | terms | fixed_fields(shared / (1 << 20) / y.scale)


def _refuse_same(layer: Binary) -> str | None:
    if any(v.type.shape != layer.result.type.shape for v in (layer.a, layer.b)):
        return "an operand is broadcast"
    return refuse_kernels(layer)


def _same(layout: str) -> Any:
    def lower(layer: Binary, lowering: Lowering, variant: str) -> None:
        fields = _fields(layer, layer.a, layer.b, lowering)
        lowering.call("q8_binary_same", **fields, **flat_rows(layer.result.type, layout))

    lower.__qualname__ = "same"
    return lower


def _refuse_channel(layer: Binary) -> str | None:
    kinds = tuple(operand_kind(v, layer.result.type) for v in (layer.a, layer.b))
    if kinds != ("same", "channel") and (layer.op == "sub" or kinds != ("channel", "same")):
        return "the operands are not an image and a number for each channel"
    if any(isinstance(v, Constant) or v.type.rank != 4 for v in (layer.a, layer.b)):
        return "both operands must be computed images"
    return refuse_kernels(layer)


def _channel(layer: Binary, lowering: Lowering, variant: str) -> None:
    a, b = layer.a, layer.b
    if operand_kind(a, layer.result.type) != "same":
        a, b = b, a
    n, channels = b.type.static_shape[:2]
    step = 0 if n == 1 else -(-channels // BLOCK) * BLOCK
    lowering.call(
        "q8_binary_channel_nchw16c",
        **_fields(layer, a, b, lowering),
        **image_fields(layer.result.type),
        b_image=step,
    )


for _kind in _KINDS:
    for _layout in LOW_LAYOUTS:
        cpu(_kind, _layout, "vector", _same(_layout), dtype="q8", refuse=_refuse_same, summary="operands of one shape")
    cpu(
        _kind,
        "nchw16c",
        "channel",
        _channel,
        dtype="q8",
        refuse=_refuse_channel,
        summary="an image and a number for each channel",
    )
