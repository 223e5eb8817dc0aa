"""One recipe for each kind of layer: how to choose operands and attributes that fit together.

A recipe takes the network under construction and returns a layer, which is not yet part of it. Layers of plug-ins get
theirs by the same decorator:

    from plait.testing.generation.recipes import recipe

    @recipe("acme_fft")
    def fft(net: Net) -> Layer:
        return Fft(net.tensor(net.style.floats, least=1), axis=-1)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import attrs
import numpy as np

from plait.ir.activation import KINDS, NONE, Activation
from plait.ir.casting import can_cast
from plait.ir.dtypes import DType
from plait.ir.layer import Layer
from plait.ir.layers import bits, conv, elementwise, linear, normalization, pool, reduce, resize, shape
from plait.ir.layers.separable import SeparableConv2d
from plait.ir.layers.squeeze_excite import SqueezeExcite
from plait.ir.registry import known_layers
from plait.ir.values import Value
from plait.testing.generation.network import Net

Make = Callable[[Net], Layer]
M = TypeVar("M", bound=Make)


@attrs.frozen
class Recipe:
    """How to make a layer of one kind. `computable`: its numbers stay small and do not jump where rounding differs."""

    kind: str
    make: Make
    computable: bool = True


NESTING = frozenset({"if", "loop", "call"})
"""Kinds of layers that hold or run other layers; their recipes are in `control`."""
RECIPES: dict[str, Recipe] = {}
"""Recipes by the kind of layer."""


def recipe(*kinds: str, computable: bool = True) -> Callable[[M], M]:
    """Decorator: the recipe for layers of these kinds."""

    def register(make: M) -> M:
        for kind in kinds:
            RECIPES[kind] = Recipe(kind, make, computable)
        return make

    return register


def _layer(kind: str, *operands: Value, **attributes: Any) -> Layer:
    cls: Any = known_layers()[kind].cls
    made: Layer = cls(*operands, **attributes)
    return made


def _number(net: Net) -> float:
    return net.source.integer(-20, 20) / 10


def _act(net: Net, x: Value) -> Activation:
    """An activation that a layer carries; only for floating-point numbers."""
    if not x.type.dtype.is_float or not net.source.chance(40):
        return NONE
    kind = net.source.choice([k for k in KINDS if k != "none"])
    if kind == "clip":
        return Activation("clip", (0.0, 6.0))
    return Activation(kind, tuple(_number(net) for _ in range(KINDS[kind][0])))


def _axis(net: Net, x: Value, least: int = 0) -> int:
    """An axis of `x`, sometimes counted from the end."""
    axis = net.source.integer(least, x.type.rank - 1)
    return axis - x.type.rank if net.source.chance(30) else axis


# --- element-wise ---


def _activation(kind: str) -> Make:
    def make(net: Net) -> Layer:
        attributes = {a.name: _number(net) for a in known_layers()[kind].attributes if a.type == "float"}
        return _layer(kind, net.tensor(net.style.floats), **attributes)

    return make


for _kind in KINDS:
    if _kind not in ("none", "clip"):
        recipe(_kind)(_activation(_kind))


@recipe("clip")
def _clip(net: Net) -> Layer:
    low, high = sorted((_number(net), _number(net)))
    bounds = {"low": low} if net.source.chance(30) else {"low": low, "high": high}
    return _layer("clip", net.tensor(net.style.floats), **bounds)


def _binary(kind: str) -> Make:
    def make(net: Net) -> Layer:
        a = net.tensor(net.style.numbers)
        other = [1 if net.source.chance(30) else d for d in a.type.shape]
        b = net.operand(a.type.dtype, other[net.source.integer(0, len(other)) if net.source.chance(30) else 0 :])
        if net.source.chance(20):
            a, b = b, a
        return _layer(kind, a, b, act=_act(net, a))

    return make


for _kind in ("add", "sub", "mul", "minimum", "maximum"):
    recipe(_kind)(_binary(_kind))
for _kind in ("div", "pow"):
    recipe(_kind, computable=False)(_binary(_kind))


@recipe("unary")
def _unary(net: Net) -> Layer:
    known = ("abs", "neg", "erf") if net.style.computable else tuple(elementwise.UNARY)
    return elementwise.Unary(net.tensor(net.style.floats), fn=net.source.choice(known))


@recipe("bitcast", computable=False)
def _bitcast(net: Net) -> Layer:
    x = net.tensor([d for d in net.style.anything if d.bits])
    same = [d for d in DType if d.bits == x.type.dtype.bits]
    return bits.Bitcast(x, to=net.source.choice(same))


@recipe("lookup", computable=False)
def _lookup(net: Net) -> Layer:
    x = net.tensor((DType.U8, DType.I8))
    return bits.LookupTable(x, net.operand(DType.U8, (256,)), to=net.source.choice((None, DType.U8, DType.I8)))


@recipe("cast")
def _cast(net: Net) -> Layer:
    x = net.tensor(net.style.anything)
    source = x.type.dtype
    assert isinstance(source, DType)
    known = [d for d in DType if can_cast(source, d)]
    to = net.source.choice((DType.F32, DType.F64) if net.style.computable else known)
    rounding = net.source.choice(("up", "up", "down", "nearest"))
    saturate, explicit = not net.source.chance(20), net.source.chance(20)
    return elementwise.Cast(x, to=to, saturate=saturate, rounding=rounding, explicit=explicit)


@recipe("adapt")
def _adapt(net: Net) -> Layer:
    return elementwise.Adapt(net.tensor(net.style.numbers))


# --- matrices and images ---


@recipe("fully_connected")
def _fully_connected(net: Net) -> Layer:
    x = net.tensor(net.style.floats, least=2, static=(-1,))
    outputs = net.source.integer(1, 5)
    weight = net.operand(x.type.dtype, (outputs, x.type.shape[-1]))
    bias = net.operand(x.type.dtype, (outputs,)) if net.source.chance(50) else None
    return linear.FullyConnected(x, weight, bias, act=_act(net, x))


@recipe("matmul")
def _matmul(net: Net) -> Layer:
    a = net.tensor(net.style.numbers, least=2)
    batch = a.type.shape[:-2] if net.source.chance(50) else ()
    return linear.Matmul(a, net.operand(a.type.dtype, (*batch, a.type.shape[-1], net.source.integer(1, 4))))


def _window(net: Net, x: Value, kernel: tuple[int, int], dilated: bool = True) -> dict[str, Any]:
    """Stride, dilation and a padding with which a window fits into the image; none lies in the padding alone, unless it
    is dilated."""
    source = net.source
    stride = (source.integer(1, 2), source.integer(1, 2))
    dilation = (source.integer(1, 2), source.integer(1, 2)) if dilated and source.chance(25) else (1, 1)
    before, after = [], []
    for size, k, d in zip(x.type.shape[2:], kernel, dilation, strict=True):
        extent = d * (k - 1) + 1
        missing = max(0, extent - size) if isinstance(size, int) else 0
        extra = source.integer(0, 1) if missing + 2 < extent else 0
        before.append(missing // 2 + extra)
        after.append(missing - missing // 2 + (extra if source.chance(70) else 0))
    return {"stride": stride, "pad": (*before, *after), "dilation": dilation}


def _kernel(net: Net) -> tuple[int, int]:
    return net.source.integer(1, 3), net.source.integer(1, 3)


@recipe("conv2d")
def _conv2d(net: Net) -> Layer:
    x = net.image()
    channels = x.type.shape[1]
    assert isinstance(channels, int)
    groups = net.source.choice((1, channels))
    outputs = groups * net.source.integer(1, 3)
    kernel = _kernel(net)
    weight = net.operand(x.type.dtype, (outputs, channels // groups, *kernel))
    bias = net.operand(x.type.dtype, (outputs,)) if net.source.chance(50) else None
    layer = conv.Conv2d(x, weight, bias, **_window(net, x, kernel), groups=groups, act=_act(net, x))
    if net.source.chance(25):
        layer.residual = net.operand(x.type.dtype, layer.infer().shape)
    return layer


@recipe("separable_conv2d")
def _separable_conv2d(net: Net) -> Layer:
    x, kernel, outputs = net.image(), _kernel(net), net.source.integer(1, 3)
    channels = x.type.shape[1]
    assert isinstance(channels, int)
    first = net.operand(x.type.dtype, (channels, 1, *kernel))
    second = net.operand(x.type.dtype, (outputs, channels, 1, 1))
    biases = [net.operand(x.type.dtype, (c,)) if net.source.chance(50) else None for c in (channels, outputs)]
    layer = SeparableConv2d(
        x, first, second, *biases, **_window(net, x, kernel), depthwise_act=_act(net, x), act=_act(net, x)
    )
    if net.source.chance(25):
        layer.residual = net.operand(x.type.dtype, layer.infer().shape)
    return layer


@recipe("max_pool2d")
def _max_pool2d(net: Net) -> Layer:
    x, kernel = net.image(), _kernel(net)
    window = _window(net, x, kernel, not net.style.computable)
    return pool.MaxPool2d(x, kernel=kernel, **window, ceil=_ceil(net, x))


@recipe("avg_pool2d")
def _avg_pool2d(net: Net) -> Layer:
    x, kernel = net.image(), _kernel(net)
    window = _window(net, x, kernel, not net.style.computable)
    return pool.AvgPool2d(x, kernel=kernel, **window, ceil=_ceil(net, x), count_pad=net.source.chance(50))


def _ceil(net: Net, x: Value) -> bool:
    # Whether a last partial window counts depends on sizes: results of symbolic ones state an upper bound.
    return net.source.chance(30) and (x.type.is_static or not net.style.computable)


@recipe("global_avg_pool")
def _global_avg_pool(net: Net) -> Layer:
    return pool.GlobalAvgPool(net.image())


@recipe("resize")
def _resize(net: Net) -> Layer:
    x = net.tensor(net.style.floats, rank=4, static=(2, 3))
    return resize.Resize(
        x,
        size=(net.source.integer(1, 6), net.source.integer(1, 6)),
        mode=net.source.choice(resize.MODES),
        coordinates=net.source.choice(resize.COORDINATES),
        rounding=net.source.choice(resize.ROUNDINGS),
        scale=(net.source.integer(1, 30) / 10, 0.75) if net.source.chance(30) else (),
    )


@recipe("squeeze_excite")
def _squeeze_excite(net: Net) -> Layer:
    x = net.image()
    channels, few = x.type.shape[1], net.source.integer(1, 3)
    assert isinstance(channels, int)
    weights = [net.operand(x.type.dtype, (*shape, 1, 1)) for shape in ((few, channels), (channels, few))]
    biases = [net.operand(x.type.dtype, (c,)) if net.source.chance(50) else None for c in (few, channels)]
    gate = net.source.choice(("sigmoid", "hard_sigmoid"))
    params = tuple(_number(net) for _ in range(KINDS[gate][0]))
    made = Activation(gate, params)
    return SqueezeExcite(x, *weights, *biases, reduce_act=_act(net, x), gate=made, act=_act(net, x))


# --- normalization ---


@recipe("batch_norm")
def _batch_norm(net: Net) -> Layer:
    x = net.tensor(net.style.floats, least=2)
    scale, bias, mean = (net.operand(x.type.dtype, x.type.shape[1:2]) for _ in range(3))
    variance = net.operand(x.type.dtype, x.type.shape[1:2], low=0.5)
    if net.style.computable and variance in net.function.arguments:
        variance = net.append(elementwise.Unary(variance, fn="abs")).result
    return normalization.BatchNorm(x, scale, bias, mean, variance, epsilon=net.source.choice((1e-5, 1e-3)))


@recipe("scale_shift")
def _scale_shift(net: Net) -> Layer:
    x = net.tensor(net.style.floats, least=2)
    scale, shift = (net.operand(x.type.dtype, x.type.shape[1:2]) for _ in range(2))
    return normalization.ScaleShift(x, scale, shift, act=_act(net, x))


@recipe("local_response_norm")
def _local_response_norm(net: Net) -> Layer:
    return normalization.LocalResponseNorm(net.image(), size=net.source.integer(1, 5), alpha=0.01, beta=0.5, k=2)


@recipe("softmax")
def _softmax(net: Net) -> Layer:
    x = net.tensor(net.style.floats, least=1)
    return normalization.Softmax(x, axis=_axis(net, x))


@recipe("layer_norm")
def _layer_norm(net: Net) -> Layer:
    x = net.tensor(net.style.floats, least=1)
    axis = _axis(net, x)
    normal = x.type.shape[axis:]
    bias = net.operand(x.type.dtype, normal) if net.source.chance(50) else None
    return normalization.LayerNorm(x, net.operand(x.type.dtype, normal), bias, axis=axis, epsilon=1e-3)


@recipe("reduce")
def _reduce(net: Net) -> Layer:
    x = net.tensor(net.style.numbers, least=1)
    known = ("mean", "max", "min") if net.style.computable else tuple(reduce.REDUCTIONS)
    axes = net.source.permutation(x.type.rank)[: net.source.integer(0, x.type.rank)]
    return reduce.Reduce(x, fn=net.source.choice(known), axes=axes, keep=net.source.chance(50))


# --- movement ---


@recipe("reshape")
def _reshape(net: Net) -> Layer:
    x = net.anything()
    rank = x.type.rank
    choices: list[list[int]] = [[-1], [0] * rank]
    if rank >= 2:
        choices.append([0, -1])
    if x.type.is_static:
        sizes = x.type.static_shape
        choices.append([sizes[i] for i in net.source.permutation(rank)])
    return shape.Reshape(x, shape=net.source.choice(choices))


@recipe("transpose")
def _transpose(net: Net) -> Layer:
    x = net.anything(least=1)
    return shape.Transpose(x, perm=net.source.permutation(x.type.rank))


@recipe("concat")
def _concat(net: Net) -> Layer:
    x = net.anything(least=1)
    axis = _axis(net, x)
    parts = [x]
    for _ in range(net.source.integer(0, 2)):
        sizes = list(x.type.shape)
        sizes[axis] = sizes[axis] if net.source.chance(50) else net.source.integer(1, 3)
        parts.insert(net.source.integer(0, len(parts)), net.operand(x.type.dtype, sizes))
    return shape.Concat(tuple(parts), axis=axis)


@recipe("split")
def _split(net: Net) -> Layer:
    x = net.anything(least=1, static=(0,))
    size = x.type.shape[0]
    assert isinstance(size, int)
    first = net.source.integer(1, size)
    return shape.Split(x, sizes=(first, size - first) if size > first else (first,), axis=0)


@recipe("slice")
def _slice(net: Net) -> Layer:
    x = net.anything(least=1, static=(-1,))
    axes = [i for i, d in enumerate(x.type.shape) if isinstance(d, int)]
    chosen = [a for a in axes if net.source.chance(50)] or axes[-1:]
    starts, stops, steps = [], [], []
    for axis in chosen:
        size = x.type.shape[axis]
        assert isinstance(size, int)
        start = net.source.integer(0, size - 1)
        back = net.source.chance(20)
        starts.append(start)
        stops.append(-(2**31) if back else net.source.choice((size, 2**63 - 1, start + 1)))
        steps.append(-1 if back else net.source.integer(1, 2))
    return shape.Slice(x, axes=chosen, starts=starts, stops=stops, steps=steps)


@recipe("pad")
def _pad(net: Net) -> Layer:
    x = net.tensor(net.style.numbers, least=1)
    counts = [net.source.integer(0, 2) for _ in range(2 * x.type.rank)]
    size = x.type.shape[0]
    if isinstance(size, int) and size > 1 and net.source.chance(20):
        counts[0] = -1
    value = _number(net) if x.type.dtype.is_float else 0.0
    return shape.Pad(x, before=counts[: x.type.rank], after=counts[x.type.rank :], value=value)


@recipe("gather")
def _gather(net: Net) -> Layer:
    x = net.anything(least=1)
    axis = _axis(net, x)
    size = x.type.shape[axis]
    limit = size - 1 if isinstance(size, int) else 0
    indices = np.array([net.source.integer(-1, limit) for _ in range(net.source.integer(1, 3))])
    return shape.Gather(x, net.constant(indices.astype(net.source.choice((np.int64, np.int32)))), axis=axis)


@recipe("expand")
def _expand(net: Net) -> Layer:
    x = net.anything()
    sizes = [d if isinstance(d, int) and d > 1 else 1 for d in x.type.shape]
    wide = [net.source.integer(1, 3) if d == 1 else s for d, s in zip(x.type.shape, sizes, strict=True)]
    return shape.Expand(x, shape=[2, *wide] if net.source.chance(30) and x.type.rank < 4 else wide)


@recipe("shape")
def _shape(net: Net) -> Layer:
    return shape.ShapeOf(net.anything())
