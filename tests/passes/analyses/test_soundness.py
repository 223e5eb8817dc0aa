"""Ranges are sound: what is computed lies in them; and any module can be analysed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from plait.ir import Module
from plait.ir.activation import KINDS, Activation
from plait.ir.layer import Layer
from plait.ir.layers import activations as act
from plait.ir.layers import elementwise as ew
from plait.ir.layers import shape as sh
from plait.ir.layers.conv import Conv2d
from plait.ir.layers.linear import Matmul
from plait.ir.layers.normalization import BatchNorm, ScaleShift, Softmax
from plait.ir.layers.pool import AvgPool2d, GlobalAvgPool, MaxPool2d
from plait.ir.layers.reduce import Reduce
from plait.ir.module import Function
from plait.ir.text import parse_module
from plait.ir.types import DType, TensorType
from plait.ir.values import Array, Constant, Value
from plait.passes.analyses.activation_ranges import activation_range
from plait.passes.analyses.base import Analyses
from plait.passes.analyses.costs import Costs
from plait.passes.analyses.dominance import Dominance
from plait.passes.analyses.intervals import INF, Interval
from plait.passes.analyses.liveness import Liveness
from plait.passes.analyses.use_counts import UseCounts
from plait.passes.analyses.value_ranges import ValueRanges
from plait.passes.manager.statistics import Facts
from plait.testing.random_modules import random_module

# --- values: soundness ---


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_activations_stay_in_their_intervals(kind: str) -> None:
    rng = np.random.default_rng(1)
    for _ in range(300):
        params = tuple(rng.uniform(-2, 2, KINDS[kind][0]))
        low, high = sorted(rng.choice([-INF, -50, -3, -1.5, -1.2, -0.7, -0.1, 0, 0.3, 2.0, 40, INF], 2).tolist())
        function = Activation(kind, params)
        found = activation_range(function, Interval(low, high))
        if low == high and math.isinf(low):
            continue
        numbers = np.concatenate([rng.uniform(max(low, -60), min(high, 60), 50), [max(low, -60), min(high, 60)]])
        numbers = numbers[(numbers >= low) & (numbers <= high)]
        results = function(numbers)
        assert np.all((results >= found.low) & (results <= found.high)), (kind, params, low, high, found)


Make = Callable[["Net", Value], Layer]


class Net:
    """A random network of tensors [1, 4, 4, 4], with a random dtype."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.dtype = DType.F16 if seed % 5 == 4 else DType.F64 if seed % 5 == 3 else DType.F32
        self.module = Module([Function("main", [Value("x", TensorType(self.dtype, (1, 4, 4, 4)))])])
        self.values = [self.module.main.arguments[0]]

    def constant(self, *shape: int, low: float | None = None) -> Constant:
        low = float(self.rng.choice([-1, 0, 0.5])) if low is None else low
        return self.module.add_constant("c", self.rng.uniform(low, 1, shape).astype(self.dtype.numpy))

    def pick(self) -> Value:
        return self.values[int(self.rng.integers(len(self.values)))]

    def grow(self) -> None:
        layer = STEPS[int(self.rng.integers(len(STEPS)))](self, self.pick())
        attached = self.module.main.body.append(layer)
        self.values += [r for r in attached.results if r.type.shape == (1, 4, 4, 4)]


