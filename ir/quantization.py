"""What quantized elements stand for, and back (ONNX operator specification, DequantizeLinear and QuantizeLinear)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from plait.ir.dtypes import ConstantName, Quantized

Array = npt.NDArray[Any]
Lookup = Callable[[str], Array]
"""The elements of a constant by name."""


def dequantize(stored: Array, dtype: Quantized, lookup: Lookup) -> Array:
    """The numbers that stored integers stand for: in float32, of 32-bit integers in float64."""
    scale, zero = (_along(p, dtype, stored.shape, lookup) for p in (dtype.scale, dtype.zero))
    return np.asarray((stored.astype(np.float64) - zero) * scale, np.float32 if dtype.bits <= 16 else np.float64)


def quantize(numbers: Array, dtype: Quantized, lookup: Lookup) -> Array:
    """The integers nearest to numbers, ties to even; those out of range become the least or greatest."""
    scale, zero = (_along(p, dtype, numbers.shape, lookup) for p in (dtype.scale, dtype.zero))
    low, high = dtype.storage.integer_range
    with np.errstate(all="ignore"):
        steps = np.rint(numbers.astype(np.float64) / scale) + zero
        return np.asarray(np.nan_to_num(np.clip(steps, low, high)).astype(np.int64).astype(dtype.numpy))


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
