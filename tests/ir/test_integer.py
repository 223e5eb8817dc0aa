"""Layers on integers against the same in exact fractions, element by element, and against ONNX and ONNX Runtime."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np
import pytest

from plait.backends.reference import evaluate
from plait.ir.dtypes import Quantized, element_type
from plait.ir.fixed_point import multiply_by_quantized
from plait.ir.text import parse_module
from plait.ir.values import Array
from plait.testing import random_inputs

Number = Fraction | int


def run(line: str, *types: str, seed: int = 0) -> tuple[list[Array], Array]:
    """Random operands (%a, %b, ...) and the result of a layer."""
    arguments = ", ".join(f"%{name}: {type}" for name, type in zip("abcd", types, strict=False))
    stub = parse_module(f"ir 1\nnet @main({arguments}) -> () {{\n  %y = {line}\n}}\n")
    (layer,) = stub.walk()
    stub.main.set_outputs([layer.result])
    inputs = random_inputs(stub, seed)
    return list(inputs.values()), evaluate(stub, inputs)["y"]


def single(x: Number) -> Fraction:
    """The float32 nearest to a fraction, ties to even."""
    if not x:
        return Fraction(0)
    size, exponent = abs(Fraction(x)), 0
    while size >= 1 << 24:
        size, exponent = size / 2, exponent + 1
    while size < 1 << 23:
        size, exponent = size * 2, exponent - 1
    return (1 if x > 0 else -1) * round(size) * Fraction(2) ** exponent


def stored(steps: Number, type: str, low: Number | None = None, high: Number | None = None) -> int:
    dtype = grid(type)
    least, most = dtype.storage.integer_range
    bounds = (least if low is None else max(least, low), most if high is None else min(most, high))
    return int(min(max(round(Fraction(steps)) + dtype.zero, bounds[0]), bounds[1]))


def grid(type: str) -> Quantized:
    found = element_type(type.partition("[")[0] if "<[" not in type else type[: type.index(">") + 1])
    assert isinstance(found, Quantized)
    return found


def scale(type: str, channel: int = 0) -> Fraction:
    found = grid(type).scale
    return Fraction(found[channel] if isinstance(found, tuple) else found)


def multiplier(numerator: Fraction, target: str) -> Fraction:
    return single(single(numerator) / scale(target))


X, W, Y = "qu8<0.0235:101>", "q8<[0.013, 0.4, 0.021, 0.007] axis 0>", "qu8<0.31:7>"


def taps(x: Array, w: Array, zero: int, pad: int, stride: int) -> Iterator[tuple[tuple[int, ...], int]]:
    """(place, sum) of a convolution, without groups."""
    n, _, height, width = x.shape
    o, c, kh, kw = w.shape
    places = [(s + 2 * pad - k) // stride + 1 for s, k in ((height, kh), (width, kw))]
    for at in itertools.product(range(n), range(o), *map(range, places)):
        total = 0
        for p, i, j in itertools.product(range(c), range(kh), range(kw)):
            row, column = at[2] * stride + i - pad, at[3] * stride + j - pad
            if 0 <= row < height and 0 <= column < width:
                total += (int(x[at[0], p, row, column]) - zero) * int(w[at[1], p, i, j])
        yield at, total


@pytest.mark.parametrize("act", ["none", "relu", "clip(-1, 3.5)"])
@pytest.mark.parametrize("bias", ["q32<1.0>[4]", "f32[4]"])
def test_convolution(act: str, bias: str) -> None:
    line = f"conv2d(%a, %b, %c, %d) {{pad = 1, stride = 2, act = {act}, to = {Y}}}"
    scales = ", ".join(str(float(scale(X) * scale(W, o))) for o in range(4))
    bias = bias.replace("q32<1.0>", f"q32<[{scales}] axis 0>")
    residual = "q8<0.11:-3>"
    (x, w, b, r), y = run(line, f"{X}[1x3x5x6]", f"{W}[4x3x3x3]", bias, f"{residual}[1x4x3x3]")
    low = {"none": None, "relu": 7, "clip(-1, 3.5)": 7 - 3}[act]
    high = 7 + 11 if act.startswith("clip") else None
    for (n, o, i, j), total in taps(x, w, 101, 1, 2):
        product = scale(X) * scale(W, o)
        offset = int(b[o]) if "q32" in bias else round(Fraction(float(b[o])) / product)
        v = single(single(total + offset) * multiplier(product, Y))
        v = single(v + single((int(r[n, o, i, j]) + 3) * multiplier(scale(residual), Y)))
        assert y[n, o, i, j] == stored(v, Y, low, high)


def test_other_activations_are_applied_to_numbers() -> None:
    (x, w), y = run(f"conv2d(%a, %b) {{act = hard_swish, to = {Y}}}", f"{X}[1x3x5x6]", f"{W}[4x3x1x1]")
    for at, total in taps(x, w, 101, 0, 1):
        v = single(single(total) * multiplier(scale(X) * scale(W, at[1]), Y))
        number = np.float32(single(v * scale(Y)))
        wide = np.float64(number)
        number = np.float32(wide * min(max(wide / 6 + 0.5, 0.0), 1.0))
        assert y[at] == stored(single(Fraction(float(number)) / scale(Y)), Y)


@pytest.mark.parametrize("op", ["fully_connected", "matmul"])
def test_matrix_products(op: str) -> None:
    if op == "matmul":
        (x, w), y = run(f"matmul(%a, %b) {{to = {Y}}}", f"{X}[3x5]", f"{W.replace('axis 0', 'axis 1')}[5x4]")
        w = w.T
    else:
        (x, w), y = run(f"fully_connected(%a, %b) {{to = {Y}}}", f"{X}[3x5]", f"{W}[4x5]")
    for i, o in np.ndindex(3, 4):
        total = sum((int(a) - 101) * int(b) for a, b in zip(x[i], w[o], strict=True))
        assert y[i, o] == stored(single(single(total) * multiplier(scale(X) * scale(W, o), Y)), Y)


def test_sums_of_32_bits_are_exact() -> None:
    scales = "q32<1.0>"
    (x, w), y = run(f"fully_connected(%a, %b) {{to = {scales}}}", "qu8<1.0:3>[1x4000]", "q8<1.0>[2x4000]")
    assert y.dtype == np.int32
    assert y.tolist() == ((x.astype(np.int64) - 3) @ w.T.astype(np.int64)).tolist()


A, B = "qu8<0.0235:101>", "q8<0.4:-7>"


@pytest.mark.parametrize(
    ("op", "steps"),
    [
        ("add", lambda a, b: single(single(a * multiplier(scale(A), Y)) + single(b * multiplier(scale(B), Y)))),
        ("sub", lambda a, b: single(single(a * multiplier(scale(A), Y)) - single(b * multiplier(scale(B), Y)))),
        ("mul", lambda a, b: single(single(a * b) * multiplier(scale(A) * scale(B), Y))),
    ],
)
def test_arithmetic(op: str, steps: Callable[[int, int], Fraction]) -> None:
    (a, b), y = run(f"{op}(%a, %b) {{act = relu, to = {Y}}}", f"{A}[200]", f"{B}[200]")
    assert y.tolist() == [stored(steps(int(p) - 101, int(q) + 7), Y, 7) for p, q in zip(a, b, strict=True)]


def test_means() -> None:
    (x,), y = run(f"global_avg_pool(%a) {{to = {Y}}}", f"{A}[1x6x5x3]")
    totals = (x.astype(int) - 101).sum((2, 3)).reshape(-1).tolist()
    m = single(scale(A) / 15 / scale(Y))
    wanted = [stored(single(single(t) * m), Y) for t in totals]
    assert y.reshape(-1).tolist() == wanted
    (again,), z = run(f"reduce(%a) {{fn = mean, axes = [2, 3], keep = false, to = {Y}}}", f"{A}[1x6x5x3]")
    assert np.array_equal(again, x) and z.reshape(-1).tolist() == wanted


def test_average_counts_elements_inside() -> None:
    (x,), y = run("avg_pool2d(%a) {kernel = 2, pad = [1, 0, 0, 0]}", f"{A}[1x1x3x2]")
    steps = x[0, 0].astype(int) - 101
    windows = [steps[0:1], steps[0:2], steps[1:3]]
    wanted = [stored(single(single(int(w.sum())) * single(Fraction(1, w.size))), A) for w in windows]
    assert y.reshape(-1).tolist() == wanted


@pytest.mark.parametrize(
    "line",
    [
        "cast(%a) {to = TO}",
        "concat(%a) {to = TO, axis = 0}",
        "pad(%a) {before = [0, 0, 0, 0], after = [0, 0, 0, 0], to = TO}",
        "max_pool2d(%a) {kernel = 1, to = TO}",
        "resize(%a) {size = [4, 16], to = TO}",
    ],
)
@pytest.mark.parametrize("to", [Y, "q8<0.0235:-27>", "q16<0.001:5>", "q4<0.9>"])
def test_moved_elements_change_their_parameters(line: str, to: str) -> None:
    (x,), y = run(line.replace("TO", to), f"{A}[1x4x4x16]")
    m = multiplier(scale(A), to)
    assert y.astype(int).reshape(-1).tolist() == [stored(single((int(v) - 101) * m), to) for v in x.reshape(-1)]


def test_what_is_added_by_padding_is_quantized() -> None:
    (x,), y = run("pad(%a) {before = [1], after = [0], value = 1.0}", f"{A}[2]")
    assert y.tolist() == [101 + round(1 / 0.0235), *x.tolist()]


def test_a_pool_of_nothing_is_the_lowest_number() -> None:
    _, y = run("max_pool2d(%a) {kernel = 1, pad = [1, 0, 0, 0], to = q8<1.0>}", f"{A}[1x1x1x1]")
    assert y.reshape(-1).tolist()[0] == -128


# --- fixed point: the definition of gemmlowp and TensorFlow Lite, on Python's integers ---


def truncated(a: int, b: int) -> int:
    """C's division."""
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def by_definition(x: int, real: Fraction) -> int:
    shift = 0
    while real >= 1:
        real, shift = real / 2, shift + 1
    while real < Fraction(1, 2):
        real, shift = real * 2, shift - 1
    multiplier = int(real * 2**31 + Fraction(1, 2))
    if multiplier == 2**31:
        multiplier, shift = multiplier // 2, shift + 1
    product = (x << max(shift, 0)) * multiplier
    high = truncated(product + (2**30 if product >= 0 else 1 - 2**30), 2**31)
    right = max(-shift, 0)
    rest = high & ((1 << right) - 1)
    return (high >> right) + (rest > ((1 << right) - 1 >> 1) + (high < 0))


