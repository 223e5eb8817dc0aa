"""Casts between integers that stand for numbers and these numbers, and constants of such integers."""

from __future__ import annotations

import numpy as np

from plait.ir.dtypes import Array, DType, Quantized
from plait.ir.layers.elementwise import Cast
from plait.ir.module import Module
from plait.ir.quantization import dequantize, quantize
from plait.ir.types import TensorType
from plait.ir.values import Constant, Value
from plait.passes.support.constants import stored_data


def quantized(value: Value) -> Quantized | None:
    """The element type of a value if it is quantized."""
    if not isinstance(value.type, TensorType) or not isinstance(value.type.dtype, Quantized):
        return None
    return value.type.dtype


def source(value: Value) -> Value | None:
    """The integers that stand for these numbers, if a cast makes the numbers of integers."""
    cast = value.owner
    if not isinstance(cast, Cast) or not cast.to.is_float or quantized(cast.x) is None:
        return None
    return cast.x


def target(cast: Cast) -> Quantized | None:
    """The element type to which a cast quantizes floating-point numbers; None for other casts, and for explicit ones,
    which stay where they are."""
    if cast.explicit or not isinstance(cast.to, Quantized) or not isinstance(cast.x.type, TensorType):
        return None
    return cast.to if cast.x.type.dtype.is_float else None


def per_tensor(value: Value) -> bool:
    """Whether a value is quantized with one scale for all elements."""
    dtype = quantized(value)
    return dtype is not None and dtype.axis is None


def numbers_of(constant: Value, module: Module) -> Array | None:
    """The numbers that a quantized constant stands for, or None if there are no data."""
    dtype, data = quantized(constant), stored_data(constant)
    if dtype is None or data is None or any(name not in module.constants for name in dtype.constant_names()):
        return None
    return dequantize(data, dtype, lambda name: module.constants[name].data)


def integers_of(numbers: Array, dtype: Quantized, module: Module) -> Array:
    """Numbers as the integers that stand for them."""
    return quantize(numbers, dtype, lambda name: module.constants[name].data)


def scales(dtype: Quantized, module: Module) -> Array | None:
    """The scales of a type in float64, a vector or one number; None if they are not known."""
    if not isinstance(dtype.scale, (float, tuple)):
        data = stored_data(module.constants.get(dtype.scale.name))
        return None if data is None else data.astype(np.float64)
    return np.array(dtype.scale, np.float64)


def is_float32(value: Value) -> bool:
    """Whether a value holds f32 numbers."""
    return isinstance(value.type, TensorType) and value.type.dtype is DType.F32


def constant_source(value: Value) -> Constant | None:
    """The quantized constant whose numbers a value is."""
    found = source(value)
    return found if isinstance(found, Constant) else None
