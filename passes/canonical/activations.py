"""Activation functions spelled out as arithmetic.

x * clip(x + 3, 0, 6) / 6          = hard_swish(x),  with the factors in any order and association
x * hard_sigmoid(x; 1/6, 1/2)      = hard_swish(x)
clip(x + 3, 0, 6) / 6              = hard_sigmoid(x; 1/6, 1/2)
clip(a x + b, 0, 1)                = hard_sigmoid(x; a, b)
x * sigmoid(x)                     = silu(x)
x * (1 + erf(x / sqrt(2))) / 2     = gelu(x)
min(max(x, a), b)                  = clip(x; a, b)
max(x, a x)                        = leaky_relu(x; a) for 0 < a <= 1
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator

from plait.ir.activation import NONE, RELU6
from plait.ir.layer import Layer
from plait.ir.layers.activations import (
    ActivationLayer,
    Clip,
    Gelu,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    Relu,
    Sigmoid,
    Silu,
)
from plait.ir.layers.elementwise import Add, Binary, Div, Maximum, Minimum, Mul, Unary
from plait.ir.values import Constant, Value
from plait.passes.rewriting import No, has_one_use, rewrite
from plait.passes.support.constants import float_scalar

_DEPTH = 4
_Interpretation = tuple[Value, float, Callable[[Value], Layer]]


def close(a: float, b: float) -> bool:
    """Equal up to the rounding of float32, in which exporters write 1/6 and sqrt(2)."""
    return math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-9)


def factors(value: Value, depth: int = _DEPTH) -> tuple[float, list[Value]]:
    """A product as its constant factor and its other factors; a value that is no product is its only factor."""
    layer = value.owner
    if depth and isinstance(layer, (Mul, Div)) and not layer.act:
        by = float_scalar(layer.b)
        if by is not None and (isinstance(layer, Mul) or by != 0):
            c, rest = factors(layer.a, depth - 1)
            return (c * by if isinstance(layer, Mul) else c / by), rest
        if isinstance(layer, Mul):
            (ca, fa), (cb, fb) = factors(layer.a, depth - 1), factors(layer.b, depth - 1)
            return ca * cb, fa + fb
    return (1.0, []) if float_scalar(value) == 1 else (1.0, [value])


@rewrite(Mul, Div)
def gated_product(layer: Binary) -> Layer | No:
    """x * gate(x) * c -> the activation that it spells"""
    if layer.act or not layer.result.type.dtype.is_float:
        return No(f"{layer.op} applies {layer.act}" if layer.act else "not floating-point")
    coefficient, found = factors(layer.result)
    for i, gate in enumerate(found):
        rest = Counter(found[:i] + found[i + 1 :])
        for x, wanted, make in _gates(gate):
            c, of_x = factors(x)
            if rest == Counter(of_x) and close(coefficient, wanted * c) and x.type.same_logical(layer.result.type):
                return make(x)
        if not rest and close(coefficient, 1 / 6) and (inner := _relu6_of_plus_3(gate)) is not None:
            return HardSigmoid(inner, alpha=1 / 6, beta=0.5)
    return No("not the product of a value and a gate of it")


def _gates(gate: Value) -> Iterator[_Interpretation]:
    """(x, c, make) such that `make(x)` is `c * x * gate`."""
    layer = gate.owner
    match layer:
        case Sigmoid(x):
            yield x, 1.0, Silu
        case HardSigmoid(x) if close(layer.alpha, 1 / 6) and close(layer.beta, 0.5):
            yield x, 1.0, HardSwish
        case Add(act=act) if not act and float_scalar(layer.b) == 1 and (inner := _erf_operand(layer.a)) is not None:
            yield inner, 0.5, Gelu
        case _:
            if (inner := _relu6_of_plus_3(gate)) is not None:
                yield inner, 1 / 6, HardSwish


def _relu6_of_plus_3(value: Value) -> Value | None:
    """x if `value` is clip(x + 3, 0, 6)."""
    layer, wanted = value.owner, RELU6
    if isinstance(layer, Clip) and layer.activation() == RELU6:
        layer, wanted = layer.x.owner, NONE
    if isinstance(layer, Add) and layer.act == wanted and float_scalar(layer.b) == 3:
        return layer.a
    return None


def _erf_operand(value: Value) -> Value | None:
    """x if `value` is erf(x / sqrt(2))."""
    layer = value.owner
    if not isinstance(layer, Unary) or layer.fn != "erf":
        return None
    inner = layer.x.owner
    if not isinstance(inner, (Mul, Div)) or inner.act or (by := float_scalar(inner.b)) is None:
        return None
    return inner.a if close(by, math.sqrt(0.5) if isinstance(inner, Mul) else math.sqrt(2)) else None


@rewrite(Clip)
def clip_of_line(layer: Clip) -> Layer | No:
    """clip(a x + b, 0, 1) -> hard_sigmoid(x; a, b)"""
    if (layer.low, layer.high) != (0, 1):
        return No(f"clips to [{layer.low}, {layer.high}], not [0, 1]")
    plus = layer.x.owner
    if not isinstance(plus, Add) or plus.act or (beta := float_scalar(plus.b)) is None:
        return No("the operand is not a sum with a number")
    times = plus.a.owner
    if not isinstance(times, (Mul, Div)) or times.act or not (by := float_scalar(times.b)):
        return No("the summand is not a product with a number")
    if not times.a.type.same_logical(layer.x.type):
        return No("the numbers add dimensions")
    return HardSigmoid(times.a, alpha=by if isinstance(times, Mul) else 1 / by, beta=beta)


@rewrite(Maximum, Minimum)
def bound_to_clip(layer: Binary) -> Layer | No:
    """max(x, c) -> clip(x; c, inf); min(x, c) -> clip(x; -inf, c)"""
    bound = float_scalar(layer.b)
    if bound is None or math.isnan(bound):
        return No("the bound is not a number")
    if layer.act:
        return No(f"{layer.op} applies {layer.act}")
    if not layer.a.type.same_logical(layer.result.type):
        return No("the bound adds dimensions")
    return Clip(layer.a, low=bound) if isinstance(layer, Maximum) else Clip(layer.a, high=bound)


@rewrite(Maximum)
def larger_of_scaled(layer: Maximum) -> Layer | No:
    """max(x, a x) -> leaky_relu(x; a), where 0 < a <= 1"""
    if layer.act or not layer.result.type.dtype.is_float:
        return No(f"{layer.op} applies {layer.act}" if layer.act else "not floating-point")
    for x, scaled in ((layer.a, layer.b), (layer.b, layer.a)):
        times = scaled.owner
        if isinstance(times, Mul) and not times.act and times.a is x and (by := float_scalar(times.b)) is not None:
            if not 0 < by <= 1:
                return No(f"{by} is not above 0 and at most 1")
            return (
                LeakyRelu(x, alpha=by) if x.type.same_logical(layer.result.type) else No("the factor adds dimensions")
            )
    return No("no operand is the other one multiplied by a number")


def _bounds(layer: Layer | None) -> tuple[float, float] | None:
    match layer:
        case Relu():
            return 0.0, math.inf
        case Clip():
            return layer.low, layer.high
        case _:
            return None


@rewrite(Clip, Relu)
def clip_of_clip(layer: ActivationLayer) -> Layer | No:
    """clip(clip(x; a, b); c, d) -> clip(x; e, f), where e and f are a and b clipped to [c, d]"""
    outer, inner_layer = _bounds(layer), layer.x.owner
    inner = _bounds(inner_layer)
    if outer is None or inner is None or not isinstance(inner_layer, ActivationLayer):
        return No("the operand is not clipped")
    if inner[0] > inner[1] or outer[0] > outer[1]:
        return No("a lower bound is above the upper one")
    if not has_one_use(layer.x):
        return No(f"%{layer.x.name} has other uses")
    low, high = (min(max(bound, outer[0]), outer[1]) for bound in inner)
    return Relu(inner_layer.x) if (low, high) == (0, math.inf) else Clip(inner_layer.x, low=low, high=high)


@rewrite(Clip)
def clip_to_relu(layer: Clip) -> Layer | Value | No:
    """clip(x; 0, inf) -> relu(x); clip(x; -inf, inf) -> x"""
    if (layer.low, layer.high) == (0, math.inf):
        return Relu(layer.x)
    if (layer.low, layer.high) == (-math.inf, math.inf):
        return layer.x
    return No("it has two bounds, or one other than 0")


@rewrite(Add, Mul, Minimum, Maximum)
def constant_to_the_right(layer: Binary) -> Layer | No:
    """@c + x -> x + @c, and so for mul, minimum and maximum"""
    if isinstance(layer.a, Constant) and not isinstance(layer.b, Constant):
        return type(layer)(layer.b, layer.a, act=layer.act)
    return No("the constant is not on the left alone")


RULES = (
    constant_to_the_right,
    gated_product,
    clip_of_line,
    bound_to_clip,
    larger_of_scaled,
    clip_of_clip,
    clip_to_relu,
)
