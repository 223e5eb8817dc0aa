"""Attribute values and their text form: numbers, booleans, words, strings, lists, dictionaries, types, symbols such as
`@helper`, and calls such as `clip(0, 6)`; nested at will."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from plait.ir.diagnostics import unknown
from plait.ir.dims import Dim, Dimension, parse_dim
from plait.ir.dtypes import DType, ElementType, Quantized, element_type
from plait.ir.spelling import float_text, name_text, quote
from plait.ir.types import Type

WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
RESERVED = frozenset({"true", "false", "inf", "nan", "on", "via", "loc"})


@attrs.frozen
class Call:
    """A word with arguments: the parsed form of attribute values such as `leaky_relu(0.1)`."""

    name: str
    args: tuple[Any, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}({', '.join(attribute_text(a) for a in self.args)})"


@attrs.frozen
class SymbolRef:
    """A reference to a function of the module by name: `@helper`."""

    name: str

    def __str__(self) -> str:
        return f"@{name_text(self.name)}"


def attribute_text(value: Any) -> str:
    """How the text form writes an attribute value.

    Raises:
        TypeError: the value has no text form.
    """
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return float_text(value)
        case str():
            return value if WORD.match(value) and value not in RESERVED else quote(value)
        case tuple() | list():
            return f"[{', '.join(attribute_text(v) for v in value)}]"
        case Mapping():
            return f"{{{', '.join(f'{attribute_text(k)} = {attribute_text(v)}' for k, v in value.items())}}}"
        case Dim():
            return attribute_text(str(value))
        case DType() | Quantized() | Type() | Call() | SymbolRef():
            return str(value)
    if callable(text := getattr(value, "attribute_text", None)):
        return str(text())
    raise TypeError(f"{type(value).__name__} is not an attribute value")


# Converters for attribute fields. They raise TypeError or ValueError, which the parser reports as P102 at the
# attribute.


def ints(value: Sequence[int]) -> tuple[int, ...]:
    """Any sequence of integers, as a tuple."""
    return tuple(_int(v) for v in value)


def pair(value: int | Sequence[int]) -> tuple[int, int]:
    """`2` or `[2, 2]`: a value each for height and width."""
    if isinstance(value, int):
        return (value, value)
    a, b = ints(value) if len(value) == 2 else _wrong_length(value, 2)
    return (a, b)


def pads(value: int | Sequence[int]) -> tuple[int, int, int, int]:
    """`1`, `[1, 2]` (height, width) or `[top, left, bottom, right]`."""
    if isinstance(value, int):
        return (value, value, value, value)
    if len(value) == 2:
        h, w = ints(value)
        return (h, w, h, w)
    top, left, bottom, right = ints(value) if len(value) == 4 else _wrong_length(value, 4)
    return (top, left, bottom, right)


def number(value: float) -> float:
    """An integer or float, as float."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"wants a number, got {value!r}")
    return float(value)


def integer(value: int) -> int:
    """An integer."""
    return _int(value)


def dimension(value: int | str | Dim) -> Dimension:
    """A dimension: an integer, a symbol, or arithmetic in quotes."""
    if isinstance(value, Dim):
        return value
    return parse_dim(value) if isinstance(value, str) else _int(value)


def optional_dimension(value: int | str | Dim | None) -> Dimension | None:
    """A dimension or nothing."""
    return None if value is None else dimension(value)


def symbol_ref(value: str | SymbolRef) -> SymbolRef:
    """A function by name."""
    if isinstance(value, SymbolRef):
        return value
    if isinstance(value, str):
        return SymbolRef(value)
    raise TypeError(f"wants the name of a net such as @helper, got {value!r}")


def boolean(value: bool) -> bool:
    """`true` or `false`."""
    if not isinstance(value, bool):
        raise TypeError(f"wants true or false, got {value!r}")
    return value


def dtype(value: str | ElementType) -> ElementType:
    """An element type, by its text."""
    if isinstance(value, (DType, Quantized)):
        return value
    if not isinstance(value, str):
        raise TypeError(f"wants an element type, got {value!r}")
    return element_type(value)


def optional_dtype(value: str | ElementType | None) -> ElementType | None:
    """An element type by its text, or nothing."""
    return None if value is None else dtype(value)


SCALE_ROUNDINGS = ("half_even", "fixed_point")
"""How integers change their scale: see `plait.ir.integer`."""


def scale_rounding(value: str) -> str:
    """`half_even` or `fixed_point`."""
    if value not in SCALE_ROUNDINGS:
        raise ValueError(unknown("rounding", value, SCALE_ROUNDINGS))
    return value


def type_of(value: Type) -> Type:
    """A type of values."""
    if not isinstance(value, Type):
        raise TypeError(f"wants a type such as f32[1x3], got {value!r}")
    return value


def _int(value: Any) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"wants an integer, got {value!r}")
    return int(value)


def _wrong_length(value: Sequence[int], wanted: int) -> tuple[int, ...]:
    raise ValueError(f"wants {wanted} numbers, got {len(value)}")
