"""Multiplication of integers by a real number in fixed point, as TensorFlow Lite defines it.

A multiplier is an int32 that stands for a number in [0.5, 1), and a shift (Jacob et al. 2018, Quantization and training
of neural networks for efficient integer-arithmetic-only inference, 2.2; gemmlowp, fixedpoint.h).
"""

from __future__ import annotations

import numpy as np

from plait.ir.dtypes import Array

_LEAST, _MOST = -(1 << 31), (1 << 31) - 1


def multiply_by_quantized(integers: Array, real: Array) -> Array:
    """i64: integers (broadcast with `real`, both positive and negative ones) times real numbers (f64, not negative), in
    fixed point: MultiplyByQuantizedMultiplier with the multiplier of QuantizeMultiplier."""
    multiplier, shift = quantize_multiplier(real)
    shifted = np.clip(integers.astype(np.int64) << np.maximum(shift, 0), _LEAST, _MOST)
    return rounding_divide_by_power(saturating_doubling_high(shifted, multiplier), np.maximum(-shift, 0))


def quantize_multiplier(real: Array) -> tuple[Array, Array]:
    """Multipliers (i64, of 31 bits) and shifts (i64) with `real = multiplier / 2**31 * 2**shift`; 0 for what is too
    small."""
    fraction, shift = np.frexp(real)
    shift = shift.astype(np.int64)
    multiplier = np.floor(fraction * 2.0**31 + 0.5).astype(np.int64)
    carried = multiplier == 1 << 31
    multiplier, shift = np.where(carried, multiplier // 2, multiplier), np.where(carried, shift + 1, shift)
    small, large = shift < -31, shift > 30
    multiplier = np.where(small, 0, np.where(large, _MOST, multiplier))
    return multiplier, np.where(small, 0, np.where(large, 30, shift))


def saturating_doubling_high(a: Array, b: Array) -> Array:
    """The upper half of `2 a b` of int32 (in i64), rounded to nearest, halves upwards; the one product that is too
    large becomes the greatest."""
    product = a * b
    nudged = product + np.where(product >= 0, 1 << 30, 1 - (1 << 30))
    # Division towards zero, as in C.
    high = np.where(nudged >= 0, nudged >> 31, -(-nudged >> 31))
    return np.asarray(np.where((a == _LEAST) & (b == _LEAST), _MOST, high))


def rounding_divide_by_power(x: Array, exponent: Array) -> Array:
    """`x / 2**exponent` to the nearest, halves away from zero."""
    mask = (np.int64(1) << exponent) - 1
    threshold = (mask >> 1) + (x < 0)
    return np.asarray((x >> exponent) + ((x & mask) > threshold))


def divide(total: Array, count: Array) -> Array:
    """Integers over positive counts, to the nearest, halves away from zero, as means are computed."""
    half = count // 2
    return np.asarray(np.where(total > 0, (total + half) // count, -((half - total) // count)))
