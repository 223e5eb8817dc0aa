"""Closed intervals of numbers, and arithmetic on them that never leaves a possible number out.

Bounds are integers where they can be, else floats; infinite ones are floats. NaN is in every interval.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import attrs

Number = int | float
INF = math.inf


@attrs.frozen
class Interval:
    """The numbers from `low` to `high`, both included."""

    low: Number = -INF
    high: Number = INF

    def __attrs_post_init__(self) -> None:
        assert self.low <= self.high, f"[{self.low}, {self.high}]"

    def __str__(self) -> str:
        return f"[{self.low}, {self.high}]"

    def __contains__(self, number: Number) -> bool:
        return number != number or self.low <= number <= self.high

    def within(self, other: Interval) -> bool:
        """Whether all these numbers are in `other`."""
        return other.low <= self.low and self.high <= other.high

    def hull(self, *others: Interval) -> Interval:
        """The least interval that holds this one and the others."""
        every = (self, *others)
        return Interval(min(i.low for i in every), max(i.high for i in every))

    def at_least(self, bound: Number) -> Interval:
        """`max(x, bound)` for each x."""
        return Interval(max(self.low, bound), max(self.high, bound))

    def at_most(self, bound: Number) -> Interval:
        """`min(x, bound)` for each x."""
        return Interval(min(self.low, bound), min(self.high, bound))

    def __neg__(self) -> Interval:
        return Interval(-self.high, -self.low)

    def __add__(self, other: Interval) -> Interval:
        # inf - inf is no number, and NaN is in every interval: the other ends decide.
        return Interval(_sum(self.low, other.low, -INF), _sum(self.high, other.high, INF))

    def __sub__(self, other: Interval) -> Interval:
        return self + -other

    def __mul__(self, other: Interval) -> Interval:
        return _around(_product(a, b) for a in (self.low, self.high) for b in (other.low, other.high))

    def __floordiv__(self, other: Interval) -> Interval:
        """Division rounded down, of integers by integers of at least 1."""
        assert other.low >= 1
        return _around(_floor(a, b) for a in (self.low, self.high) for b in (other.low, other.high))

    def rounded(self, relative: float = 1e-15) -> Interval:
        """Wider by a rounding error. Bounds that are integers or 0 stay: no rounding changes the sign of a number."""
        return Interval(_outwards(self.low, -relative), _outwards(self.high, relative))

    @property
    def magnitude(self) -> Number:
        """The largest absolute value."""
        return max(abs(self.low), abs(self.high))

    def reciprocal(self) -> Interval:
        """`1 / x`; everything if 0 is among them."""
        if self.low <= 0 <= self.high:
            return EVERYTHING
        return Interval(1 / self.high, 1 / self.low)


EVERYTHING = Interval()
"""All numbers: nothing is known."""


def point(number: Number) -> Interval:
    """The interval of one number."""
    return Interval(number, number)


def _around(numbers: Iterable[Number]) -> Interval:
    found = tuple(numbers)
    return Interval(min(found), max(found))


def _sum(a: Number, b: Number, worst: Number) -> Number:
    total = a + b
    return worst if total != total else total


def _product(a: Number, b: Number) -> Number:
    # 0 times a number is 0 however large that is; 0 times inf is NaN, which is in every interval.
    return 0 if a == 0 or b == 0 else a * b


def _outwards(bound: Number, relative: float) -> Number:
    return bound if isinstance(bound, int) or math.isinf(bound) else bound + abs(bound) * relative


def _floor(a: Number, b: Number) -> Number:
    if b == INF:
        return -1 if a < 0 else 0
    return a if a in (INF, -INF) else a // b
