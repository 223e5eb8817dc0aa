"""From ranges of numbers to quantized types of 8 bits.

After the quantization parameters that integer engines share (Jacob et al. 2018, Quantization and training of neural
networks for efficient integer-arithmetic-only inference): activations have one scale and zero point, and 0 is exact.
"""

from __future__ import annotations

import math

import attrs
import numpy as np

from plait.ir.dtypes import Array, DType, Quantized

LEVELS = 255
"""Steps between the least and the greatest stored number."""
_LEAST_SCALE = float(np.finfo(np.float32).tiny) * LEVELS
"""Still a normal number when multiplied by a scale of weights."""


def _not_above(value: float) -> float:
    return float(value) if value != value else min(float(value), 0.0)


def _not_below(value: float) -> float:
    return float(value) if value != value else max(float(value), 0.0)


@attrs.frozen
class Range:
    """Numbers from `low` to `high`; 0 is always among them."""

    low: float = attrs.field(default=0.0, converter=_not_above)
    high: float = attrs.field(default=0.0, converter=_not_below)

    @property
    def width(self) -> float:
        return self.high - self.low

    @property
    def is_finite(self) -> bool:
        return math.isfinite(self.low) and math.isfinite(self.high)

    def hull(self, other: Range) -> Range:
        """The least range that holds both."""
        return Range(min(self.low, other.low), max(self.high, other.high))

    def cut(self, other: Range) -> Range:
        """The numbers of both."""
        return Range(max(self.low, other.low), min(self.high, other.high))


def unsigned_type(range: Range) -> Quantized:
    """The type `qu8<scale:zero>` that covers a range, up to half a step at its ends: one scale for the tensor, and 0 is
    one of its numbers.

    Raises:
        ValueError: the range is not finite.
    """
    if not range.is_finite:
        raise ValueError(f"a range from {range.low} to {range.high} cannot be quantized")
    if range.width == 0:
        return Quantized(DType.U8, 1 / LEVELS)
    scale = float(np.float32(max(range.width / LEVELS, _LEAST_SCALE)))
    zero = int(np.clip(np.rint(-range.low / scale), 0, LEVELS))
    return Quantized(DType.U8, scale, zero)


def range_of(dtype: Quantized) -> Range:
    """The numbers that a type with one scale stands for."""
    assert isinstance(dtype.scale, float) and isinstance(dtype.zero, int)
    low, high = dtype.storage.integer_range
    return Range((low - dtype.zero) * dtype.scale, (high - dtype.zero) * dtype.scale)


def range_of_array(data: Array) -> Range:
    """The numbers of an array."""
    return Range(float(data.min(initial=0)), float(data.max(initial=0)))
