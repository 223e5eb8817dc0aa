"""The interval of a layer's results from those of its operands, by kind of layer."""

from __future__ import annotations

import math

from plait.ir.layer import Layer
from plait.ir.layers import elementwise as e
from plait.ir.layers import shape as s
from plait.ir.layers._rules import axes_in
from plait.ir.layers.activations import ActivationLayer
from plait.ir.layers.control import If
from plait.ir.layers.linear import Matmul
from plait.ir.layers.normalization import Softmax
from plait.ir.layers.pool import AvgPool2d, GlobalAvgPool, MaxPool2d
from plait.ir.layers.reduce import Reduce
from plait.ir.layers.resize import Resize
from plait.ir.layers.squeeze_excite import SqueezeExcite
from plait.ir.types import DType
from plait.passes.analyses import weighted_ranges as weighted_ranges
from plait.passes.analyses.activation_ranges import activation_range
from plait.passes.analyses.intervals import EVERYTHING, INF, Interval, Number, point
from plait.passes.analyses.value_ranges import ValueRanges, anything, fitted, range_rule

SUMMED = 1e-9
"""Relative rounding error of a long sum in float64, generously."""


@range_rule(ActivationLayer)
def activation(layer: ActivationLayer, ranges: ValueRanges) -> Interval:
    return activation_range(layer.activation(), ranges[layer.x])


@range_rule(s.Reshape, s.Transpose, s.Split, s.Slice, s.Gather, s.Expand, e.Adapt)
def moved(layer: Layer, ranges: ValueRanges) -> Interval:
    """Elements of the first operand, elsewhere."""
    return ranges[layer.operands[0]]


@range_rule(s.Concat)
def concat(layer: s.Concat, ranges: ValueRanges) -> Interval:
    first, *others = (ranges[x] for x in layer.xs)
    return first.hull(*others)


@range_rule(s.Pad)
def pad(layer: s.Pad, ranges: ValueRanges) -> Interval:
    x = ranges[layer.x]
    adds = max(*layer.before, *layer.after, 0) > 0
    return x.hull(fitted(point(layer.value), layer.x.type)) if adds else x


@range_rule(s.ShapeOf)
def shape(layer: s.ShapeOf, ranges: ValueRanges) -> Interval:
    sizes = ranges.shapes.shape(layer.x)
    largest = anything(layer.result.type).high
    return sizes[0].hull(*sizes[1:]).at_most(largest) if sizes else anything(layer.result.type)


@range_rule(If)
def branches(layer: If, ranges: ValueRanges) -> tuple[Interval, ...]:
    pairs = zip(layer.then.outputs, layer.else_.outputs, strict=True)
    return tuple(ranges[yes].hull(ranges[no]) for yes, no in pairs)


# --- arithmetic ---


@range_rule(e.Add, e.Sub, e.Mul, e.Div, e.Minimum, e.Maximum, e.Pow)
def binary(layer: e.Binary, ranges: ValueRanges) -> Interval:
    a, b = ranges[layer.a], ranges[layer.b]
    match layer:
        case e.Add():
            found = (a + b).rounded()
        case e.Sub():
            found = (a - b).rounded()
        case e.Mul():
            found = (a * b).rounded()
            if layer.a is layer.b:
                found = found.at_least(0) if layer.a.type.dtype.is_float else found
        case e.Minimum():
            found = Interval(min(a.low, b.low), min(a.high, b.high))
        case e.Maximum():
            found = Interval(max(a.low, b.low), max(a.high, b.high))
        case e.Div() if layer.a.type.dtype.is_float:
            found = (a * b.reciprocal()).rounded()
        case e.Pow() if layer.a.type.dtype.is_float and a.low >= 0:
            found = Interval(0, INF)
        case _:
            found = EVERYTHING
    return activation_range(layer.act, fitted(found, layer.a.type))


