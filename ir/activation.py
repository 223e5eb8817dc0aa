"""Activation functions: what layers such as `conv2d` apply to each element of their result, and what `relu` and its kin
compute.

One table gives each function its parameters and its NumPy semantics; layers and kernels refer to it by kind.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import attrs
import numpy as np

from plait.ir.attributes import Call
from plait.ir.diagnostics import unknown
from plait.ir.dtypes import is_floating
from plait.ir.spelling import float_text
from plait.ir.values import Array


def _erf(x: Array) -> Array:
    # NumPy has no erf; math.erf is exact to the last bits and the reference may be slow.
    return np.asarray(np.frompyfunc(math.erf, 1, 1)(x.astype(np.float64)), np.float64)


def _sigmoid(x: Array) -> Array:
    # exp only of non-positive numbers: never overflows.
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


KINDS: dict[str, tuple[int, Callable[..., Array]]] = {
    "none": (0, lambda x: x),
    "relu": (0, lambda x: np.maximum(x, 0)),
    "clip": (2, lambda x, lo, hi: np.minimum(np.maximum(x, lo), hi)),
    "hard_swish": (0, lambda x: x * np.clip(x / 6 + 0.5, 0, 1)),
    "hard_sigmoid": (2, lambda x, a, b: np.clip(a * x + b, 0, 1)),
    "sigmoid": (0, _sigmoid),
    "silu": (0, lambda x: x * _sigmoid(x)),
    "leaky_relu": (1, lambda x, a: np.where(x >= 0, x, a * x)),
    "tanh": (0, np.tanh),
    "elu": (1, lambda x, a: np.where(x >= 0, x, a * np.expm1(np.minimum(x, 0)))),
    "gelu": (0, lambda x: 0.5 * x * (1 + _erf(x / math.sqrt(2)))),
}
"""kind -> (number of parameters, function on float64 arrays)."""


BOUNDS = ("none", "relu", "clip")
"""Kinds that do nothing but cut the range: on integers they are bounds of what is stored."""


@attrs.frozen
class Activation:
    """An activation function with its parameters, e.g. `clip(0.0, 6.0)`."""

    kind: str = "none"
    params: tuple[float, ...] = ()

    def __attrs_post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(unknown("activation", self.kind, (*KINDS, "relu6")))
        if len(self.params) != KINDS[self.kind][0]:
            raise ValueError(f"activation {self.kind} takes {KINDS[self.kind][0]} parameters, got {len(self.params)}")

    def __bool__(self) -> bool:
        return self.kind != "none"

    def __call__(self, x: Array) -> Array:
        """Apply to an array; computed in float64 for floating inputs, result in the dtype of `x`."""
        if not self:
            return x
        wide = x.astype(np.float64) if is_floating(x.dtype) else x
        return KINDS[self.kind][1](wide, *self.params).astype(x.dtype)

    def attribute_text(self) -> str:
        if self == RELU6:
            return "relu6"
        return self.kind + (f"({', '.join(float_text(p) for p in self.params)})" if self.params else "")

    __str__ = attribute_text


NONE = Activation()
RELU = Activation("relu")
RELU6 = Activation("clip", (0.0, 6.0))


def activation(value: Any) -> Activation:
    """Converter of `act` attributes: a word (`relu`, `relu6`), a call (`clip(0, 1)`) or an `Activation`."""
    match value:
        case Activation():
            return value
        case "relu6":
            return RELU6
        case str():
            return Activation(value)
        case Call(name, args):
            return Activation(name, tuple(float(a) for a in args))
    raise TypeError(f"wants an activation, got {value!r}")
