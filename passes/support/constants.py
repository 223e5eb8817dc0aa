"""Reading constants, whose data may be missing: a text can be read without its weights."""

from __future__ import annotations

import numpy as np

from plait.ir.diagnostics import IRError
from plait.ir.values import Array, Constant, Value

_SAMPLE = 256
_PART = 1 << 20
"""Bytes that are compared at a time, so that the result of comparing stays in cache."""


def constant_data(value: Value | None) -> Array | None:
    """The elements of a constant, or None if `value` is no constant, is quantized or has no data at hand."""
    return stored_data(value) if isinstance(value, Constant) and value.type.is_plain else None


def stored_data(value: Value | None) -> Array | None:
    """The elements of a constant as they are stored, which may be quantized; None as for `constant_data`."""
    if not isinstance(value, Constant):
        return None
    try:
        return value.data
    except IRError:
        return None


def float_scalar(value: Value | None) -> float | None:
    """The number in a floating constant of one element, else None."""
    if not isinstance(value, Constant) or not value.type.dtype.is_float or value.type.elements != 1:
        return None
    data = constant_data(value)
    return None if data is None else float(data.reshape(()))


def constant_content(value: Value | None) -> bytes | None:
    """The `content` of a constant, or None as for `stored_data`."""
    data = stored_data(value)
    return None if data is None else content(data)


def content(data: Array) -> bytes:
    """The elements of an array as bytes, which arrays of one type and shape share just if their elements are equal."""
    # Texts are objects, whose bytes in memory are addresses.
    return repr(data.tolist()).encode() if data.dtype.hasobject else data.tobytes()


def sample(data: Array) -> bytes:
    """The `content` of up to some hundred elements from all over an array: equal for arrays of one type and shape that
    have equal elements, and nearly always different for others."""
    flat = data.reshape(-1)
    return content(flat[:: max(1, len(flat) // _SAMPLE)])


def equal_content(a: Array, b: Array) -> bool:
    """Whether two arrays of one type and shape have the same `content`, bit for bit; no copies are made."""
    if a is b:
        return True
    if a.dtype.hasobject or not (a.flags.c_contiguous and b.flags.c_contiguous):
        return content(a) == content(b)
    x, y = (array.reshape(-1).view(np.uint8) for array in (a, b))
    parts = range(0, len(x), _PART)
    return all(np.array_equal(_words(x[i : i + _PART]), _words(y[i : i + _PART])) for i in parts)


def _words(part: Array) -> Array:
    """Bytes as numbers of eight, if that comes out even."""
    return part.view(np.uint64) if len(part) % 8 == 0 else part
