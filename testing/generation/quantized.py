"""Layers on quantized numbers: a random layer of floats, with operands and result that are quantized."""

from __future__ import annotations

from typing import Any

import attrs

from plait.ir.diagnostics import ShapeError
from plait.ir.dtypes import DType, ElementType, Quantized
from plait.ir.layer import Layer
from plait.ir.types import TensorType
from plait.ir.values import Value
from plait.testing.generation.network import Net

_SCALES = (0.0235, 0.03125, 0.01)
_BYTES = (DType.U8, DType.I8)


def quantized_form(net: Net, layer: Layer) -> Layer:
    """Now and then the layer on quantized operands, where it can have those; else the layer itself."""
    takes = {a.name for a in layer.spec.attributes}
    if "to" not in takes or layer.op == "cast" or not net.source.chance(net.style.integers):
        return layer
    if not all(isinstance(v.type, TensorType) and v.type.dtype.is_float for v in layer.operands):
        return layer
    to: ElementType = DType.F32 if net.source.chance(20) else _whole(net)
    rounding = {"rounding": "fixed_point"} if "rounding" in takes and layer.op != "resize" else {}
    forms: list[dict[str, Any]] = [{"to": to, **rounding}, {"to": to}]
    if net.source.chance(60):
        forms = forms[1:]
    made = layer.with_operands(_operands(net, layer))
    for form in forms:
        found = attrs.evolve(made, **form)
        try:
            found.result_types()
        except ShapeError:
            continue
        return found
    return layer


def _operands(net: Net, layer: Layer) -> dict[Value, Value]:
    """Quantized values in the place of the operands: of all of them, or of some."""
    found: dict[Value, Value] = {}
    for name, value in layer.named_operands():
        if value in found or (not net.style.computable and net.source.chance(10)):
            continue
        axis = layer.integer_operands.get(name)
        dtype = _whole(net)
        if name == "bias":
            if net.source.chance(50):
                continue
            dtype = Quantized(DType.I32, net.source.choice(_SCALES))
        elif axis is not None and net.source.chance(60):
            dtype = _along(net, value, axis % value.type.rank)
        found[value] = net.operand(dtype, value.type.shape)
    return found


def _whole(net: Net) -> Quantized:
    """A type with one scale."""
    zero = net.source.choice((0, 3, 127))
    return Quantized(net.source.choice(_BYTES), net.source.choice(_SCALES), zero)


def _along(net: Net, value: Value, axis: int) -> Quantized:
    """A type with a scale for each index along an axis, if its size is known."""
    size = value.type.shape[axis]
    if not isinstance(size, int):
        return _whole(net)
    return Quantized(DType.I8, tuple(net.source.choice(_SCALES) for _ in range(size)), 0, axis)
