"""Attribute values as MLIR writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plait.ir.attributes import WORD, SymbolRef
from plait.ir.attributes import attribute_text as plain_text
from plait.ir.dims import Dim
from plait.ir.dtypes import DType, Quantized
from plait.ir.generic.spelling import fits_i64, integer, is_key, key, real, stands_anywhere, string, symbol
from plait.ir.generic.types import element_type_text, type_text
from plait.ir.types import Type


def attribute_text(value: Any) -> str:
    """How MLIR writes an attribute value. What MLIR has no attribute for stands in our own text, tagged:
    `#plait.attr<"clip(0.0, 6.0)">`.

    Raises:
        TypeError: the value has no text form.
    """
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return integer(value)
        case float():
            return f"{real(value)} : f64"
        case str():
            return string(value)
        case tuple() | list():
            return array_text(value)
        case Mapping() if all(is_key(k) for k in value):
            return dictionary_text(value)
        case DType() | Quantized():
            return element_type_text(value)
        case Type():
            return type_text(value)
        case Dim():
            return string(str(value))
        case SymbolRef() if value.name and stands_anywhere(value.name):
            return symbol(value.name)
    text = plain_text(value)
    return string(text) if WORD.match(text) else tagged(text)


def array_text(values: tuple[Any, ...] | list[Any]) -> str:
    """A list: of integers as MLIR's dense array, else of attributes."""
    if values and all(fits_i64(v) for v in values):
        return f"array<i64: {', '.join(map(str, values))}>"
    return f"[{', '.join(attribute_text(v) for v in values)}]"


def dictionary_text(values: Mapping[str, Any]) -> str:
    """A dictionary of attributes, whose names can be such."""
    return f"{{{', '.join(f'{key(k)} = {attribute_text(v)}' for k, v in values.items())}}}"


def tagged(text: str) -> str:
    """An attribute in our own text."""
    return f"#plait.attr<{string(text)}>"
