"""Random networks compute the same numbers before and after each pass, and every pass is idempotent on them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from plait.ir import Function, Layer, Module, TensorType, Value
from plait.ir.diagnostics import Location
from plait.ir.layers.activations import Clip, HardSigmoid, HardSwish, LeakyRelu, Relu, Sigmoid
from plait.ir.layers.conv import Conv2d
from plait.ir.layers.elementwise import Adapt, Add, Div, Maximum, Minimum, Mul, Sub
from plait.ir.layers.linear import FullyConnected, Matmul
from plait.ir.layers.normalization import BatchNorm, ScaleShift, Softmax
from plait.ir.layers.pool import AvgPool2d, GlobalAvgPool, MaxPool2d
from plait.ir.layers.reduce import Reduce
from plait.ir.layers.shape import Concat, Pad, Reshape, Slice, Split, Transpose
from plait.ir.layout import Format
from plait.ir.types import DType
from plait.passes.manager import PassManager
from plait.passes.pipeline import Pipeline
from plait.passes.registry import known_passes

C = 3
OTHERS = ("bind-dims", "convert-dtype", "on", "outline", "repeat", "rewrite", "store-weights")
PASSES = [*(p for p in known_passes() if p not in OTHERS), "canonical", "default"]


class Net:
    """A network under construction, with values of [1, C, H, W] to draw operands from."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.x = Value("x", TensorType(DType.F32, (1, C, 6, 5)))
        self.module = Module([Function("main", [self.x])])
        self.values = [self.x]

    def constant(self, *shape: int, low: float = -1.0) -> Value:
        data = self.rng.uniform(low, 1.5, shape).astype(np.float32)
        return self.module.add_constant("c", data)

    def number(self, value: float) -> Value:
        return self.module.add_constant("n", np.float32(value).reshape(self.rng.choice([0, 1]) * (1,)))

    def add(self, layer: Layer, *, layout: str = "") -> Value:
        """Append a layer; its result gets the default layout unless stated."""
        layer.locations = (Location("net", str(len(self.values))),)
        types = [t.with_format(Format(t.dtype.value, layout)) if layout else t for t in layer.result_types()]
        return self.module.main.body.append(layer, ("v",), types).results[0]

    def pick(self) -> Value:
        # Recent values more often, so that chains as well as shared values come up.
        return self.values[-1] if self.rng.random() < 0.7 else self.values[self.rng.integers(len(self.values))]

    def like(self, x: Value) -> Value:
        """A value of the shape of `x`."""
        same = [v for v in self.values if v.type == x.type]
        return same[self.rng.integers(len(same))]


