"""Elements of constants as text, and back: exact for every element type."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from plait.ir.attributes import Call
from plait.ir.dtypes import Array, DType, ElementType
from plait.ir.spelling import float_text, quote
from plait.ir.types import TensorType

INLINE_LIMIT = 16
"""Constants of at most this many elements stand in the text; larger ones in the weights file."""


def is_inline(type: TensorType) -> bool:
    """Whether the text form writes the elements of a constant of this type: all strings, which a weights file cannot
    hold, and else a few."""
    return type.dtype is DType.STRING or type.elements <= INLINE_LIMIT


def literal_text(data: Array, dtype: ElementType) -> str:
    """A constant's elements: `[1.0, 2.0]`, or `1.0` for a scalar."""
    values = [element_text(v, dtype) for v in np.asarray(data).reshape(-1)]
    return values[0] if np.ndim(data) == 0 else f"[{', '.join(values)}]"


def read_literal(literal: Any, type: TensorType) -> Array:
    """The array that a parsed literal stands for.

    Raises:
        ValueError, TypeError: it has another number of elements, or one that is not of the element type.
    """
    values = literal if isinstance(literal, tuple) else (literal,)
    if not type.is_static or type.elements != len(values):
        raise ValueError(f"type {type} but {len(values)} elements")
    dtype = type.dtype.storage
    data: Array = np.empty(len(values), dtype.numpy)
    for i, value in enumerate(values):
        data[i] = element(value, dtype)
    return data.reshape(type.static_shape)


def element_text(value: Any, dtype: ElementType) -> str:
    """One element of a constant, as short as reads back exactly."""
    dtype = dtype.storage
    if dtype is DType.BOOL:
        return "true" if value else "false"
    if dtype is DType.STRING:
        return quote(str(value))
    if dtype.is_complex:
        part = DType.F32 if dtype is DType.C64 else DType.F64
        return f"complex({element_text(value.real, part)}, {element_text(value.imag, part)})"
    return _float_text(value, dtype) if dtype.is_float else str(int(value))


def _float_text(value: Any, dtype: DType) -> str:
    wide = float(value)
    if not math.isfinite(wide):
        return float_text(wide)
    if dtype in (DType.F64, DType.F32, DType.F16):
        candidates = iter((float(np.format_float_scientific(value)),))
    else:
        # ml_dtypes prints with a fixed number of digits: look for the fewest that do, unless few say the exact number.
        exact = float(f"{wide:.6g}") == wide
        candidates = (float(f"{wide:.{digits}g}") for digits in range(6 if exact else 1, 17))
    # None reads back where a short text would be rounded twice, via float64: then say all the digits.
    short = next((c for c in candidates if (found := _nearest(c, dtype)) is not None and float(found) == wide), wide)
    plain = short == 0 or 1e-4 <= abs(short) < 1e16
    return np.format_float_positional(short, trim="0") if plain else np.format_float_scientific(short, trim="0")


def _nearest(number: float, dtype: DType) -> Any:
    """The element nearest to a number, or None if the number is outside the type's range."""
    with np.errstate(all="ignore"):
        found = dtype.numpy.type(number)
        back = float(found)
    if not math.isfinite(number):
        return found if back == number or (math.isnan(back) and math.isnan(number)) else None
    if dtype in _GREATEST and abs(number) > _GREATEST[dtype]:
        return None
    return found if math.isfinite(back) else None


_GREATEST = {DType.F4E2M1: 6.0, DType.F6E2M3: 7.5, DType.F6E3M2: 28.0}
"""Of the types that saturate. (The others make infinity or NaN of what is too large.)"""


def element(value: Any, dtype: DType) -> Any:
    """A parsed value as one element of this type.

    Raises:
        TypeError: it is of another kind.
        ValueError: it is out of range.
    """
    if dtype is DType.BOOL:
        return _want(isinstance(value, bool), value, "true or false")
    if dtype is DType.STRING:
        return _want(isinstance(value, str), value, "a string")
    if dtype.is_complex:
        part = DType.F32 if dtype is DType.C64 else DType.F64
        if not (isinstance(value, Call) and value.name == "complex" and len(value.args) == 2):
            return complex(element(value, part))
        return complex(*(element(v, part) for v in value.args))
    if dtype.is_integer:
        _want(isinstance(value, int) and not isinstance(value, bool), value, f"a number of type {dtype}")
        low, high = dtype.integer_range
        if not low <= value <= high:
            raise ValueError(f"{value} is outside {low} to {high}, the range of {dtype}")
        return value
    return _read_float(value, dtype)


def _read_float(value: Any, dtype: DType) -> Any:
    if value in ("inf", "nan"):
        value = float(value)
    _want(isinstance(value, (int, float)) and not isinstance(value, bool), value, f"a number of type {dtype}")
    found = _nearest(float(value), dtype)
    if found is None:
        raise ValueError(f"{float_text(float(value))} is not in the range of {dtype}")
    return found


def _want(holds: bool, value: Any, what: str) -> Any:
    if not holds:
        raise TypeError(f"{value!r} is not {what}")
    return value
