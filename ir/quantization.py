"""What quantized elements stand for, and back (ONNX operator specification, DequantizeLinear and QuantizeLinear)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from plait.ir.dtypes import Array, ConstantName, DType, ElementType, Quantized, is_floating
from plait.ir.layer import Layer
from plait.ir.types import TensorType
from plait.ir.values import Value

Lookup = Callable[[str], Array]
"""The elements of a constant by name."""


def dequantize(stored: Array, dtype: Quantized, lookup: Lookup) -> Array:
    """The numbers that stored integers stand for: in float32, of 32-bit integers in float64."""
    scale, zero = (_along(p, dtype, stored.shape, lookup) for p in (dtype.scale, dtype.zero))
    scale = scale.astype(np.float32).astype(np.float64)
    return np.asarray((stored.astype(np.float64) - zero) * scale, np.float32 if dtype.bits <= 16 else np.float64)


def quantize(numbers: Array, dtype: Quantized, lookup: Lookup) -> Array:
    """The integers nearest to numbers, ties to even; those out of range become the least or greatest."""
    scale, zero = (_along(p, dtype, numbers.shape, lookup) for p in (dtype.scale, dtype.zero))
    return nearest(numbers, scale, zero, dtype.storage).astype(dtype.numpy)


def nearest(numbers: Array, scale: Array, zero: Array, storage: DType) -> Array:
    """The integers (i64) in the range of `storage` nearest to numbers, ties to even. Floats of no more than 32 bits are
    divided by the scale in float32 (ONNX QuantizeLinear), others in float64."""
    low, high = storage.integer_range
    single = is_floating(numbers.dtype) and numbers.dtype != np.float64
    division = np.float32 if single else np.float64
    with np.errstate(all="ignore"):
        steps = np.rint(numbers.astype(division) / scale.astype(division)).astype(np.float64) + zero
        return np.asarray(np.nan_to_num(np.clip(steps, low, high)).astype(np.int64))


def why_not_integer(layer: Layer, result: ElementType | None = None) -> str | None:
    """Why a layer computes on the numbers that its operands stand for, or None if it computes on the integers.

    Args:
        result: the element type of the result, of a layer that is not attached yet.
    """
    if not layer.integer_operands:
        return f"{layer.op} has no rule for integers"
    if reason := layer.refuse_integers():
        return reason
    dtype = layer.result.type.dtype if result is None else result
    if not isinstance(dtype, Quantized) or dtype.axis is not None:
        return f"the result is {dtype}"
    for name, value in layer.named_operands():
        if name in layer.integer_operands and (reason := _why_not_integers(value, layer.integer_operands[name])):
            return f"{name} {reason}"
    return None


def _why_not_integers(value: Value, axis: int | None) -> str | None:
    dtype = value.type.dtype
    if not isinstance(dtype, Quantized):
        return f"holds {dtype}"
    if dtype.bits > 16:
        return f"holds {dtype.storage}, whose sums may be inexact"
    if dtype.axis is None:
        return None
    if axis is None or dtype.axis != axis % value.type.rank or dtype.block:
        return f"has several scales: {dtype}"
    return None


def _along(parameter: Any, dtype: Quantized, shape: tuple[int, ...], lookup: Lookup) -> Array:
    """Scales or zero points in a shape that broadcasts with the elements."""
    values = np.asarray(lookup(parameter.name) if isinstance(parameter, ConstantName) else parameter).astype(np.float64)
    if dtype.axis is None or values.size == 1:
        return values.reshape(())
    if dtype.block:
        # One for each block: as many dimensions as the elements have.
        repeated = np.repeat(values, dtype.block, dtype.axis)
        return repeated[tuple(slice(n) for n in shape)]
    return values.reshape([-1 if i == dtype.axis else 1 for i in range(len(shape))])


def parameter_faults(tensor: TensorType, constants: Mapping[str, TensorType]) -> list[str]:
    """Why constants, given by their types, cannot be the scales or zero points that a tensor's element type names."""
    dtype = tensor.dtype
    assert isinstance(dtype, Quantized)
    found = []
    for what, parameter in (("scales", dtype.scale), ("zero points", dtype.zero)):
        if not isinstance(parameter, ConstantName):
            continue
        type = constants[parameter.name]
        element = type.dtype
        if not isinstance(element, DType) or not (element.is_float or element.is_integer):
            found.append(f"the {what} {parameter} must be numbers, got {type}")
        elif not type.is_static or not _fits(type, dtype, tensor):
            found.append(f"the {what} {parameter} do not fit, got {type}")
    return found


def _fits(parameters: TensorType, dtype: Quantized, tensor: TensorType) -> bool:
    if dtype.axis is None or parameters.elements == 1:
        return parameters.elements == 1
    size = tensor.shape[dtype.axis]
    if not isinstance(size, int):
        return True  # not known before the run
    if not dtype.block:
        return parameters.elements == size
    blocks = -(-size // dtype.block)
    return parameters.rank == tensor.rank and parameters.shape[dtype.axis] == blocks
