"""Random layers of each family that routines on bytes compute."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import attrs
import numpy as np

from plait.ir.activation import KINDS as ACTIVATIONS
from plait.ir.dtypes import DType, Quantized
from plait.ir.layers.resize import COORDINATES, MODES, ROUNDINGS
from random_layers.draw import Draw, Drawn, Recipe, rms

MOST_PRODUCTS = 400_000
LARGE = 60
"""So many times more some layers have, so that their images are cut into bands."""


def _window(d: Draw, kernels: tuple[int, ...]) -> tuple[dict[str, Any], tuple[int, int], tuple[int, int]]:
    """The attributes of a sliding window, its kernel, and a size of images that it fits into."""
    kernel = (d.choice(kernels),) * 2 if d.chance(70) else (d.choice(kernels), d.choice(kernels))
    stride = d.choice(((1, 1), (1, 1), (2, 2), (d.integer(1, 3), d.integer(1, 3))))
    dilation = (1, 1) if d.chance(75) else (d.integer(1, 3), d.integer(1, 3))
    same = tuple(k // 2 for k in kernel)
    pad = same * 2 if d.chance(40) else tuple(d.integer(0, 3) for _ in range(4)) if d.chance(60) else (0,) * 4
    extents = [(k - 1) * g + 1 for k, g in zip(kernel, dilation, strict=True)]
    free = [max(1, e - pad[i] - pad[i + 2]) for i, e in enumerate(extents)]
    size = free[0] + d.integer(0, 9), free[1] + d.integer(0, d.choice((3, 9, 20)))
    return {"stride": stride, "pad": pad, "dilation": dilation}, kernel, size


def _convolution(d: Draw, channels: int, outputs: int, groups: int, kernels: tuple[int, ...], n: int) -> Recipe:
    window, kernel, size = _window(d, kernels)
    depth, most = channels // groups * math.prod(kernel), MOST_PRODUCTS
    if d.chance(2):
        most, size = LARGE * MOST_PRODUCTS, (d.integer(30, 70), d.integer(40, 120))
    while n * outputs * math.prod(size) * depth > most and (n > 1 or min(size) > 1 + kernel[0] * 3):
        n, size = 1, (max(1 + kernel[0] * 3, size[0] // 2), max(1 + kernel[1] * 3, size[1] // 2))
    x, weight = d.operand((n, channels, *size)), d.weights((outputs, channels // groups, *kernel))
    assert isinstance(x.dtype, Quantized) and isinstance(weight.dtype, Quantized)
    to, rounding = d.to(rms(x.dtype) * rms(weight.dtype) * depth**0.5), d.rounding()
    residual = None
    if rounding == "half_even" and d.chance(35):
        extent = [(k - 1) * g + 1 for k, g in zip(kernel, window["dilation"], strict=True)]
        pads = [window["pad"][i] + window["pad"][i + 2] for i in (0, 1)]
        out = [(s + p - e) // t + 1 for s, p, e, t in zip(size, pads, extent, window["stride"], strict=True)]
        residual = d.operand((n, outputs, *out), d.whole(about=float(to.scale)))  # type: ignore[arg-type]
    operands = (x, weight, d.bias(x.dtype, weight.dtype, outputs, depth), residual)
    attributes = {**window, "groups": groups, "act": d.act(), "to": to, "rounding": rounding}
    return Recipe("conv2d", operands, attributes)


def dense(d: Draw) -> Recipe:
    return _convolution(d, d.channels(), d.channels(), 1, (1, 1, 2, 3, 3, 5), d.integer(1, 2))


def stem(d: Draw) -> Recipe:
    return _convolution(d, d.integer(1, 5), d.channels(), 1, (1, 3, 3, 5, 7), d.integer(1, 2))


def grouped(d: Draw) -> Recipe:
    groups = d.integer(2, 4)
    unit = d.choice((1, 2, 3, 5, 16))
    return _convolution(d, groups * unit, groups * unit * d.integer(1, 2), groups, (1, 3), d.integer(1, 2))


def depthwise(d: Draw) -> Recipe:
    channels = max(2, d.channels())
    return _convolution(d, channels, channels, channels, (1, 2, 3, 3, 3, 5, 5, 7), d.integer(1, 2))


def fully_connected(d: Draw) -> Recipe:
    depth, outputs = d.choice((d.integer(1, 40), d.integer(1, 600))), d.choice((d.integer(1, 20), d.integer(1, 200)))
    rows = d.choice(((1,), (d.integer(1, 5),), (2, d.integer(1, 3))))
    x, weight = d.operand((*rows, depth)), d.weights((outputs, depth))
    assert isinstance(x.dtype, Quantized) and isinstance(weight.dtype, Quantized)
    to = d.to(rms(x.dtype) * rms(weight.dtype) * depth**0.5)
    operands = (x, weight, d.bias(x.dtype, weight.dtype, outputs, depth))
    return Recipe("fully_connected", operands, {"act": d.act(), "to": to, "rounding": d.rounding()})


def matmul(d: Draw) -> Recipe:
    """Of two activations, or by constant weights with a scale for each column; of few rows, many, or batches."""
    m, k = d.choice((d.integer(1, 9), d.integer(1, 40))), d.choice((d.integer(1, 20), d.integer(1, 200)))
    n, both = d.choice((d.integer(1, 40), 64, d.integer(1, 150))), d.choice(((), (), (d.integer(1, 3),), (2, 3)))
    a = d.operand((*both, m, k))
    if d.chance(45):
        drawn = d.weights((n, k))
        dtype = drawn.dtype if drawn.dtype.axis is None else attrs.evolve(drawn.dtype, axis=1)  # type: ignore[union-attr]
        b = attrs.evolve(drawn, dtype=dtype, data=np.ascontiguousarray(drawn.data.T))
    else:
        batch = () if d.chance(25) else tuple(d.choice((1, s)) for s in both)
        b = d.operand((*batch, k, n), constant=d.chance(15))
        b = attrs.evolve(b, weight=b.constant)
    attributes: dict[str, Any] = {"rounding": d.rounding()}
    if d.chance(10) and isinstance(b.dtype, Quantized) and b.dtype.axis is None:  # the sums themselves
        a, b = (attrs.evolve(v, dtype=attrs.evolve(v.dtype, scale=1.0)) for v in (a, b))
        return Recipe("matmul", (a, b), {"to": Quantized(DType.I32, 1.0, 0)})
    attributes["to"] = d.to(rms(a.dtype) * rms(b.dtype) * k**0.5)
    return Recipe("matmul", (a, b), attributes)


def _shape(d: Draw) -> tuple[int, ...]:
    """That of an image, or now and then of rows."""
    image = (d.integer(1, 2), d.channels(), d.integer(1, 9), d.integer(1, 12))
    return (d.integer(1, 5), d.integer(1, 150)) if d.chance(25) else image


def arithmetic(d: Draw) -> Recipe:
    """Operands of one shape, or an image and a number for each channel."""
    kind, shape = d.choice(("add", "add", "sub", "mul", "mul")), _shape(d)
    a, b = d.whole(), d.whole()
    other = (d.choice((1, shape[0])), shape[1], 1, 1) if len(shape) == 4 and d.chance(35) else shape
    operands = [d.operand(shape, a), d.operand(other, b)]
    if kind != "sub" and d.chance(30):
        operands.reverse()
    to = d.to(rms(a) * rms(b) if kind == "mul" else rms(a) + rms(b))
    return Recipe(kind, tuple(operands), {"act": d.act(), "to": to, "rounding": d.rounding()})


def _pool(d: Draw, kind: str) -> Recipe:
    window, kernel, size = _window(d, (1, 2, 3, 3, 5))
    pad = tuple(min(p, kernel[i % 2] - 1) for i, p in enumerate(window["pad"])) if d.chance(80) else window["pad"]
    size = max(size[0], 13 - pad[0] - pad[2]), max(size[1], 13 - pad[1] - pad[3])
    x = d.operand((d.integer(1, 2), d.channels(40), *size))
    to = x.dtype if d.chance(40) else d.whole(about=0.05)
    attributes = {**window, "pad": pad, "kernel": kernel, "ceil": d.chance(30), "to": to}
    if kind == "avg_pool2d":
        attributes |= {"count_pad": d.chance(30), "rounding": d.rounding()}
    return Recipe(kind, (x,), attributes)


def max_pool2d(d: Draw) -> Recipe:
    return _pool(d, "max_pool2d")


def avg_pool2d(d: Draw) -> Recipe:
    return _pool(d, "avg_pool2d")


def global_avg_pool(d: Draw) -> Recipe:
    x = d.operand((d.integer(1, 2), d.channels(), d.integer(1, 15), d.integer(1, 15)))
    to = x.dtype if d.chance(40) else d.whole(about=0.02)
    return Recipe("global_avg_pool", (x,), {"to": to, "rounding": d.rounding()})


def resize(d: Draw) -> Recipe:
    """Of every mode, larger and smaller, by scales that are not those of the sizes as well."""
    x = d.operand((d.integer(1, 2), d.channels(40), d.integer(1, 9), d.integer(1, 9)))
    attributes: dict[str, Any] = {
        "size": (d.integer(1, 20), d.integer(1, 20)),
        "mode": d.choice(MODES),
        "coordinates": d.choice(COORDINATES),
        "rounding": d.choice(ROUNDINGS),
        "to": x.dtype if d.chance(50) else d.whole(about=0.05),
    }
    if d.chance(20):
        attributes["scale"] = tuple(float(d.rng.uniform(0.4, 3)) for _ in range(2))
    return Recipe("resize", (x,), attributes)


def reduce(d: Draw) -> Recipe:
    """Over neighbouring axes, few and many elements."""
    shape = tuple(d.choice((d.integer(1, 6), d.integer(1, 70))) for _ in range(d.integer(1, 3)))
    shape = (*shape, d.integer(1, 300)) if d.chance(50) and len(shape) < 3 else shape
    first = d.integer(0, len(shape) - 1)
    axes = tuple(range(first, d.integer(first, len(shape) - 1) + 1))
    x = d.operand(shape)
    fn = d.choice(("mean", "mean", "sum", "max", "min"))
    count = math.prod(shape[a] for a in axes)
    to = x.dtype if d.chance(30) else d.to(rms(x.dtype) * (count if fn == "sum" else 1))
    rounding = {"rounding": d.rounding()} if fn == "mean" else {}
    return Recipe("reduce", (x,), {"fn": fn, "axes": axes, "keep": d.chance(50), "to": to, **rounding})


def concat(d: Draw) -> Recipe:
    n, h, w = d.integer(1, 2), d.integer(1, 6), d.integer(1, 9)
    shared, percent = d.whole(), d.choice((0, 60, 100))
    parts = [
        d.operand((n, d.channels(40), h, w), shared if d.chance(percent) else None) for _ in range(d.integer(2, 4))
    ]
    return Recipe("concat", tuple(parts), {"axis": 1, "to": d.choice((shared, shared, d.whole()))})


def split(d: Draw) -> Recipe:
    sizes = tuple(d.channels(40) for _ in range(d.integer(2, 3)))
    x = d.operand((d.integer(1, 2), sum(sizes), d.integer(1, 6), d.integer(1, 9)))
    return Recipe("split", (x,), {"sizes": sizes, "axis": 1})


def pad(d: Draw) -> Recipe:
    shape = _shape(d)
    before, after = (tuple(d.integer(0, 3) for _ in shape) for _ in range(2))
    x = d.operand(shape)
    return Recipe("pad", (x,), {"before": before, "after": after, "value": float(d.rng.normal())})


_PARAMETERS: dict[str, dict[str, Any]] = {
    "hard_sigmoid": {"alpha": 0.25},
    "clip": {"low": -0.5, "high": 1.5},
    "unary": {"fn": "exp"},
}
_UNARY = ("exp", "abs", "neg", "floor", "erf", "sqrt", "reciprocal", "log")


def table(d: Draw) -> Recipe:
    """A function of one byte: a unary one, a change of parameters, or arithmetic with a number that is known."""
    kind = d.choice(("unary", "cast", *BINARY, *(k for k in ACTIVATIONS if k != "none")))
    x, attributes = d.operand(_shape(d)), dict(_PARAMETERS.get(kind, {}))
    attributes["to"] = d.whole(about=0.02)
    if kind == "unary":
        attributes["fn"] = d.choice(_UNARY)
    if kind == "cast" and d.chance(50):
        attributes["rounding"] = "fixed_point"
    if kind not in BINARY:
        return Recipe(kind, (x,), attributes)
    number = d.operand((), constant=True)
    rounding = {"rounding": d.rounding()} if kind in ("add", "sub", "mul") else {}
    return Recipe(kind, (x, number), {**attributes, **rounding, "act": d.act()})


BINARY = ("add", "sub", "mul", "div", "minimum", "maximum", "pow")


def quantize(d: Draw) -> Recipe:
    """Floats that lie between two steps, on halves, far outside, infinite or no numbers."""
    to, shape = d.whole(about=10 ** d.rng.uniform(-6, 3)), _shape(d)
    assert isinstance(to.scale, float)
    steps = np.where(d.rng.random(shape) < 0.3, d.rng.integers(-260, 260, shape) + 0.5, d.rng.normal(0, 90, shape))
    numbers = (steps * to.scale).astype(np.float32)
    odd = d.rng.choice(np.array([np.nan, np.inf, -np.inf, 3e38, -0.0, 1e-45], np.float32), shape)
    numbers = np.where(d.rng.random(shape) < (0.1 if d.chance(50) else 0), odd, numbers)
    return Recipe("cast", (Drawn(DType.F32, numbers),), {"to": to})


def dequantize(d: Draw) -> Recipe:
    return Recipe("cast", (d.operand(_shape(d), d.whole(about=10 ** d.rng.uniform(-6, 3))),), {"to": DType.F32})


def adapt(d: Draw) -> Recipe:
    """A change of layout; the attributes are no layer's, but the names of both layouts."""
    source, target = d.choice(list(itertools.permutations(("nchw", "nhwc", "nchw16c"), 2)))
    shape = (d.integer(1, 2), d.channels(), d.integer(1, 18), d.integer(1, 20))
    return Recipe("adapt", (d.operand(shape),), {"source": source, "target": target})


FAMILIES: dict[str, tuple[int, Callable[[Draw], Recipe]]] = {
    "dense": (16, dense),
    "depthwise": (11, depthwise),
    "grouped": (4, grouped),
    "stem": (6, stem),
    "fully_connected": (8, fully_connected),
    "matmul": (8, matmul),
    "arithmetic": (10, arithmetic),
    "max_pool2d": (4, max_pool2d),
    "avg_pool2d": (4, avg_pool2d),
    "global_avg_pool": (3, global_avg_pool),
    "resize": (4, resize),
    "reduce": (3, reduce),
    "concat": (4, concat),
    "split": (2, split),
    "pad": (2, pad),
    "table": (5, table),
    "quantize": (2, quantize),
    "dequantize": (2, dequantize),
    "adapt": (2, adapt),
}
"""Of each family how many layers of a hundred."""