@pytest.mark.parametrize("real", [0.3, 0.5, 0.001, 1.7, 0.99999999999, 2.0**-20, 3.1e-5])
def test_fixed_point_multiplication(real: float) -> None:
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.integers(-(2**26), 2**26, 200), [0, 1, -1, 2**29, -(2**29)]])
    wanted = [by_definition(int(v), Fraction(real)) for v in x]
    assert multiply_by_quantized(x, np.array(real)).tolist() == wanted


def test_fixed_point_saturates() -> None:
    """What is shifted to the left stays an int32, where C says nothing: the multiplier of 4 is 1/2."""
    x = np.array([-(2**31), 2**31 - 1])
    assert multiply_by_quantized(x, np.array(4.0)).tolist() == [-(2**30), 2**30]
    assert multiply_by_quantized(x, np.array(1e-12)).tolist() == [0, 0]


def test_convolution_in_fixed_point() -> None:
    (x, w), y = run(f"conv2d(%a, %b) {{rounding = fixed_point, to = {Y}}}", f"{X}[1x3x5x6]", f"{W}[4x3x1x1]")
    for at, total in taps(x, w, 101, 0, 1):
        real = Fraction(float(scale(X) * scale(W, at[1])) / float(scale(Y)))
        assert y[at] == stored(by_definition(total, real), Y)


