"""How large dimensions can be, from the bounds of their symbols."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from plait.ir.dims import Atom, Dimension, Quotient
from plait.ir.module import Function
from plait.ir.values import Value
from plait.passes.analyses.base import Analyses, Analysis
from plait.passes.analyses.intervals import INF, Interval, point

SYMBOL = Interval(1, INF)
"""A dimension symbol stands for any size from 1 on."""


@attrs.frozen
class ShapeRanges(Analysis):
    """The interval of each dimension. `bounds` says more of some symbols than that they are at least 1."""

    bounds: Mapping[str, Interval] = attrs.field(factory=dict)

    @classmethod
    def of(cls, subject: Function, analyses: Analyses) -> ShapeRanges:
        return cls()

    def dimension(self, dim: Dimension) -> Interval:
        """The sizes that a dimension can have. Sizes are never negative."""
        if isinstance(dim, int):
            return point(dim)
        return self._whole(dim).at_least(0)

    def shape(self, value: Value) -> tuple[Interval, ...]:
        """The interval of each dimension of a tensor."""
        return tuple(self.dimension(d) for d in value.type.shape)

    def elements(self, value: Value) -> Interval:
        """The numbers of elements that a tensor can have."""
        total = point(1)
        for interval in self.shape(value):
            total = total * interval
        return total

    def _whole(self, dim: Dimension) -> Interval:
        """The interval of a part of a dimension, which may be negative."""
        if isinstance(dim, int):
            return point(dim)
        total = point(0)
        for atoms, factor in dim.terms:
            term = point(factor)
            for atom in atoms:
                term = term * self._atom(atom)
            total = total + term
        return total

    def _atom(self, atom: Atom) -> Interval:
        if not isinstance(atom, Quotient):
            return self.bounds.get(atom.name, SYMBOL)
        top, bottom = self._whole(atom.numerator), self._whole(atom.denominator)
        if bottom.low < 1:
            return Interval()
        if atom.op == "/":
            return top // bottom
        # A remainder is less than the divisor, and no more than a number that is not negative.
        return Interval(0, min(bottom.high - 1, top.high if top.low >= 0 else INF))
