"""Conversion of arrays among all element types (ONNX operator specification, Cast-25)."""

from __future__ import annotations

import numpy as np

from plait.ir.dtypes import Array, DType

ROUNDINGS = ("up", "down", "nearest")
"""How numbers between two powers of two become f8e8m0."""
_GREATEST = {DType.F8E4M3FN: 448.0, DType.F8E4M3FNUZ: 240.0, DType.F8E5M2: 57344.0, DType.F8E5M2FNUZ: 57344.0}


def can_cast(source: DType, target: DType) -> bool:
    """Whether elements can be converted. Complex numbers become complex numbers only."""
    return target.is_complex or not source.is_complex


def cast_array(x: Array, target: DType, *, saturate: bool = True, rounding: str = "up") -> Array:
    """The elements of `x` as another element type.

    Floats to integers truncate towards zero, integers to narrower ones keep their low bits, anything but zero is true.
    With `saturate`, what is beyond the range of an 8-bit float becomes its greatest number rather than infinity or NaN.
    `rounding` is for `f8e8m0` alone, which holds magnitudes only.

    Raises:
        ValueError: a string is not a number.
    """
    source = DType.of(x.dtype)
    if source is target:
        return x
    with np.errstate(all="ignore"):
        if source is DType.STRING:
            return _from_strings(x, target)
        if target is DType.STRING:
            return _to_strings(x, source)
        if x.dtype.kind == "V" or target.numpy.kind == "V":
            # ml_dtypes converts to and from the usual types, but not among its own.
            x = _widen(x, source)
        if target is DType.F8E8M0:
            return _powers_of_two(x, saturate, rounding)
        if target in _GREATEST and saturate:
            return _saturated(x, target)
        if target.is_integer and target.bits < 8:
            return _low_bits(x, target)
        if target is DType.BOOL:
            return np.asarray(x != 0)
        return x.astype(target.numpy)


def _widen(x: Array, source: DType) -> Array:
    if source.is_float:
        return x.astype(np.float64)
    return x.astype(np.int64) if source.is_integer and source.bits < 8 else x


def _low_bits(x: Array, target: DType) -> Array:
    mask = (1 << target.bits) - 1
    low = (x.real if x.dtype.kind == "c" else x).astype(np.int64) & mask
    if target.is_signed:
        low = np.where(low > mask >> 1, low - mask - 1, low)
    return low.astype(np.int8 if target.is_signed else np.uint8).astype(target.numpy)


def _saturated(x: Array, target: DType) -> Array:
    greatest = _GREATEST[target]
    return np.clip(x.astype(np.float64), -greatest, greatest).astype(target.numpy)


def _powers_of_two(x: Array, saturate: bool, rounding: str) -> Array:
    """The exponent of the magnitude, with a bias of 127; 255 is NaN."""
    wide = np.abs(x.astype(np.float64))
    fraction, exponent = np.frexp(wide)  # wide = fraction * 2**exponent, with the fraction in [0.5, 1)
    exponent = exponent + 126
    if rounding == "up":
        exponent = exponent + (fraction > 0.5)
    elif rounding == "nearest":
        exponent = exponent + (fraction >= 0.75)
    bits = np.clip(np.where(wide == 0, 0, exponent), 0, 254 if saturate else 255)
    return np.where(np.isfinite(wide), bits, 255).astype(np.uint8).view(DType.F8E8M0.numpy)


def _from_strings(x: Array, target: DType) -> Array:
    read = int if target.is_integer else complex if target.is_complex else float
    numbers = [read(str(v).strip()) for v in x.reshape(-1)]
    kind = np.int64 if target.is_integer and target.is_signed else np.uint64 if target.is_integer else None
    wide = np.array(numbers, dtype=kind or (np.complex128 if target.is_complex else np.float64)).reshape(x.shape)
    return cast_array(wide, target)


def _to_strings(x: Array, source: DType) -> Array:
    if source.is_float and x.dtype.kind == "V":
        x = x.astype(np.float32)
    texts: Array = np.empty(x.size, dtype=object)
    texts[:] = [str(v) for v in x.reshape(-1)]
    return texts.reshape(x.shape)
