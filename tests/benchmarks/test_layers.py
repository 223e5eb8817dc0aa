"""The benchmark of layers: which layers it takes, what it makes of times, and one small run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import attrs
import pytest

from benchmarks.layers.measure import Bench, Family, Row
from benchmarks.layers.report import markdown
from benchmarks.layers.shapes import Shape, describe, distinct, movement, onednn_subject
from benchmarks.support.roofline import layer_us, network_us, traffic
from benchmarks.support.serving import Server, ServerError
from plait.backends.profiling.job import Job, Result
from plait.backends.profiling.limits import Level, Limits
from plait.backends.profiling.profiler import Progress
from plait.backends.routine import applicable
from plait.ir import Layer, Module
from plait.ir.text.parser import parse_module

TEXT = """ir 1
weights "w.safetensors" {
  @w : f32[32x16x3x3]
  @v : f32[32x16x3x3]
  @d : f32[32x1x3x3]
  @f : f32[10x32]
}
net @main(%x: f32[1x16x8x8]) -> (%y: f32[1x10]) {
  %a = conv2d(%x, @w) {pad = [1, 1, 1, 1], act = relu}
  %b = conv2d(%x, @v) {pad = [1, 1, 1, 1], act = relu}
  %c = add(%a, %b)
  %e = conv2d(%c, @d) {stride = [2, 2], pad = [1, 1, 1, 1], groups = 32}
  %g = global_avg_pool(%e)
  %h = reshape(%g) {shape = [1, 32]}
  %y = fully_connected(%h, @f)
}
"""
# One operation a nanosecond; a byte a nanosecond from a cache of 10 kB, half of that from memory.
LIMITS = Limits(
    threads=1,
    isa="any",
    gflops={"any": 1.0},
    levels=(Level("L1", 10_000, 1.0, 1.0, 1.0), Level("DRAM", None, 0.5, 0.5, 0.5)),
    op_ns=0.0,
    barrier_ns=0.0,
    kernels="",
    taken="",
)


@pytest.fixture
def module() -> Module:
    return parse_module(TEXT)


def layers(module: Module) -> list[Layer]:
    return list(module.main)


def test_equal_layers_are_taken_once_and_counted(module: Module) -> None:
    found = distinct({"one": module, "two": parse_module(TEXT)})
    assert [(s.kind, s.text, s.uses) for s in found] == [
        ("convolution", "3x3 16>32 @8x8 relu", {"one": 2, "two": 2}),
        ("element-wise", "add 32x8x8, 32x8x8", {"one": 1, "two": 1}),
        ("depthwise", "3x3 32 @4x4 s2", {"one": 1, "two": 1}),
        ("pooling", "global_avg_pool 32x4x4", {"one": 1, "two": 1}),
        ("fully connected", "32>10", {"one": 1, "two": 1}),
    ]


def test_movement_goes_from_the_smallest_image_to_the_largest(module: Module) -> None:
    assert {s.kind for s in movement([module], 1)} == {"element-wise", "adapt"}
    found = movement([module], 2)
    assert len(found) == 2 * (2 + 6)
    assert found[0].text == "add 16x8x8, 16x8x8"
    assert found[-1].text == "nchw16c to nhwc 32x8x8"
    assert len(movement([module], 9)) == len(found), "no more images than there are"


def test_onednn_gets_the_geometry(module: Module) -> None:
    conv, _, add, depthwise, *_, full = layers(module)
    assert onednn_subject(Shape("element-wise", "", add, {})) is None
    found = onednn_subject(Shape("depthwise", "", depthwise, {}))
    assert found is not None
    assert (found["stride"], found["groups"], found["x"], found["act"]) == ([2, 2], 32, [1, 32, 8, 8], "none")
    assert onednn_subject(Shape("fully connected", "", full, {})) is not None
    assert describe(conv) == "3x3 16>32 @8x8 relu"


def test_rooflines_take_the_longer_of_arithmetic_and_data(module: Module) -> None:
    conv, _, add, *_ = layers(module)
    assert layer_us(conv, LIMITS) == pytest.approx(conv.flops() / 1e3)
    assert traffic(add) == (0, 2 * 8192, 8192)
    assert layer_us(add, LIMITS) == pytest.approx(3 * 8192 / 0.5 / 1e3), "24 kB are more than the cache holds"
    assert network_us(module, LIMITS) > layer_us(conv, LIMITS) * 2


def test_constants_come_from_where_all_of_the_network_fit(module: Module) -> None:
    *_, full = layers(module)
    bytes_ = 32 * 10 * 4
    data = 32 * 4 + 10 * 4
    assert layer_us(full, LIMITS) == pytest.approx((bytes_ + data) / 1e3)
    assert layer_us(full, LIMITS, constant_bytes=20_000) == pytest.approx((2 * bytes_ + data) / 1e3)


def test_an_operand_read_twice_moves_once() -> None:
    (twice,) = parse_module("ir 1\nnet @main(%x: f32[1x4x2x2]) -> (%y: f32[1x4x2x2]) {\n  %y = add(%x, %x)\n}\n").main
    assert traffic(twice) == (0, 64, 64)


def test_rows_compare_with_the_better_form_of_onednn(module: Module) -> None:
    conv = layers(module)[0]
    families = {"cpu/f32/nchw16c/direct": Family("tile=7x1", 0.5, True), "cpu/f32/nchw/naive": Family("", 0.4)}
    row = Row(Shape("convolution", "3x3", conv, {"one": 2}), 1, families, {"nhwc": 1.5, "blocked": 1.0}, LIMITS)
    assert row.ratio == 2
    assert row.peak_share == pytest.approx(conv.flops() / 0.5e6)
    text = markdown([row])
    assert "| cpu/f32/nchw16c/direct[tile=7x1] | 0.5000 |" in text
    assert "| nchw/naive | nchw16c/direct |" in text
    assert Row(row.shape, 1, families, {}, None).ratio is None
    assert attrs.evolve(row, call_ms=0.25).ratio == 1.5
    assert attrs.evolve(row, call_ms=1.0).ratio is None, "nothing but the call"


class Scripted(Server):
    """Takes as many microseconds for a run as it is told for a key, and cannot open what it is not told."""

    def __init__(self, microseconds: dict[str, float]) -> None:
        self.microseconds = microseconds
        self.ready: set[str] = set()

    def open(self, key: str, subject: dict[str, Any]) -> None:
        if key not in self.microseconds:
            raise ServerError("unknown")
        self.ready.add(key)

    def burst(self, key: str, seconds: float) -> list[float]:
        assert key in self.ready
        return [self.microseconds[key] * 1e3]

    def clear(self) -> None:
        self.ready.clear()


class Stored:
    """A profiler that knows all: the naive routine takes 9 us, others 2."""

    def measure(self, jobs: Iterable[Job], progress: Progress | None = None) -> dict[Job, Result]:
        return {job: Result("ok", (9000 if "naive" in job.routine else 2000,)) for job in jobs}


def test_the_best_families_take_turns_with_onednn(module: Module) -> None:
    conv = layers(module)[0]
    names = {r.path.base for r, refusal in applicable(conv) if refusal is None} - {"cpu/any/nchw/reference"}
    ours = Scripted({name: 3.0 if name.endswith("/direct") else 4.0 for name in names if "naive" not in name})
    bench = Bench(1, Stored(), ours, Scripted({"nhwc": 5.0}), LIMITS).with_call()
    assert bench.call_ms == 0.005
    row = bench.row(Shape("convolution", "", conv, {}))
    assert row is not None
    assert (row.routine, row.ms) == ("cpu/f32/nchw16c/direct", 0.003)
    assert row.onednn == {"nhwc": 0.005}, "the other form cannot be had"
    naive = row.families["cpu/f32/nchw/naive"]
    assert (naive.ms, naive.final) == (0.009, False)
    assert row.families.keys() == names


@pytest.mark.slow
def test_a_small_run(run_benchmark: Callable[..., Any], tmp_path: Path) -> None:
    small = ("--networks", "squeezenet", "--image", 32, "--width", 0.25, "--images", 1)
    told = run_benchmark("layers", *small, "--rounds", 1, "--seconds", 0, "--results", "out/layers")
    assert "## One thread: arithmetic" in told.stdout
    rows = json.loads((tmp_path / "out/layers.json").read_text())["rows"]
    assert {row["kind"] for row in rows} == {"convolution", "pooling", "element-wise", "adapt"}
    for row in rows:
        assert row["ms"] > 0
        assert row["routine"] in row["families"]
        assert row["families"][row["routine"]]["final"]