def conv(net: Net, x: Value) -> Layer:
    groups = int(net.rng.choice([1, C]))
    k = int(net.rng.choice([1, 3]))
    bias = net.constant(C) if net.rng.random() < 0.5 else None
    return Conv2d(x, net.constant(C, C // groups, k, k), bias, pad=k // 2, groups=groups)


def padded_conv(net: Net, x: Value) -> Layer:
    p = net.add(Pad(x, before=(0, 0, 1, 0), after=(0, 0, 1, 2)))
    return Conv2d(p, net.constant(C, C, 3, 3), pad=(0, 1, 0, 0))


def padded_pool(net: Net, x: Value) -> Layer:
    r = net.add(Relu(x)) if net.rng.random() < 0.7 else x
    p = net.add(Pad(r, before=(0, 0, 1, 1), after=(0, 0, 1, 1)))
    return (MaxPool2d if net.rng.random() < 0.5 else AvgPool2d)(p, kernel=3)


def batch_norm(net: Net, x: Value) -> Layer:
    return BatchNorm(x, net.constant(C), net.constant(C), net.constant(C), net.constant(C, low=0.5))


def unary(net: Net, x: Value) -> Layer:
    makers: list[Callable[[Value], Layer]] = [
        Relu,
        HardSwish,
        Sigmoid,
        LeakyRelu,
        HardSigmoid,
        lambda x: Clip(x, low=0, high=6),
        lambda x: Clip(x, low=0),
        Clip,
    ]
    return makers[net.rng.integers(len(makers))](x)


def arithmetic(net: Net, x: Value) -> Layer:
    kind = [Add, Sub, Mul, Div][net.rng.integers(4)]
    width = x.type.static_shape[3]
    shape = [(C, 1, 1), (1, C, 1, 1), (1,), (1, 1), (width,)][net.rng.integers(5)]
    other = net.constant(*shape, low=0.5)
    return kind(x, other) if net.rng.random() < 0.6 or kind is Div else kind(other, x)


def neutral(net: Net, x: Value) -> Layer:
    choice = net.rng.integers(4)
    if choice == 0:
        return Add(x, net.number(0))
    if choice == 1:
        return Mul(net.number(1), x)
    if choice == 2:
        return Reshape(net.add(Reshape(x, shape=(0, -1))), shape=tuple(d for d in x.type.shape if isinstance(d, int)))
    return Transpose(net.add(Transpose(x, perm=(0, 2, 3, 1))), perm=(0, 3, 1, 2))


def residual(net: Net, x: Value) -> Layer:
    return Add(net.like(x), x) if net.rng.random() < 0.5 else Add(x, net.like(x))


def spelled_out(net: Net, x: Value) -> Layer:
    plus = net.add(Add(x, net.number(3)))
    gate = (
        net.add(Minimum(net.add(Maximum(plus, net.number(0))), net.number(6)))
        if net.rng.random() < 0.5
        else net.add(Clip(plus, low=0, high=6))
    )
    if net.rng.random() < 0.5:
        return Div(net.add(Mul(x, gate)), net.number(6))
    return Mul(net.add(Mul(gate, net.number(1 / 6))), x)


def squeeze(net: Net, x: Value) -> Layer:
    pooled = net.add(GlobalAvgPool(x) if net.rng.random() < 0.5 else Reduce(x, fn="mean", axes=(2, 3)))
    return Mul(x, net.add(HardSigmoid(pooled)))


def scale_shift(net: Net, x: Value) -> Layer:
    return ScaleShift(x, net.constant(C), net.constant(C))


def dense(net: Net, x: Value) -> Layer:
    """Concatenations with a common run, and one that a split takes apart again."""
    y = net.like(x)
    pair = net.add(Concat((x, y)))
    half = net.add(Split(pair, sizes=(C, C)))
    joined = net.add(Concat((x, y, half)))
    part = net.add(Split(joined, sizes=(C, 2 * C)))
    assert part.owner is not None
    again = net.add(Concat(part.owner.results))
    return Conv2d(again, net.constant(C, 3 * C, 1, 1))


def converted(net: Net, x: Value) -> Layer:
    """Through other formats and back, now and then with a layer in between."""
    for layout in net.rng.choice(["nhwc", "nchw8c", "nchw"], 2):
        x = net.add(Adapt(x), layout=str(layout))
        if net.rng.random() < 0.3:
            x = net.add(Relu(x), layout=str(layout))
    return Adapt(x)


def channels_last(net: Net, x: Value) -> Layer:
    """A part of a network as channels-last tools write it."""
    height, width = x.type.static_shape[2:]

    def transposed(value: Value) -> Value:
        return net.add(Transpose(value, perm=(0, 2, 3, 1)))

    t = transposed(x)
    values = [t]
    for kind in net.rng.integers(0, 7, 4):
        pick = values[net.rng.integers(len(values))]
        makers: list[Callable[[], Layer]] = [
            lambda v=pick: Relu(v),
            lambda v=pick: Add(v, net.constant(C)),
            lambda v=pick: Mul(v, net.add(Reduce(v, fn="mean", axes=(1, 2)))),
            lambda v=pick: Maximum(transposed(net.like(x)), v),
            lambda v=pick: Slice(net.add(Concat((v, t), axis=3)), axes=[-1], starts=[1], stops=[1 + C]),
            lambda v=pick: Slice(
                net.add(Pad(v, before=(0, 1, 0, 0), after=(0, 0, 2, 0))),
                axes=[1, 2],
                starts=[0, 1],
                stops=[height, width + 1],
            ),
            lambda v=pick: Softmax(v, axis=3),
        ]
        values.append(net.add(makers[kind]()))
    joined = net.add(Add(values[-1], values[net.rng.integers(len(values))]))
    return Transpose(joined, perm=(0, 3, 1, 2))


STEPS = (
    conv,
    conv,
    batch_norm,
    unary,
    unary,
    arithmetic,
    neutral,
    residual,
    spelled_out,
    squeeze,
    scale_shift,
    padded_conv,
    padded_pool,
    dense,
    converted,
    channels_last,
    channels_last,
)


def random_net(seed: int, steps: list[int]) -> Module:
    """A network of some steps with a head; now and then an inner value is an output too."""
    net = Net(seed)
    for step in steps:
        x = net.pick()
        made = net.add(STEPS[step](net, x))
        # Stay in range, lest rounding of large numbers hide what is compared.
        peak = net.rng.random()
        net.values.append(made if peak < 0.8 else net.add(Clip(made, low=-4, high=4)))
    same = [v for v in net.values if v.type == net.values[-1].type]
    joined = net.add(Concat((net.values[-1], same[0])))
    flat = net.add(Reduce(joined, fn="mean", axes=(2, 3), keep=False))
    head = (
        FullyConnected(flat, net.constant(4, 2 * C)) if net.rng.random() < 0.5 else Matmul(flat, net.constant(2 * C, 4))
    )
    logits = net.add(Add(net.add(head), net.constant(4)))
    extra = [net.values[net.rng.integers(len(net.values))]] if net.rng.random() < 0.5 else []
    net.module.main.set_outputs([logits, *extra], ["logits", *(["extra"] if extra else [])])
    return net.module


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1), steps=st.lists(st.integers(0, len(STEPS) - 1), min_size=1, max_size=12))
@pytest.mark.parametrize("pipeline", PASSES)
def test_random_networks(
    pipeline: str, seed: int, steps: list[int], same_numbers: Callable[[Module, Module], None]
) -> None:
    before = random_net(seed, steps)
    after = before.clone()
    PassManager(Pipeline.parse(pipeline), check_changed=True).run(after)
    same_numbers(before, after)
    text = str(after)
    assert not PassManager(Pipeline.parse(pipeline), check_changed=True).run(after)
    assert str(after) == text


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), steps=st.lists(st.integers(0, len(STEPS) - 1), min_size=1, max_size=12))
def test_locations_survive_rewriting(seed: int, steps: list[int]) -> None:
    module = random_net(seed, steps)
    PassManager(Pipeline.parse("cse,dce")).run(module)
    before = {place for layer in module.main for place in layer.locations}
    PassManager(Pipeline.parse("default")).run(module)
    # An argument that is yielded as it is has no layer left to carry the locations of what was removed.
    assume(all(v.owner is not None for v in module.main.outputs))
    assert {place for layer in module.main for place in layer.locations} == before
