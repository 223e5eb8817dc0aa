"""What activation functions make of an interval."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from plait.ir.activation import KINDS, Activation
from plait.passes.analyses.intervals import INF, Interval, Number, point

_VALLEYS = {"hard_swish": -1.5, "silu": -1.2784645427610738, "gelu": -0.7517915246935645}
"""Functions that fall from 0 to their minimum, which is here, and rise from there on."""


def activation_range(act: Activation, x: Interval) -> Interval:
    """The interval of `act(v)` for `v` in `x`."""
    if not act:
        return x
    if act.kind in _VALLEYS:
        return _valley(act, _VALLEYS[act.kind], x)
    return _RULES[act.kind](x, *act.params)


def _value(act: Activation, x: Number) -> float:
    with np.errstate(all="ignore"):
        return float(KINDS[act.kind][1](np.array(float(x)), *act.params))


def _valley(act: Activation, bottom: float, x: Interval) -> Interval:
    # -inf gives -inf * 0; the limit is 0.
    low, high = (0.0 if end == -INF else _value(act, end) for end in (x.low, x.high))
    least = low if x.low >= bottom else high if x.high <= bottom else _value(act, bottom)
    return Interval(least, max(low, high)).rounded(1e-12)


def _rising(kind: str, codomain: Interval) -> Callable[..., Interval]:
    def rule(x: Interval, *params: float) -> Interval:
        act = Activation(kind, params)
        found = Interval(_value(act, x.low), _value(act, x.high)).rounded()
        return found.at_least(codomain.low).at_most(codomain.high)

    return rule


def _leaky_relu(x: Interval, alpha: float) -> Interval:
    if x.low >= 0:
        return x
    return x.at_least(0).hull(x.at_most(0) * point(alpha)).rounded()


def _elu(x: Interval, alpha: float) -> Interval:
    if x.low >= 0:
        return x
    below = x.at_most(0)
    # exp(x) - 1 rises to 0.
    ends = (point(alpha) * point(math.expm1(bound)) for bound in (below.low, below.high))
    return x.at_least(0).hull(*ends).rounded(1e-12)


_RULES: dict[str, Callable[..., Interval]] = {
    "relu": lambda x: x.at_least(0),
    "clip": lambda x, low, high: x.at_least(low).at_most(high),
    "hard_sigmoid": lambda x, a, b: (x * point(a) + point(b)).rounded().at_least(0).at_most(1),
    "sigmoid": _rising("sigmoid", Interval(0, 1)),
    "tanh": _rising("tanh", Interval(-1, 1)),
    "leaky_relu": _leaky_relu,
    "elu": _elu,
}
