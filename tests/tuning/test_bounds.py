"""Lower bounds: what work a layer has at least, what that means for its time, and that real routines keep to it."""

from __future__ import annotations

import attrs
import numpy as np
import pytest

from plait.backends.profiling.job import Job
from plait.backends.profiling.limits import Level, Limits
from plait.backends.routine import known_routines
from plait.ir.layer import Layer
from plait.ir.layers.conv import inner_products
from plait.ir.text.parser import parse_module
from plait.tuning.bounds import ELSEWHERE, SAFETY, Roof, entry_bounds, python_step_us
from plait.tuning.entries import Entries
from plait.tuning.work import Work, least_work

LIMITS = Limits(
    1,
    "avx512",
    {"avx512": 100.0},
    (Level("L1", 1000, 100.0, 50.0, 80.0), Level("L2", 5000, 50.0, 25.0, 40.0), Level("DRAM", None, 10.0, 5.0, 8.0)),
    200.0,
    0.0,
    "",
    "",
)
ROOF = Roof(LIMITS, 30.0)


def layer(text: str, weights: str = "") -> Layer:
    block = f'weights "w" {{\n{weights}\n}}\n' if weights else ""
    (found,) = parse_module(f"ir 1\n{block}net @main{text}").main
    return found


def conv(x: str, w: str, y: str, attributes: str = "") -> Layer:
    return layer(f"(%x: f32[{x}]) -> (%y: f32[{y}]) {{\n  %y = conv2d(%x, @w){attributes}\n}}\n", f"  @w : f32[{w}]")


@pytest.mark.parametrize(
    "attributes, x, w, y",
    [
        ("", "1x4x6x7", "8x4x3x3", "1x8x4x5"),
        (" {pad = [1, 1, 1, 1]}", "1x4x6x7", "8x4x3x3", "1x8x6x7"),
        (" {stride = [2, 2], pad = [1, 1, 1, 1]}", "1x4x6x7", "8x4x3x3", "1x8x3x4"),
        (" {pad = [2, 1, 2, 1], dilation = [2, 2]}", "2x4x6x7", "8x4x3x3", "2x8x6x5"),
        (" {groups = 4, pad = [0, 2, 0, 2]}", "1x4x6x7", "8x1x1x5", "1x8x6x7"),
    ],
)
def test_products_with_padding_are_not_counted(attributes: str, x: str, w: str, y: str) -> None:
    from plait.ir.layers.conv import Conv2d

    found = conv(x, w, y, attributes)
    assert isinstance(found, Conv2d)
    image = np.ones(found.x.type.static_shape, np.float32)
    ones = np.ones(found.weight.type.static_shape, np.float32)
    # A sum of ones counts them.
    assert inner_products(found) == found.reference(image, ones, None, None).sum()
    assert least_work(found).flops == 2 * inner_products(found) <= found.flops()


def test_bytes_that_have_to_move() -> None:
    found = least_work(conv("1x4x6x6", "8x4x3x3", "1x8x4x4"))
    assert (found.read, found.written, found.constants) == (4 * 144, 4 * 128, 4 * 288)
    # Windows that are further apart than wide leave out three quarters.
    assert least_work(conv("1x4x8x8", "8x4x1x1", "1x8x4x4", " {stride = [2, 2]}")).read == 4 * 64
    # A large image of which a single window is read.
    assert least_work(conv("1x4x8x8", "8x4x1x1", "1x8x1x1", " {stride = [8, 8]}")).read == 4 * 4


@pytest.mark.parametrize(
    "text",
    [
        "(%x: f32[4x8]) -> (%y: f32[32]) {\n  %y = reshape(%x) {shape = [32]}\n}\n",
        "(%x: f32[4x8]) -> (%y: f32[8x8]) {\n  %y = concat(%x, %x) {axis = 0}\n}\n",
    ],
)
def test_layers_that_may_have_nothing_to_do(text: str) -> None:
    found = layer(text)
    assert least_work(found) == Work()
    assert ROOF.least_us(found, None, "hot") == 0.2


def test_arrays_lie_as_near_as_they_fit() -> None:
    # 1000 bytes in L1, 4000 in L2, the rest in memory; all of it reading.
    assert ROOF.pass_us(900, 0) == pytest.approx(0.009)
    assert ROOF.pass_us(3000, 0) == pytest.approx(0.01 + 0.04)
    assert ROOF.pass_us(9000, 0) == pytest.approx(0.01 + 0.08 + 0.4)
    # Half and half goes in pairs, as a copy does.
    assert ROOF.pass_us(500, 500) == pytest.approx(1000 / 80 / 1e3)


