"""Ranges of dimensions and values: what is found."""

from __future__ import annotations

import pytest

from plait.ir.dims import parse_dim
from plait.ir.text import parse_module
from plait.passes.analyses.base import Analyses
from plait.passes.analyses.intervals import INF, Interval
from plait.passes.analyses.shape_ranges import ShapeRanges
from plait.passes.analyses.value_ranges import ValueRanges

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
