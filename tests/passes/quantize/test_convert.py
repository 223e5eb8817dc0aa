"""The rewriter, types of values, equalisation and bias correction, on small networks against the reference."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from plait.backends.reference import evaluate
from plait.ir.dtypes import Array, DType, Quantized
from plait.ir.layer import Layer
from plait.ir.layers.activations import HardSwish, Sigmoid
from plait.ir.module import Module
from plait.ir.quantization import why_not_integer
from plait.ir.text import parse_module
from plait.ir.types import TensorType
from plait.ir.values import Value
from plait.ir.verify import verify
from plait.passes.quantize.convert import quantize_layers
from plait.passes.quantize.correct import bias_corrections
from plait.passes.quantize.equalize import Pair, Skipped, channel_scales, equalize, pairs_of
from plait.passes.quantize.observers import Channels
from plait.passes.quantize.plan import make_plan
from plait.passes.quantize.ranges import Range
from plait.passes.quantize.types import QuantizationError, choose_types, without_flat_ends


def nothing(layer: Layer) -> bool:
    return False


def module_of(body: str, constants: Mapping[str, tuple[int, ...]]) -> Module:
    """A module with random constants of these shapes; those called b... are small."""
    rng = np.random.default_rng(0)
    lines = ["ir 1"]
    for name, shape in constants.items():
        data = rng.standard_normal(shape) * (0.1 if name.startswith("b") else 1)
        dims = "x".join(map(str, shape))
        lines.append(f"const @{name} : f32[{dims}] = [{', '.join(str(np.float32(v)) for v in data.reshape(-1))}]")
    return parse_module("\n".join(lines) + "\n" + body)


def observed(module: Module, inputs: Array) -> dict[Value, Channels]:
    """What the values of a module hold for some inputs."""
    found: dict[Value, Channels] = {a: Channels() for a in module.main.arguments}

    def keep(value: Value, data: Array) -> None:
        found.setdefault(value, Channels()).add(data)

    for x in inputs:
        found[module.main.arguments[0]].add(x)
        evaluate(module, [x], values=keep)
    return found


def inputs_of(count: int = 4) -> Array:
    return np.random.default_rng(9).standard_normal((count, 1, 4, 6, 6)).astype(np.float32)


BODY = """net @main(%x: f32[1x4x6x6]) -> (%y: f32[1x3], %h: f32[1x4x6x6]) {
  %c = conv2d(%x, @w, @b) {pad = [1, 1, 1, 1], act = relu}
  %d = conv2d(%c, @v) {pad = [1, 1, 1, 1], groups = 4}
  %h = hard_swish(%d)
  %j = concat(%c, %h)
  %p = max_pool2d(%j) {kernel = [2, 2], stride = [2, 2]}
  %m = reduce(%p) {fn = mean, axes = [2, 3], keep = false}
  %f = fully_connected(%m, @u, @bu)
  %y = softmax(%f) {axis = 1}
}"""
SHAPES = {"w": (4, 4, 3, 3), "b": (4,), "v": (4, 1, 3, 3), "u": (3, 8), "bu": (3,)}


def test_layers_become_integer_and_casts_stand_at_the_borders() -> None:
    module = module_of(BODY, SHAPES)
    inputs = inputs_of()
    wanted = [evaluate(module, [x]) for x in inputs]
    plan = make_plan(module.main, nothing)
    channels = observed(module, inputs)
    stored = quantize_layers(module, plan, choose_types(plan, {v: c.range for v, c in channels.items()}))
    verify(module)
    integer = [layer for layer in module.main if layer.op not in ("cast", "softmax", "hard_swish")]
    assert len(integer) == 6 and not any(map(why_not_integer, integer))
    assert [layer.op for layer in module.main if layer.op == "cast"] == ["cast"] * 3
    assert sorted(module.constants) == sorted(
        ["w", "w.scale", "b", "b.scale", "v", "v.scale", "u", "u.scale", "bu", "bu.scale"]
    )
    assert all(isinstance(v.type.dtype, Quantized) for v in stored.values())
    for x, floats in zip(inputs, wanted, strict=True):
        found = evaluate(module, [x])
        assert np.abs(found["y"] - floats["y"]).max() < 0.02
        assert np.linalg.norm(found["h"] - floats["h"]) < 0.02 * np.linalg.norm(floats["h"])


ONE = "net @main(%x: f32[1x4x6x6]) -> (%y: f32[1x4x6x6]) {\n %y = conv2d(%x, @w)\n}"
TWO = "net @main(%x: f32[1x4x6x6]) -> (%y: f32[1x4x6x6]) {\n %c = conv2d(%x, @w)\n %y = conv2d(%c, @w)\n}"


def test_a_constant_that_is_read_in_floats_stays() -> None:
    module = module_of(TWO, {"w": (4, 4, 1, 1)})
    plan = make_plan(module.main, lambda layer: layer.result.name == "y")
    channels = observed(module, inputs_of(1))
    quantize_layers(module, plan, choose_types(plan, {v: c.range for v, c in channels.items()}))
    verify(module)
    assert {n: str(c.type.dtype) for n, c in module.constants.items() if n[-1] != "e"} == {
        "w": "f32",
        "w.q": "q8<@w.scale axis 0>",
    }


def test_numbers_must_be_finite() -> None:
    module = module_of(
        "net @main(%x: f32[1x4x6x6]) -> (%y: f32[1x4x6x6]) {\n %y = conv2d(%x, @w)\n}", {"w": (4, 4, 1, 1)}
    )
    plan = make_plan(module.main, nothing)
    ranges = {v: Range(0, np.inf) for v in plan.observed()}
    with pytest.raises(QuantizationError, match=r"P520.*%x holds numbers that are not finite"):
        choose_types(plan, ranges)


def test_the_flat_ends_of_a_function_are_cut_off() -> None:
    x = Value("x", TensorType(DType.F32, (1,)))
    found = without_flat_ends(HardSwish(x), Range(-20, 10), Range(-0.375, 10))
    assert found.low == pytest.approx(-3, abs=0.05) and found.high == pytest.approx(10, abs=0.02)
    found = without_flat_ends(Sigmoid(x), Range(-30, 5), Range(0, 1))
    assert -8 < found.low < -5 and found.high == pytest.approx(5, abs=0.2)


PAIRS = """net @main(%x: f32[1x4x6x6]) -> (%y: f32[1x4]) {
  %c = conv2d(%x, @w, @b) {act = relu}
  %p = max_pool2d(%c) {kernel = [2, 2]}
  %d = conv2d(%p, @v) {groups = 4}
  %e = conv2d(%d, @t) {act = clip(0.0, 6.0)}
  %m = global_avg_pool(%e)
  %r = reshape(%m) {shape = [1, 4]}
  %f = fully_connected(%r, @u, @b2)
  %y = fully_connected(%f, @u2)
}"""
PAIR_SHAPES = {
    "w": (4, 4, 3, 3),
    "b": (4,),
    "v": (4, 1, 3, 3),
    "t": (4, 4, 1, 1),
    "u": (4, 4),
    "b2": (4,),
    "u2": (4, 4),
}


def test_which_pairs_are_equalised_and_why_not() -> None:
    plan = make_plan(module_of(PAIRS, PAIR_SHAPES).main, nothing)
    found = [
        str(p) if isinstance(p, Skipped) else f"{p.first.result.name} {p.second.result.name}" for p in pairs_of(plan)
    ]
    assert found == [
        "c d",
        "d e",
        "%e (conv2d): relu6 does not scale with its operand",
        "f y",
        "%y (fully_connected): %y is an output",
    ]


def test_equalisation_changes_no_result() -> None:
    module = module_of(PAIRS, PAIR_SHAPES)
    inputs = inputs_of(2)
    wanted = [evaluate(module, [x])["y"] for x in inputs]
    plan = make_plan(module.main, nothing)
    channels = observed(module, inputs)
    divided = equalize(module, plan, channels)
    verify(module)
    assert {v.name for v in divided} == {"c", "p", "d", "f"}
    for x, floats in zip(inputs, wanted, strict=True):
        np.testing.assert_allclose(evaluate(module, [x])["y"], floats, rtol=1e-4, atol=1e-6)
    after = observed(module, inputs)
    for value, by in divided.items():
        np.testing.assert_allclose(after[value].mean, channels[value].divided(by).mean, rtol=1e-4, atol=1e-6)
    # The filters of a depthwise convolution have scales of their own: all channels before it get one range.
    (pair,) = [p for p in pairs_of(plan) if isinstance(p, Pair) and p.first.result.name == "c"]
    largest = after[pair.first.result].largest
    assert largest.max() < 1.01 * largest[largest > 0].min()


def test_channels_that_hold_nothing_stay_as_they_are() -> None:
    scales = channel_scales(np.array([0.0, 4.0, 1.0]), np.array([1.0, 1.0, 0.0]))
    np.testing.assert_array_equal(scales, [1, 1, 1])
    np.testing.assert_allclose(channel_scales(np.array([1.0, 4.0, 0.0]), None), [0.5, 2, 1])


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_bias_correction_keeps_the_mean(groups: int) -> None:
    """Weights of two magnitudes round badly; with the correction the mean of each channel is as in floats."""
    shapes = {"w": (8, 4 // groups, 1, 1), "b": (8,)}
    head = "net @main(%x: f32[1x4x6x6]) -> (%y: f32[1x8x6x6])"
    module = module_of(f"{head} {{\n %y = conv2d(%x, @w, @b) {{groups = {groups}}}\n}}", shapes)
    w = module.constants["w"].data.copy()
    w[:, 0] *= 60
    module.constants["w"]._data = w
    inputs = (inputs_of() + 2).astype(np.float32)
    channels = observed(module, inputs)
    plan = make_plan(module.main, nothing)
    types = choose_types(plan, {v: c.range for v, c in channels.items()})
    (y,) = module.main.outputs
    errors = []
    for corrections in ({}, bias_corrections(plan, types, channels)):
        copy = module.clone()
        again = make_plan(copy.main, nothing)
        given = dict(zip(again.integer, corrections.values(), strict=False))
        by_name = {v: types[next(t for t in types if t.name == v.name)] for v in again.values()}
        quantize_layers(copy, again, by_name, given)
        (result,) = [layer.result for layer in copy.main if layer.op == "conv2d"]
        step = result.type.dtype.scale  # type: ignore[union-attr]
        assert isinstance(step, float)
        means = np.mean([evaluate(copy, [x])["y"] for x in inputs], axis=(0, 1, 3, 4))
        errors.append(float(np.abs(means - channels[y].mean).max() / step))
    assert errors[1] < 0.2 * errors[0] or errors[0] < 0.2 or groups == 4
    assert errors[1] < 0.3
