"""Timing of layers: what is counted, compared with limits and taken from the tuning report."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import numpy as np
import pytest

from plait.backends.errors import RunError
from plait.backends.null import FixedCosts
from plait.backends.profiling.limits import Level, Limits
from plait.backends.runner import Runner
from plait.ir.text.parser import parse_module
from plait.tuning import Tuned, tune
from plait.tuning.api import TunedModel
from plait.tuning.bench import bench
from plait.tuning.open import open_tuned
from plait.tuning.runner_up import tuning_rows

TEXT = """ir 1
const @w : f32[2x3x1x1] = [0.1, 0.2, -0.3, 0.4, -0.5, 0.6]
net @main(%image: f32[1x3x4x5] nchw) -> (%y: f32[1x2x4x5] nchw) {
  %c = conv2d(%image, @w) : f32[1x2x4x5] nchw
  %y = tanh(%c) : f32[1x2x4x5] nchw
}
"""
DRAM = Level("DRAM", None, 40.0, 30.0, 35.0)
LIMITS = Limits(1, "avx2", {"avx2": 100.0}, (DRAM,), 3.0, 0.0, "abc", "2026-01-02T03:04:05+00:00")


@pytest.fixture(scope="module")
def tuned() -> TunedModel:
    return tuned_for(1)


def tuned_for(threads: int, others: float = 50.0) -> TunedModel:
    found = tune(
        parse_module(TEXT), FixedCosts({"*": others, "cpu/f32/nchw/gemm": 1.0, "adapt *": 5.0}), threads=threads
    )
    return TunedModel(**{field.name: getattr(found, field.name) for field in attrs.fields(Tuned)})


def test_layers_are_measured(tuned: TunedModel) -> None:
    report = bench(Runner(tuned.module), runs=3)
    assert [row.name for row in report.layers] == ["c", "y"] and report.limits is None
    convolution, tanh = report.layers
    assert convolution.nbytes == 4 * (60 + 6 + 40) and tanh.nbytes == 4 * 80
    assert convolution.gflops == pytest.approx(2 * 3 * 40 / convolution.time_us / 1e3)
    assert sum(row.share for row in report.layers) == pytest.approx(1)
    assert {row.roofline for row in report.layers} == {None} and {row.runner_up for row in report.layers} == {""}


def test_layers_are_compared_with_limits(tuned: TunedModel) -> None:
    report = bench(Runner(tuned.module), runs=3, limits=LIMITS)
    convolution, tanh = (row.roofline for row in report.layers)
    assert convolution is not None and tanh is not None
    assert convolution.peak == pytest.approx(report.layers[0].gflops / 100)
    assert tanh.bandwidth == pytest.approx(320 / 35e3 / report.layers[1].time_us) and tanh.bound == "DRAM"
    data = json.loads(json.dumps(report.to_json()))
    assert data["schema"] == "bench-report/2" and data["limits"]["gflops"] == {"avx2": 100.0}
    assert data["layers"][1]["roofline"]["level"] == "DRAM"


def test_inputs_are_checked(tuned: TunedModel) -> None:
    with pytest.raises(RunError, match="P401"):
        bench(Runner(tuned.module), {"image": np.zeros((1, 3, 4, 4), np.float32)}, runs=1)


# --- the report of tuning ---


def test_runners_up_come_from_the_report_of_the_plan(tuned: TunedModel, tmp_path: Path) -> None:
    tuned.save(tmp_path / "a.plait")
    runner = open_tuned(tmp_path / "a.plait")
    rows = tuning_rows(tmp_path / "a.plait", runner)
    assert {name: row.runner_up for name, row in rows.items()} == {
        row.name: row.runner_up for row in tuned.report.rows
    } and rows["c"].runner_up
    report = bench(runner, runs=1, tuning=rows)
    assert report.layers[0].runner_up == rows["c"].runner_up
    assert report.layers[0].runner_up_loss_us == rows["c"].runner_up_loss_us


def test_a_report_of_other_routines_is_not_used(tuned: TunedModel, tmp_path: Path) -> None:
    tuned.save(tmp_path / "a.plait")
    module = tuned.module.clone()
    next(iter(module.main)).via = "cpu/any/nchw/reference"
    assert tuning_rows(tmp_path / "a.plait", Runner(module)) == {}


def test_of_two_plans_that_are_alike_that_of_as_many_threads(tuned: TunedModel, tmp_path: Path) -> None:
    tuned.save(tmp_path / "a.plait")
    tuned_for(2, others=70.0).save(tmp_path / "a.plait")
    losses = []
    for threads in (1, 2):
        runner = open_tuned(tmp_path / "a.plait", threads=threads)
        losses.append(tuning_rows(tmp_path / "a.plait", runner)["c"].runner_up_loss_us)
    assert losses[1] is not None and losses[0] is not None and losses[1] > losses[0]


def test_text_has_no_report(tuned: TunedModel, tmp_path: Path) -> None:
    (tmp_path / "t.ir").write_text(TEXT)
    assert tuning_rows(tmp_path / "t.ir", Runner(tuned.module)) == {}