def test_states_decide_where_data_come_from() -> None:
    work = Work(0, read=500, written=0, constants=400)
    assert ROOF.moving_us(work, "hot") == ROOF.moving_us(work, "in_place") == pytest.approx(0.009)
    assert ROOF.moving_us(work, "streamed") == pytest.approx(0.04 + 0.005)
    assert ROOF.moving_us(work, "cold") == pytest.approx(0.09)


def test_algorithms_state_what_they_do() -> None:
    found = conv("1x64x28x28", "64x64x3x3", "1x64x28x28", " {pad = [1, 1, 1, 1]}")
    times = {
        r.path.algorithm: ROOF.least_us(found, r, "hot")
        for r in known_routines("conv2d")
        if r.path.layout in ("nchw", "nchw16c") and r.path.dtype in ("f32", "any")
    }
    assert times["winograd_f6"] < times["winograd_f4"] < times["winograd_f2"] < times["direct"] == times["gemm"]
    assert times["direct"] == pytest.approx(2 * inner_products(found) / 100 / 1e3)  # type: ignore[arg-type]
    # Float64 on half as many lanes, and rows that go through memory for every product.
    assert times["reference"] > 2 * times["direct"] and times["naive"] > 5 * times["direct"]
    assert times["winograd_f4"] == pytest.approx(2 * 49 * 36 * 64 * 64 / 100 / 1e3)


def test_products_have_the_peak_of_their_type() -> None:
    roof = attrs.evolve(ROOF, limits=attrs.evolve(LIMITS, gops={"avx512": 150.0, "avx512vnni": 400.0}))
    floats = layer("(%x: f32[2x3]) -> (%y: f32[2x3]) {\n  %y = relu(%x)\n}\n")
    bytes_ = layer("(%x: qu8<0.5>[2x3]) -> (%y: qu8<0.5>[2x3]) {\n  %y = relu(%x)\n}\n")
    halves = layer("(%x: bf16[2x3]) -> (%y: bf16[2x3]) {\n  %y = relu(%x)\n}\n")
    assert [roof.peak_of(x) for x in (floats, bytes_, halves)] == [100.0, 400.0, np.inf]
    assert ROOF.peak_of(bytes_) == np.inf  # nobody has measured it


def test_bounds_of_a_function_are_safe_and_hear_of_other_machines() -> None:
    module = parse_module("ir 1\nnet @main(%x: f32[1x16x8x8] nchw) -> (%y: f32[1x16x8x8] nchw) {\n  %y = relu(%x)\n}\n")
    entries = Entries(module.main)
    bounds = entry_bounds(entries, ROOF, {})
    assert set(bounds) == set(entries.jobs()) and all(b > 0 for b in bounds.values())
    reference = next(j for j in bounds if j.routine.endswith("/reference"))
    assert bounds[reference] == SAFETY * 30.0
    other = entry_bounds(entries, ROOF, {reference: 1000.0})
    assert other[reference] == ELSEWHERE * 1000 and {**other, reference: 0} == {**bounds, reference: 0}


def test_of_a_machine_without_limits_only_others_of_its_kind_say_something() -> None:
    module = parse_module("ir 1\nnet @main(%x: f32[1x16x8x8] nchw) -> (%y: f32[1x16x8x8] nchw) {\n  %y = relu(%x)\n}\n")
    entries = Entries(module.main)
    first, *_ = entries.jobs()
    bounds = entry_bounds(entries, None, {first: 10.0})
    assert set(bounds) == set(entries.jobs())
    assert bounds == {job: ELSEWHERE * 10.0 if job == first else 0.0 for job in bounds}


def test_the_least_time_of_python() -> None:
    assert python_step_us(5) > 0


def test_conversions_of_the_split_have_no_bound() -> None:
    text = (
        "ir 1\nnet @main(%x: f32[1x64x7x7] nchw) -> (%y: f32[1x64x7x7] nchw) {\n  %a = relu(%x)\n  %y = tanh(%a)\n}\n"
    )
    bounds = entry_bounds(Entries(parse_module(text).main, threads=2), ROOF, {})
    resplits: list[Job] = [j for j in bounds if j.routine.endswith("/resplit")]
    assert resplits and all(bounds[j] == 0 for j in resplits)
