"""Analyses: what they find, when they are computed again, and that ranges are sound."""

from __future__ import annotations

import math
from collections.abc import Callable, Container
from typing import Any, ClassVar

import attrs
import numpy as np
import pytest

from plait.ir import Module
from plait.ir.activation import KINDS, Activation
from plait.ir.dims import parse_dim
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
from plait.passes.analyses.base import EVERYTHING, Analyses, Analysis
from plait.passes.analyses.costs import Cost, Costs
from plait.passes.analyses.dominance import Dominance
from plait.passes.analyses.intervals import INF, Interval
from plait.passes.analyses.liveness import Liveness
from plait.passes.analyses.shape_ranges import ShapeRanges
from plait.passes.analyses.use_counts import UseCounts
from plait.passes.analyses.value_ranges import ValueRanges
from plait.passes.base import Pass, PassContext
from plait.passes.dce import Dce
from plait.passes.manager import PassManager
from plait.passes.manager.statistics import Facts
from plait.passes.pipeline import Pipeline
from plait.testing.random_modules import random_module

TEXT = """ir 1
const @c : f32[4] = [1, 2, 3, 4]
net @main(%x: f32[4]) -> (%y: f32[4], %s: f32[4]) {
  %dead = tanh(%x)
  %a = relu(%x)
  %s = add(%a, %a)
  %y = mul(%s, @c)
}
"""


def values(function: Function) -> dict[str, Value]:
    return {v.name: v for v in (*function.arguments, *(r for layer in function for r in layer.results))}


# --- the cache ---


@attrs.frozen
class Touch(Pass):
    """Reports a change or not; has looked at an analysis."""

    name: ClassVar[str] = "touch"
    change: bool = False

    def run(self, module: Module, context: PassContext) -> bool:
        context.analyses.get(ValueRanges, module.main)
        context.analyses.get(UseCounts, module.main)
        return self.change


@attrs.frozen
class Careful(Touch):
    """Preserves what it says."""

    name: ClassVar[str] = "careful"
    preserves: ClassVar[Container[type[Analysis]]] = (ValueRanges,)


@attrs.frozen
class Harmless(Touch):
    """Preserves everything."""

    name: ClassVar[str] = "harmless"
    preserves: ClassVar[Container[type[Analysis]]] = EVERYTHING


@pytest.mark.parametrize(
    ("passes", "ranges", "uses"),
    [
        ((Touch(), Touch(), Touch()), 1, 1),
        ((Touch(change=True), Touch(change=True), Touch()), 3, 3),
        ((Touch(), Dce(), Touch()), 2, 2),
        ((Touch(), Dce(), Dce(), Touch()), 2, 2),
        ((Careful(change=True), Careful(change=True), Touch()), 1, 3),
        ((Harmless(change=True), Harmless(change=True), Touch()), 1, 1),
        ((Careful(change=True), Touch(change=True), Careful()), 2, 3),
    ],
)
def test_changes_drop_what_a_pass_does_not_preserve(passes: tuple[Pass, ...], ranges: int, uses: int) -> None:
    context = PassContext()
    PassManager(Pipeline(passes)).run(parse_module(TEXT), context)
    assert context.analyses.computed[ValueRanges] == ranges
    assert context.analyses.computed[UseCounts] == uses
    assert context.analyses.computed[ShapeRanges] == ranges or passes[0] == Careful(change=True)


def test_the_cache_knows_subjects_apart() -> None:
    one, two = parse_module(TEXT), parse_module(TEXT)
    analyses = Analyses()
    first = analyses.get(UseCounts, one.main)
    assert analyses.get(UseCounts, one.main) is first
    assert not analyses.has(UseCounts, two.main)
    assert analyses.get(UseCounts, two.main) is not first and analyses.has(UseCounts, two.main)
    analyses.invalidate()
    assert not analyses.has(UseCounts, one.main) and analyses.computed[UseCounts] == 2


# --- uses, liveness, costs ---


