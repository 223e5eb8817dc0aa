"""Between which numbers the elements of values lie, whatever the inputs of the function are.

    relu(x) >= 0,   sigmoid(x) in [0, 1],   concat(x, y) in the hull of both

Sound for the layers' NumPy references: as long as no NaN arises, no element that a reference computes is outside its
interval.
`plait.passes.analyses.range_rules` has a rule for each kind of layer; results of others may be anything.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import attrs
import numpy as np

from plait.ir.layer import Layer
from plait.ir.module import Function
from plait.ir.region import Region
from plait.ir.types import DType, Type
from plait.ir.values import Array, Constant, Value
from plait.passes.analyses.base import Analyses, Analysis
from plait.passes.analyses.intervals import EVERYTHING, INF, Interval, Number
from plait.passes.analyses.shape_ranges import ShapeRanges
from plait.passes.support.constants import constant_data

_FLOATS = (DType.F64, DType.F32, DType.F16, DType.BF16)
L = TypeVar("L", bound=Layer)
R = Callable[[L, "ValueRanges"], Interval | tuple[Interval, ...]]
_RULES: dict[type[Layer], R[Any]] = {}


def range_rule(*classes: type[L]) -> Callable[[R[L]], R[L]]:
    """Decorator: a function of a layer of these classes, or subclasses, and the ranges of its operands, that gives the
    interval of all its results, or of each, before they are rounded or wrapped to their element type."""

    def register(rule: R[L]) -> R[L]:
        _RULES.update(dict.fromkeys(classes, rule))
        return rule

    return register


@attrs.define
class ValueRanges(Analysis):
    """The interval of each value of a function; `ranges[value]`."""

    shapes: ShapeRanges
    _known: dict[Value, Interval] = attrs.field(factory=dict)

    @classmethod
    def of(cls, subject: Function, analyses: Analyses) -> ValueRanges:
        import plait.passes.analyses.range_rules  # noqa: F401 -- registers them

        ranges = cls(analyses.get(ShapeRanges, subject))
        ranges._enter(subject.body)
        return ranges

    def _enter(self, region: Region) -> None:
        for layer in region:
            for inner in layer.regions():
                self._enter(inner)
            self._known.update(zip(layer.results, self._results(layer), strict=True))

    def __getitem__(self, value: Value) -> Interval:
        """The interval of a value. Values that a pass made since are looked at when they are asked for."""
        if value not in self._known:
            self._known[value] = self._look(value)
        return self._known[value]

    def _look(self, value: Value) -> Interval:
        if isinstance(value, Constant):
            return _constant(value)
        if value.owner is None:
            return anything(value.type)
        return self._results(value.owner)[value.owner.results.index(value)]

    def _results(self, layer: Layer) -> tuple[Interval, ...]:
        found = self.apply(layer)
        each = (found,) * len(layer.results) if isinstance(found, Interval) else found
        return tuple(fitted(interval, result.type) for interval, result in zip(each, layer.results, strict=True))

    def apply(self, layer: Layer) -> Interval | tuple[Interval, ...]:
        """What the rule for a layer's class gives, from the intervals of its operands: one for all results or each."""
        for cls in type(layer).__mro__:
            if cls in _RULES:
                return _RULES[cls](layer, self)
        return EVERYTHING


def anything(type: Type) -> Interval:
    """All numbers that a type can hold."""
    if not type.is_plain:
        return EVERYTHING
    dtype = type.dtype
    if dtype is DType.BOOL:
        return Interval(0, 1)
    return Interval(*dtype.integer_range) if isinstance(dtype, DType) and dtype.is_integer else EVERYTHING


def fitted(interval: Interval, type: Type) -> Interval:
    """The interval after its numbers are put into the element type of `type`: floats are rounded, fractions cut off.

    Integers that do not fit wrap around, so then any may come out.
    """
    if not type.is_plain:
        return EVERYTHING
    dtype, every = type.dtype, anything(type)
    if isinstance(dtype, DType) and dtype.is_integer:
        if not interval.within(every):
            return every
        return Interval(math.trunc(interval.low), math.trunc(interval.high))
    if dtype in _FLOATS:
        with np.errstate(all="ignore"):
            low, high = (float(np.array(_float(b)).astype(dtype.numpy)) for b in (interval.low, interval.high))
        return Interval(low, high)
    return every


def data_of(value: Value | None) -> Array | None:
    """The elements of a constant as float64, if they are real numbers and at hand."""
    if not isinstance(value, Constant) or not value.type.is_plain or value.type.dtype not in _FLOATS:
        return None
    data = constant_data(value)
    return None if data is None else np.asarray(data, np.float64)


def _constant(value: Constant) -> Interval:
    every = anything(value.type)
    if not value.type.is_plain or not (value.type.dtype in _FLOATS or every != EVERYTHING):
        return every
    found = constant_data(value)
    if found is None:
        return every
    data = np.asarray(found)
    if value.type.dtype in _FLOATS:
        data = data.astype(np.float64)
        data = data[~np.isnan(data)]
    elif isinstance(value.type.dtype, DType) and value.type.dtype.bits < 8:
        data = data.astype(np.int64)
    return Interval(_number(data.min()), _number(data.max())) if data.size else every


def _number(scalar: Any) -> Number:
    number: Number = scalar.item()
    return int(number) if isinstance(number, bool) else number


def _float(bound: Number) -> float:
    try:
        return float(bound)
    except OverflowError:  # an integer beyond all floats
        return INF if bound > 0 else -INF