@pytest.mark.parametrize(("op", "sign"), [("add", 1), ("sub", -1)])
def test_sums_in_fixed_point(op: str, sign: int) -> None:
    (a, b), y = run(f"{op}(%a, %b) {{rounding = fixed_point, to = {Y}}}", f"{A}[200]", f"{B}[200]")
    sa, sb, sy = (float(scale(t)) for t in (A, B, Y))
    shared = 2 * max(sa, sb)
    for p, q, found in zip(a, b, y, strict=True):
        one = by_definition((int(p) - 101) << 20, Fraction(sa / shared))
        other = by_definition((int(q) + 7) << 20, Fraction(sb / shared))
        total = by_definition(one + sign * other, Fraction(shared / ((1 << 20) * sy)))
        assert found == stored(total, Y)


def test_means_in_fixed_point() -> None:
    (x,), y = run("avg_pool2d(%a) {kernel = [3, 1], rounding = fixed_point}", f"{A}[1x1x3x50]")
    assert y.reshape(-1).tolist() == [(int(t) + 1) // 3 for t in x.astype(int).sum(2).reshape(-1)]
    (x,), y = run(f"global_avg_pool(%a) {{to = {Y}, rounding = fixed_point}}", f"{A}[1x9x5x3]")
    for total, found in zip((x.astype(int) - 101).sum((2, 3)).reshape(-1), y.reshape(-1), strict=True):
        scaled = by_definition(int(total), Fraction(float(scale(A)) / float(scale(Y))))
        assert found == stored(truncated(scaled + (7 if scaled > 0 else -7), 15), Y)
