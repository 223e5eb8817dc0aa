"""Patterns of types: `f32[Nx3x...] nhwc`, where names stand for any dimension and `...` for any number of them."""

from __future__ import annotations

from typing import Any

import attrs

from plait.ir.dims import SYMBOL, Dimension
from plait.ir.dtypes import ElementType, element_type
from plait.ir.layout import Layout, layout_named
from plait.ir.text.patterns import TypePatternSyntax
from plait.ir.types import TensorType, Type
from plait.passes.patterns.report import Report

ANY = "any"
"""The word for any element type."""


@attrs.frozen
class Dims:
    """Dimensions at the front and at the back; `...` between them if `open`. None matches any, a name binds."""

    front: tuple[int | str | None, ...]
    back: tuple[int | str | None, ...] = ()
    open: bool = False

    def bind(self, shape: tuple[Dimension, ...], bindings: dict[str, Any]) -> bool:
        """Whether a shape fits; dimensions are bound to their names."""
        wanted = len(self.front) + len(self.back)
        if len(shape) < wanted or (len(shape) > wanted and not self.open):
            return False
        pairs = [
            *zip(self.front, shape, strict=False),
            *zip(self.back, shape[len(shape) - len(self.back) :], strict=True),
        ]
        return all(_bind(pattern, dim, bindings) for pattern, dim in pairs)


def _bind(pattern: int | str | None, dim: Dimension, bindings: dict[str, Any]) -> bool:
    if isinstance(pattern, str):
        return bool(bindings.setdefault(pattern, dim) == dim)
    return pattern is None or pattern == dim


@attrs.frozen
class TypePattern:
    """What a type must have; None where anything will do."""

    text: str
    dtype: ElementType | None = None
    dims: Dims | None = None
    layout: Layout | None = None
    device: str | None = None

    def bind(self, type: Type, bindings: dict[str, Any]) -> bool:
        """Whether a type fits; dimensions are bound to their names. Only tensors do."""
        return (
            isinstance(type, TensorType)
            and self.dtype in (None, type.dtype)
            and self.layout in (None, type.layout)
            and self.device in (None, type.device)
            and (self.dims is None or self.dims.bind(type.shape, bindings))
        )


def compile_type(syntax: TypePatternSyntax, report: Report) -> TypePattern | None:
    """The meaning of a type pattern, or None after reporting what is wrong (P006)."""
    dtype: ElementType | None = None
    layout: Layout | None = None
    token = syntax.element
    try:
        dtype = None if str(token) == ANY else element_type(str(token))
        if syntax.layout is not None:
            token = syntax.layout
            layout = layout_named(str(token))
        dims = None
        if syntax.shape is not None:
            token = syntax.shape
            dims = _dims(str(token))
    except ValueError as error:
        report.error("P006", token, str(error))
        return None
    device = None if syntax.device is None else str(syntax.device)
    parts = (syntax.layout, None if device is None else f"on {device}")
    text = " ".join([f"{syntax.element}{syntax.shape or ''}", *(str(p) for p in parts if p is not None)])
    return TypePattern(text, dtype, dims, layout, device)


def _dims(text: str) -> Dims:
    body = text[1:-1].strip()
    parts = [part.strip() for part in body.split("x")] if body else []
    if parts.count("...") > 1:
        raise ValueError("'...' stands twice in a shape")
    if "..." not in parts:
        return Dims(tuple(map(_dim, parts)))
    at = parts.index("...")
    return Dims(tuple(map(_dim, parts[:at])), tuple(map(_dim, parts[at + 1 :])), open=True)


def _dim(text: str) -> int | str | None:
    if text == "?":
        return None
    if text.isdecimal():
        return int(text)
    if not SYMBOL.match(text):
        raise ValueError(f"{text!r} is not a dimension of a pattern (a number, a name, ? or ...)")
    return text
