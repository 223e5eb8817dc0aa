"""Hypothesis strategies for everything that an IR text holds. They need the package `hypothesis`.

from hypothesis import given
from plait.testing import strategies as ir

@given(ir.modules())
def test_my_pass(module): ...
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from hypothesis import strategies as st

from plait.ir.dims import Dimension
from plait.ir.dtypes import DType, ElementType
from plait.ir.layout import Layout
from plait.ir.module import Module
from plait.ir.types import TensorType
from plait.testing.generation import pieces
from plait.testing.generation.source import Source
from plait.testing.generation.style import COMPUTABLE, EVERYTHING, Style
from plait.testing.random_modules import build_module

__all__ = ["COMPUTABLE", "EVERYTHING", "Style", "attributes", "dims", "dtypes", "layouts", "modules", "names", "types"]

T = TypeVar("T")


class _Drawn(Source):
    """Choices that Hypothesis makes."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def integer(self, low: int, high: int) -> int:
        return self._draw(_integers(low, high))


@functools.cache
def _integers(low: int, high: int) -> st.SearchStrategy[int]:
    return st.integers(low, high)


def _drawn(make: Callable[[Source], T]) -> st.SearchStrategy[T]:
    """What `make` makes of choices by Hypothesis."""

    @st.composite
    def build(draw: st.DrawFn) -> T:
        return make(_Drawn(draw))

    return build()


def modules(style: Style = EVERYTHING, max_layers: int = 6) -> st.SearchStrategy[Module]:
    """Valid modules; those of `COMPUTABLE` run in the reference."""
    return _drawn(lambda source: build_module(source, source.integer(0, max_layers), style))


def dims(symbols: int = 50) -> st.SearchStrategy[Dimension]:
    """Dimensions; `symbols` in a hundred have symbols and arithmetic."""
    return _drawn(lambda source: pieces.dimension(source, symbols))


def dtypes(quantized: int = 30) -> st.SearchStrategy[ElementType]:
    """Element types; `quantized` in a hundred are quantized per tensor."""
    return _drawn(lambda source: _dtype(source, quantized))


def _dtype(source: Source, quantized: int) -> ElementType:
    return pieces.quantized(source, ()) if source.chance(quantized) else source.choice(tuple(DType))


def layouts(rank: int = 4) -> st.SearchStrategy[Layout | None]:
    """Layouts for tensors of a rank, named ones and expressions; None is the default one."""
    return _drawn(lambda source: pieces.layout(source, rank, 50))


def types(symbols: int = 30) -> st.SearchStrategy[TensorType]:
    """Types of tensors."""
    style = Style(symbols=symbols, quantized=20, expressions=30)
    return _drawn(lambda source: pieces.tensor_type(source, style))


def attributes(depth: int = 3) -> st.SearchStrategy[Any]:
    """Values of attributes, nested at will."""
    return _drawn(lambda source: pieces.attribute(source, depth))


def names() -> st.SearchStrategy[str]:
    """Names of values, with and without need of quotes."""
    return _drawn(lambda source: pieces.name(source, 50))
