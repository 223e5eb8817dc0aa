"""Arrays in logical order, and as they lie in memory."""

from __future__ import annotations

import numpy as np

from plait.ir.layout import Format, layout_named
from plait.ir.types import TensorType
from plait.ir.values import Array


def format_of(layout: str) -> Format:
    """Numbers of 32 bits in a layout."""
    return Format("f32", layout)


def to_storage(array: Array, type: TensorType) -> Array:
    """A logical array as it lies in memory; lanes beyond the last channel are NaN, or all bits are set."""
    layout = layout_named(type.layout.name)
    if layout.terms is None:
        return np.ascontiguousarray(array)
    if layout.order is not None:
        return np.ascontiguousarray(array.transpose(layout.order))
    n, c, h, w = array.shape
    block = layout.terms[-1].modulo
    stored = np.empty((n, -(-c // block), block, h, w), array.dtype)
    stored.view(np.uint8)[...] = 0xFF
    stored.reshape(n, -1, h, w)[:, :c] = array
    return np.ascontiguousarray(stored.transpose(0, 1, 3, 4, 2))


def from_storage(stored: Array, type: TensorType) -> Array:
    """The logical array of what lies in memory."""
    layout = layout_named(type.layout.name)
    if layout.terms is None:
        return stored
    if layout.order is not None:
        return stored.transpose(np.argsort(layout.order))
    n, c, h, w = type.static_shape
    return stored.transpose(0, 1, 4, 2, 3).reshape(n, -1, h, w)[:, :c]