def _conv(net: Net, x: Value) -> Layer:
    k = int(net.rng.choice([1, 3]))
    bias = net.constant(4) if net.rng.random() < 0.5 else None
    residual = net.pick() if net.rng.random() < 0.5 else None
    function = str(net.rng.choice(["none", "relu", "silu"]))
    return Conv2d(x, net.constant(4, 4, k, k), bias, residual, pad=k // 2, act=function)


STEPS: list[Make] = [
    lambda n, x: act.Relu(x),
    lambda n, x: act.Clip(x, low=-0.7, high=float(n.rng.uniform(0, 3))),
    lambda n, x: act.Sigmoid(x),
    lambda n, x: act.Tanh(x),
    lambda n, x: act.Silu(x),
    lambda n, x: act.Gelu(x),
    lambda n, x: act.HardSwish(x),
    lambda n, x: act.HardSigmoid(x, alpha=float(n.rng.uniform(-1, 1))),
    lambda n, x: act.LeakyRelu(x),
    lambda n, x: act.Elu(x),
    lambda n, x: ew.Add(x, n.pick(), act=str(n.rng.choice(["none", "tanh", "relu6"]))),
    lambda n, x: ew.Sub(x, n.pick()),
    lambda n, x: ew.Mul(x, n.pick()),
    lambda n, x: ew.Mul(x, n.constant(4, 1, 1)),
    lambda n, x: ew.Div(x, n.constant(4, 1, 1)),
    lambda n, x: ew.Minimum(x, n.pick()),
    lambda n, x: ew.Maximum(x, n.pick()),
    lambda n, x: ew.Pow(x, n.constant(4, 1, 1)),
    *(lambda n, x, fn=fn: ew.Unary(x, fn=fn) for fn in ew.UNARY),  # type: ignore[misc]
    lambda n, x: sh.Transpose(x, perm=(0, 1, 3, 2)),
    lambda n, x: sh.Concat((x, n.pick())),
    lambda n, x: sh.Split(x, sizes=(1, 3)),
    lambda n, x: sh.Pad(x, before=(0, 0, 1, 0), after=(0, 0, -1, 0), value=0.3),
    lambda n, x: MaxPool2d(x, kernel=3, pad=1),
    lambda n, x: MaxPool2d(x, kernel=2, pad=(1, 1, 0, 0)),
    lambda n, x: AvgPool2d(x, kernel=3, pad=1, count_pad=bool(n.rng.random() < 0.5)),
    lambda n, x: GlobalAvgPool(x),
    lambda n, x: Reduce(x, fn=str(n.rng.choice(["mean", "sum", "max", "min", "prod"])), axes=(2, 3)),
    lambda n, x: Softmax(x),
    lambda n, x: Matmul(x, n.pick()),
    lambda n, x: ScaleShift(x, n.constant(4), n.constant(4), act=str(n.rng.choice(["none", "relu"]))),
    lambda n, x: BatchNorm(x, *(n.constant(4) for _ in range(3)), n.constant(4, low=0.5)),
    _conv,
    _conv,
]


@pytest.mark.parametrize("seed", range(60))
def test_ranges_are_sound(seed: int) -> None:
    net = Net(seed)
    for _ in range(25):
        net.grow()
    ranges = Analyses().get(ValueRanges, net.module.main)
    known: dict[Value, Array] = {}
    for spread in (0.01, 1, 30):
        known[net.values[0]] = net.rng.uniform(-spread, spread, (1, 4, 4, 4)).astype(net.dtype.numpy)
        for layer in net.module.main:
            evaluate(layer, known)
            for result in layer.results:
                check(layer, ranges[result], known[result])


def evaluate(layer: Layer, known: dict[Value, Array]) -> None:
    slots = (None if v is None else v.data if isinstance(v, Constant) else known[v] for v in layer.operand_slots())
    with np.errstate(all="ignore"):
        found: Any = layer.reference(*slots)
    known.update(zip(layer.results, found if isinstance(found, tuple) else (found,), strict=True))


def check(layer: Layer, interval: Interval, data: Array) -> None:
    numbers = data[~np.isnan(data)].astype(np.float64)
    outside = numbers[(numbers < interval.low) | (numbers > interval.high)]
    assert not outside.size, f"{layer.describe()}: {outside[:3]} not in {interval}"


def test_intervals_know_what_cannot_be_told() -> None:
    everything = Interval()
    assert everything + everything == everything - everything == everything
    assert Interval(0, INF) * Interval(0, INF) == Interval(0, INF)
    assert Interval(-1, INF) * Interval(0, 0) == Interval(0, 0)
    assert Interval(-INF, -1) + Interval(INF, INF) == Interval()
    assert math.nan in Interval(0, 0) and 1 not in Interval(0, 0.5)


# --- any module ---


@pytest.mark.parametrize("seed", range(80))
def test_any_module_can_be_analysed(seed: int) -> None:
    module, analyses = random_module(seed, 12), Analyses()
    layers = list(module.walk())
    for function in module.functions.values():
        for cls in (UseCounts, Dominance, Liveness, Costs, ValueRanges):
            analyses.get(cls, function)
        dominance = analyses.get(Dominance, function)
        for layer in function.walk():
            assert all(dominance.is_visible(operand, layer) for operand in layer.operands)
            assert not any(dominance.is_visible(result, layer) for result in layer.results)
    assert Facts.of(module, analyses).layers.total() == len(layers)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("bf16[2] = [0.5, 3]", 0.5, 3),
        ("i4[2] = [-8, 7]", -8, 7),
        ("bool[2] = [false, true]", 0, 1),
        ("u64[2] = [0, 18446744073709551615]", 0, 2**64 - 1),
        ("f32[2] = [nan, 1]", 1, 1),
        ("f32[1] = nan", -INF, INF),
        ("f32[0] = []", -INF, INF),
        ("f16[2] = [-inf, 1]", -INF, 1),
        ('string[1] = "a"', -INF, INF),
        ("q8<0.5>[2] = [1, 2]", -INF, INF),
    ],
)
def test_ranges_of_constants(text: str, low: float, high: float) -> None:
    if text.endswith(("nan", '"a"')):
        text = text.replace("= ", "= [") + "]"
    module = parse_module(f"ir 1\nconst @c : {text}\nnet @main(%x: f32[1]) -> (%x: f32[1]) {{\n}}\n")
    assert Analyses().get(ValueRanges, module.main)[module.constants["c"]] == Interval(low, high)


@pytest.mark.parametrize(
    "layer",
    [
        "fully_connected(%a, %x)",
        "fully_connected(%a, @gone)",
        "fully_connected(%a, @nan)",
        "scale_shift(%a, %v, @v)",
        "scale_shift(%a, @v, %v)",
        "batch_norm(%a, @v, @v, @v, %v)",
        "layer_norm(%a, @v)",
        "gather(%x, %i)",
    ],
)
def test_what_is_not_known_may_be_anything(layer: str) -> None:
    module = parse_module(
        'ir 1\nweights "gone" {\n  @gone : f32[3x3]\n}\nconst @v : f32[3] = [1, 1, 1]\n'
        "const @nan : f32[1x3] = [1, nan, 1]\n"
        f"net @main(%x: f32[3x3], %v: f32[3], %i: i64[1]) -> () {{\n  %a = sigmoid(%x)\n  %y = {layer}\n}}\n"
    )
    last = module.main.body.last
    assert last is not None and Analyses().get(ValueRanges, module.main)[last.result] == Interval()