def test_use_counts() -> None:
    main = parse_module(TEXT).main
    found, v = UseCounts.of(main, Analyses()), values(main)
    assert {name: found.count(value) for name, value in v.items()} == {"x": 2, "dead": 0, "a": 2, "s": 2, "y": 1}
    assert found.readers[v["x"]] == (v["dead"].owner, v["a"].owner)
    # `a` is read twice, `s` is an output too.
    assert [name for name, value in v.items() if found.only_reader(value)] == []
    single = parse_module("ir 1\nnet @main(%x: f32[1]) -> (%y: f32[1]) {\n  %a = relu(%x)\n  %y = tanh(%a)\n}\n").main
    a = values(single)["a"]
    assert UseCounts.of(single, Analyses()).only_reader(a) is values(single)["y"].owner


def test_liveness() -> None:
    main = parse_module(TEXT).main
    found, v = Liveness.of(main, Analyses()), values(main)
    assert {name: found.spans[value] for name, value in v.items()} == {
        "x": (0, 1),
        "dead": (0, 0),
        "a": (1, 2),
        "s": (2, 3),
        "y": (3, 3),
    }
    assert found.live_at(2) == {v["a"], v["s"]}
    assert found.bytes_at() == (32, 32, 32, 32) and found.peak_bytes == 32


def test_liveness_of_what_is_kept_and_of_nothing() -> None:
    kept = parse_module(
        "ir 1\nnet @main(%x: f32[8], %z: f32[2]) -> (%x: f32[8], %c: f32[2]) {\n  %b = relu(%z)\n  %c = tanh(%b)\n}\n"
    ).main
    found = Liveness.of(kept, Analyses())
    assert found.bytes_at() == (32 + 8 + 8, 32 + 8 + 8)
    empty = parse_module("ir 1\nnet @main(%x: f32[8]) -> (%x: f32[8]) {\n}\n").main
    assert Liveness.of(empty, Analyses()).peak_bytes == 32
    text = "ir 1\nnet @main(%x: f32[N], %z: f32[2]) -> (%y: f32[N]) {\n  %y = relu(%x)\n  %b = relu(%z)\n}\n"
    symbolic = parse_module(text).main
    assert Liveness.of(symbolic, Analyses()).peak_bytes is None


def test_costs() -> None:
    main = parse_module(TEXT).main
    found = Costs.of(main, Analyses())
    assert list(found.layers.values()) == [Cost(4, 32), Cost(4, 32), Cost(4, 48), Cost(4, 48)]
    assert found.total == Cost(16, 160) and found.unknown == ()
    symbolic = parse_module(
        "ir 1\nnet @main(%x: f32[N], %z: f32[2]) -> (%y: f32[N]) {\n  %y = relu(%x)\n  %b = relu(%z)\n}\n"
    ).main
    found = Costs.of(symbolic, Analyses())
    assert found.total is None and [layer.results[0].name for layer in found.unknown] == ["y"]


# --- shapes ---


@pytest.mark.parametrize(
    ("dim", "low", "high"),
    [
        ("7", 7, 7),
        ("N", 1, INF),
        ("2*N+3", 5, INF),
        ("N-5", 0, INF),
        ("N*H+N", 2, INF),
        ("(N+1)/2", 1, INF),
        ("N/2", 0, INF),
        ("10-N", 0, 9),
        ("N%4", 0, 3),
        ("B", 1, 8),
        ("4*B-2", 2, 30),
        ("B*B", 1, 64),
        ("(B+1)/2", 1, 4),
        ("B%16", 0, 8),
        ("(B+3)%5", 0, 4),
        ("64/B", 8, 64),
        ("N/B", 0, INF),
        ("7/(B-4)", 0, INF),
    ],
)
def test_dimensions(dim: str, low: float, high: float) -> None:
    ranges = ShapeRanges({"B": Interval(1, 8)})
    assert ranges.dimension(parse_dim(dim)) == Interval(low, high)


def test_elements() -> None:
    module = parse_module("ir 1\nnet @main(%x: f32[Nx3x4]) -> (%x: f32[Nx3x4]) {\n}\n")
    ranges = Analyses().get(ShapeRanges, module.main)
    assert ranges.shape(module.main.arguments[0]) == (Interval(1, INF), Interval(3, 3), Interval(4, 4))
    assert ranges.elements(module.main.arguments[0]) == Interval(12, INF)


