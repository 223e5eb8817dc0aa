"""The benchmark of layers in several precisions: the same layer in each, and what is made of times."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from benchmarks.layers import precisions
from benchmarks.layers.precisions import PrecisionRow, Time, twin
from benchmarks.layers.shapes import Shape
from plait.backends.profiling.limits import Level, Limits
from plait.ir import Layer, Module
from plait.ir.quantization import why_not_integer
from plait.ir.text.parser import parse_module

TEXT = """ir 1
weights "w.safetensors" {
  @w : f32[32x16x3x3]
  @b : f32[32]
  @d : f32[32x1x3x3]
  @f : f32[10x32]
}
net @main(%x: f32[1x16x8x8]) -> (%y: f32[1x10]) {
  %a = conv2d(%x, @w, @b) {pad = [1, 1, 1, 1], stride = [2, 2]}
  %r = relu(%a)
  %e = conv2d(%r, @d) {pad = [1, 1, 1, 1], groups = 32}
  %g = global_avg_pool(%e)
  %h = reshape(%g) {shape = [1, 32]}
  %y = fully_connected(%h, @f)
}
"""
LIMITS = Limits(
    threads=1,
    isa="any",
    gflops={"any": 1.0},
    levels=(Level("DRAM", None, 1.0, 1.0, 1.0),),
    op_ns=0.0,
    barrier_ns=0.0,
    kernels="",
    taken="",
    gops={"any": 4.0},
    bf16={"any": 2.0},
)


@pytest.fixture
def module() -> Module:
    return parse_module(TEXT)


def conv_of(module: Module) -> Layer:
    return next(iter(module.main))


def test_products_stand_apart_from_what_is_fused_with_them(module: Module) -> None:
    found = [(s.kind, s.text) for s in precisions.products({"one": module})]
    assert found == [("convolution", "3x3 16>32 @4x4 s2"), ("depthwise", "3x3 32 @4x4"), ("fully connected", "32>10")]


@pytest.mark.parametrize("precision", list(precisions.ELEMENTS))
def test_twins_are_the_same_layer_on_other_elements(module: Module, precision: str) -> None:
    for shape in precisions.products({"one": module}):
        found = twin(shape.layer, precision)
        assert found.flops() == shape.layer.flops()
        assert found.results[0].type.static_shape == shape.layer.results[0].type.static_shape
        assert (why_not_integer(found) is None) == (precision == "qint8")


def test_shares_are_of_the_peak_of_each_precision(module: Module) -> None:
    conv = conv_of(module)
    times = {
        "float32": Time("cpu/f32/nchw16c/winograd_f4", 2.0, "cpu/f32/nchw16c/direct", 4.0),
        "qint8": Time("cpu/q8/nchw16c/direct", 0.5, "cpu/q8/nchw16c/direct", 0.5),
    }
    row = PrecisionRow(Shape("convolution", "3x3", conv, {"one": 2}), 1, times, LIMITS)
    gflops = conv.flops() / 1e6
    assert row.share("float32") == pytest.approx(gflops / 4.0)
    assert row.share("qint8") == pytest.approx(gflops / 0.5 / 4)
    assert row.share("bfloat16") is None and row.gain("bfloat16") is None
    assert row.gain("qint8") == 4
    assert attrs.evolve(row, limits=None).share("qint8") is None
    assert "| 2.0000 |" in precisions.markdown([row]) and "| - | 4.00 | nchw16c/direct |" in precisions.markdown([row])


@pytest.mark.slow
def test_a_small_run(run_benchmark: Callable[..., Any], tmp_path: Path) -> None:
    small = ("--precisions", "--networks", "squeezenet", "--image", 32, "--width", 0.25)
    told = run_benchmark("layers", *small, "--rounds", 1, "--seconds", 0, "--results", "out/precisions")
    assert "## One thread" in told.stdout
    rows = json.loads((tmp_path / "out/precisions.json").read_text())["rows"]
    assert {row["kind"] for row in rows} == {"convolution"}
    for row in rows:
        assert row["precisions"].keys() == precisions.ELEMENTS.keys()
        assert all(time["ms"] > 0 and time["plain_ms"] >= 0 for time in row["precisions"].values())