@range_rule(e.Unary)
def unary(layer: e.Unary, ranges: ValueRanges) -> Interval:
    x = ranges[layer.x]
    if not layer.x.type.dtype.is_float and layer.fn not in ("abs", "neg", "floor", "ceil"):
        return EVERYTHING
    match layer.fn:
        case "exp":
            return Interval(_exp(x.low), _exp(x.high)).rounded().at_least(0)
        case "log":
            return Interval(_log(x.low), _log(x.high)).rounded()
        case "sqrt":
            # Roots of negative numbers are NaN.
            return Interval(_sqrt(x.low), _sqrt(x.high)).rounded()
        case "abs":
            return Interval(0 if x.low <= 0 <= x.high else min(abs(x.low), abs(x.high)), x.magnitude)
        case "neg":
            return -x
        case "floor" | "ceil":
            return Interval(_whole(layer.fn, x.low), _whole(layer.fn, x.high))
        case "reciprocal":
            return x.reciprocal().rounded()
        case "erf":
            return Interval(math.erf(x.low), math.erf(x.high)).rounded().at_least(-1).at_most(1)
    return EVERYTHING


@range_rule(e.Cast)
def cast(layer: e.Cast, ranges: ValueRanges) -> Interval:
    x = ranges[layer.x]
    return Interval(0, 1) if layer.to is DType.BOOL else x


def _exp(x: Number) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return INF


def _log(x: Number) -> float:
    return -INF if x <= 0 else math.log(x)


def _sqrt(x: Number) -> float:
    return 0.0 if x <= 0 else math.sqrt(x)


def _whole(fn: str, x: Number) -> Number:
    return x if math.isinf(x) else math.floor(x) if fn == "floor" else math.ceil(x)


# --- windows, reductions, products ---


@range_rule(MaxPool2d)
def max_pool(layer: MaxPool2d, ranges: ValueRanges) -> Interval:
    x = ranges[layer.x]
    top, left, bottom, right = layer.pad
    padded = max(top, bottom) >= layer.kernel[0] or max(left, right) >= layer.kernel[1]
    spread = layer.dilation != (1, 1) and any(layer.pad)
    # A window may lie outside of the image, and then has the least number of all.
    return Interval(anything(layer.x.type).low, x.high) if layer.ceil or padded or spread else x


@range_rule(AvgPool2d)
def avg_pool(layer: AvgPool2d, ranges: ValueRanges) -> Interval:
    x = ranges[layer.x].rounded(SUMMED)
    return x.hull(point(0)) if layer.count_pad and any(layer.pad) else x


@range_rule(GlobalAvgPool)
def global_avg_pool(layer: GlobalAvgPool, ranges: ValueRanges) -> Interval:
    return ranges[layer.x].rounded(SUMMED)


@range_rule(Resize)
def resize(layer: Resize, ranges: ValueRanges) -> Interval:
    x = ranges[layer.x]
    return x.rounded(SUMMED) if layer.mode == "linear" else x


@range_rule(SqueezeExcite)
def squeeze_excite(layer: SqueezeExcite, ranges: ValueRanges) -> Interval:
    gates = activation_range(layer.gate, anything(layer.x.type))
    return activation_range(layer.act, fitted((ranges[layer.x] * gates).rounded(), layer.x.type))


@range_rule(Reduce)
def reduce(layer: Reduce, ranges: ValueRanges) -> Interval:
    x = ranges[layer.x]
    match layer.fn:
        case "max" | "min":
            return x
        case "mean":
            return x.rounded(SUMMED)
        case "sum":
            sizes = ranges.shapes.shape(layer.x)
            count = math.prod((sizes[axis] for axis in axes_in(layer.axes, len(sizes))), start=point(1))
            return (x * count).rounded(SUMMED)
        case "prod" if x.low >= 0 and layer.x.type.dtype.is_float:
            return Interval(0, INF)
    return EVERYTHING


@range_rule(Softmax)
def softmax(layer: Softmax, ranges: ValueRanges) -> Interval:
    return Interval(0, 1)


@range_rule(Matmul)
def matmul(layer: Matmul, ranges: ValueRanges) -> Interval:
    inner = ranges.shapes.dimension(layer.a.type.shape[-1])
    found = ranges[layer.a] * ranges[layer.b] * inner
    if found.magnitude == INF or not layer.a.type.dtype.is_float:
        return found
    return _spread(found, SUMMED * found.magnitude)


def _spread(x: Interval, error: float) -> Interval:
    """Wider by an absolute error; a sum of numbers of one sign keeps it."""
    return Interval(x.low if x.low == 0 else x.low - error, x.high if x.high == 0 else x.high + error)