# --- values: what is found ---


def range_of(layer: str, argument: str = "f32[2x3]", constants: str = "") -> Interval:
    text = f"ir 1\n{constants}net @main(%x: {argument}) -> () {{\n{layer}\n}}\n"
    module = parse_module(text)
    last = module.main.body.last
    assert last is not None
    return Analyses().get(ValueRanges, module.main)[last.results[0]]


@pytest.mark.parametrize(
    ("layers", "low", "high"),
    [
        ("%y = relu(%x)", 0, INF),
        ("%y = clip(%x) {low = -1, high = 2}", -1, 2),
        ("%y = sigmoid(%x)", 0, 1),
        ("%y = tanh(%x)", -1, 1),
        ("%y = elu(%x) {alpha = 0.5}", -0.5, INF),
        ("%y = leaky_relu(%x)", -INF, INF),
        ("%y = leaky_relu(%x) {alpha = -1}", 0, INF),
        ("%y = elu(%x) {alpha = -1}", 0, INF),
        ("%a = clip(%x) {low = -1, high = 0}\n%y = elu(%a) {alpha = -1}", 0, 0.632120559),
        ("%a = clip(%x) {low = -1, high = -0.5}\n%y = leaky_relu(%a) {alpha = 2}", -2, 0),
        ("%y = hard_sigmoid(%x)", 0, 1),
        ("%y = add(%x, @two)", -INF, INF),
        ("%y = add(%x, @two) {act = relu6}", 0, 6),
        ("%a = sigmoid(%x)\n%y = sub(@two, %a)", 1, 2),
        ("%a = tanh(%x)\n%y = mul(%a, @two)", -2, 2),
        ("%a = sigmoid(%x)\n%y = div(%a, @two)", 0, 0.5),
        ("%a = sigmoid(%x)\n%y = div(@two, %a)", -INF, INF),
        ("%y = mul(%x, %x)", 0, INF),
        ("%a = tanh(%x)\n%y = minimum(%x, %a)", -INF, 1),
        ("%a = tanh(%x)\n%y = maximum(%x, %a)", -1, INF),
        ("%a = relu(%x)\n%y = pow(%a, @two)", 0, INF),
        ("%y = unary(%x) {fn = exp}", 0, INF),
        ("%y = unary(%x) {fn = abs}", 0, INF),
        ("%y = unary(%x) {fn = sqrt}", 0, INF),
        ("%y = unary(%x) {fn = erf}", -1, 1),
        ("%a = sigmoid(%x)\n%y = unary(%a) {fn = log}", -INF, 0),
        ("%a = clip(%x) {low = 2, high = 4}\n%y = unary(%a) {fn = reciprocal}", 0.25, 0.5),
        ("%a = clip(%x) {low = -1.5, high = 2.5}\n%y = unary(%a) {fn = floor}", -2, 2),
        ("%a = clip(%x) {low = -1.5, high = 2.5}\n%y = cast(%a) {to = i32}", -1, 2),
        ("%a = clip(%x) {low = -1.5, high = 2.5}\n%y = cast(%a) {to = u8}", 0, 255),
        ("%y = cast(%x) {to = bool}", 0, 1),
        ("%a = sigmoid(%x)\n%y = concat(%a, @two2) {axis = 0}", 0, 2),
        ("%a = relu(%x)\n%y = reshape(%a) {shape = [3, 2]}", 0, INF),
        ("%a = relu(%x)\n%y = pad(%a) {before = [1, 0], after = [0, 0], value = -3}", -3, INF),
        ("%a = relu(%x)\n%y = pad(%a) {before = [-1, 0], after = [0, 0], value = -3}", 0, INF),
        ("%y = softmax(%x)", 0, 1),
        ("%a = sigmoid(%x)\n%y = reduce(%a) {fn = sum}", 0, 6),
        ("%a = sigmoid(%x)\n%y = reduce(%a) {fn = sum, axes = [1]}", 0, 3),
        ("%a = sigmoid(%x)\n%y = reduce(%a) {fn = mean}", 0, 1),
        ("%a = sigmoid(%x)\n%y = reduce(%a) {fn = max}", 0, 1),
        ("%a = relu(%x)\n%y = reduce(%a) {fn = prod}", 0, INF),
        ("%a = sigmoid(%x)\n%y = fully_connected(%a, @w)", -2, 4),
        ("%a = sigmoid(%x)\n%y = fully_connected(%a, @w, @b) {act = relu}", 0, 5),
        ("%a = relu(%x)\n%y = fully_connected(%a, @w)", -INF, INF),
        ("%a = sigmoid(%x)\n%y = scale_shift(%a, @s, @b3)", -1, 4),
        ("%a = sigmoid(%x)\n%b = transpose(%a) {perm = [1, 0]}\n%y = matmul(%a, %b)", 0, 3),
        ("%y = shape(%x)", 2, 3),
    ],
)
def test_ranges(layers: str, low: float, high: float) -> None:
    constants = (
        "const @two : f32[] = 2\nconst @two2 : f32[1x3] = [2, 2, 2]\nconst @w : f32[2x3] = [1, -2, 3, 0, 1, 0]\n"
        "const @b : f32[2] = [1, 0]\nconst @s : f32[3] = [1, -1, 2]\nconst @b3 : f32[3] = [0, 0, 2]\n"
    )
    found = range_of(layers, constants=constants)
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-6)


