"""Reading constants, whose data may be missing: a text can be read without its weights."""

from __future__ import annotations

from plait.ir.diagnostics import IRError
from plait.ir.values import Array, Constant, Value


def constant_data(value: Value | None) -> Array | None:
    """The elements of a constant, or None if `value` is no constant or has no data at hand."""
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
    """The `content` of a constant, or None as for `constant_data`."""
    data = constant_data(value)
    return None if data is None else content(data)


def content(data: Array) -> bytes:
    """The elements of an array as bytes, which arrays of one type and shape share just if their elements are equal."""
    # Texts are objects, whose bytes in memory are addresses.
    return repr(data.tolist()).encode() if data.dtype.hasobject else data.tobytes()