@pytest.mark.parametrize(
    ("layers", "low", "high"),
    [
        ("%y = max_pool2d(%x) {kernel = 3, pad = 1}", 0, INF),
        ("%y = max_pool2d(%x) {kernel = 1, pad = 1}", -INF, INF),
        ("%y = max_pool2d(%x) {kernel = 2, pad = 1, dilation = 2}", -INF, INF),
        ("%y = avg_pool2d(%x) {kernel = 3, pad = 1}", 0, INF),
        ("%y = global_avg_pool(%x)", 0, INF),
        ("%y = resize(%x) {size = 9}", 0, INF),
        ("%a = clip(%x) {low = 2, high = 4}\n%y = resize(%a) {size = 9, mode = linear}", 2, 4),
        ("%y = conv2d(%x, @w)", 0, INF),
        ("%y = conv2d(%x, @w, residual = %x) {act = relu6}", 0, 6),
        ("%a = sigmoid(%x)\n%y = conv2d(%a, @w, @b) {pad = 1}", 1, 4),
        ("%a = clip(%x) {low = 2, high = 4}\n%y = avg_pool2d(%a) {kernel = 2, pad = 1, count_pad = true}", 0, 4),
        # (x - 4) / 2 * 4 + 4
        ("%a = clip(%x) {low = 2, high = 4}\n%y = batch_norm(%a, @s, @s, @s, @s) {epsilon = 0}", 0, 4),
    ],
)
def test_ranges_of_images(layers: str, low: float, high: float) -> None:
    constants = "const @w : f32[1x1x1x1] = [3]\nconst @b : f32[1] = [1]\nconst @s : f32[1] = [4]\n"
    found = range_of("%r = relu(%x)\n" + layers.replace("%x", "%r"), "f32[1x1x4x4]", constants)
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("layers", "low", "high"),
    [
        ("%y = relu(%x)", 0, 127),
        ("%a = relu(%x)\n%y = unary(%a) {fn = neg}", -127, 0),
        ("%y = unary(%x) {fn = neg}", -128, 127),
        ("%y = add(%x, %x)", -128, 127),
        ("%a = clip(%x) {low = 0, high = 5}\n%y = mul(%a, %a)", 0, 25),
        ("%y = cast(%x) {to = f32}", -128, 127),
        ("%y = cast(%x) {to = u8}", 0, 255),
    ],
)
def test_ranges_of_integers(layers: str, low: float, high: float) -> None:
    assert range_of(layers, "i8[3]") == Interval(low, high)


def test_constants_without_data_may_be_anything() -> None:
    text = 'ir 1\nweights "gone" {\n  @w : f32[99]\n}\nnet @main(%x: f32[99]) -> () {\n  %y = mul(%x, @w)\n}\n'
    module = parse_module(text)
    ranges = Analyses().get(ValueRanges, module.main)
    assert ranges[module.constants["w"]] == Interval()


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
