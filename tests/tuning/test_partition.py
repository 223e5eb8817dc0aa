"""Choosing how values are split over cores, at fixed costs."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from plait.backends.build import build
from plait.backends.null import FixedCosts
from plait.backends.null.costs import hashed_cost
from plait.backends.profiling.database import ProfileDatabase
from plait.backends.profiling.job import Job
from plait.backends.profiling.profiler import WorkerProfiler
from plait.backends.program import Program
from plait.backends.reference import evaluate
from plait.backends.runner import Runner
from plait.frontends.onnx import import_onnx
from plait.ir.module import Module
from plait.ir.text.parser import parse_module
from plait.ir.text.printer import print_module
from plait.ir.verify import verify
from plait.passes.selection import check
from plait.testing.compare import assert_close
from plait.testing.random_models import random_model
from plait.tuning import Tuned, tune

RELUS = """ir 1
net @main(%x: f32[1x64x7x7] nchw) -> (%d: f32[1x64x7x7] nchw) {
  %a = relu(%x)
  %b = unary(%a) {fn = exp}
  %c = tanh(%b)
  %d = relu(%c)
}
"""
CONV = """ir 1
weights "w.safetensors" {
  @w : f32[64x64x1x1]
}
net @main(%x: f32[1x64x7x7] nchw) -> (%d: f32[1x64x7x7] nchw) {
  %a = relu(%x)
  %b = conv2d(%a, @w)
  %c = conv2d(%b, @w)
  %d = relu(%c)
}
"""


def way(job: Job) -> str:
    found = re.search(r"split=(\w+)\]", job.routine)
    return found[1] if found else ""


def chosen(module: Module) -> list[str]:
    """How each layer cuts its work, and to which split it changes."""
    return [
        f"to {layer.result.type.split}" if "resplit" in str(layer.via) else str(layer.via).partition("split=")[2][:-1]
        for layer in module.main
    ]


def tuned(text: str | Module, cost: Callable[[Job], float | None], threads: int = 2) -> Tuned:
    module = parse_module(text) if isinstance(text, str) else text
    result = tune(module, FixedCosts(cost), threads=threads)
    verify(result.module)
    assert check(result.problem.problem, result.solution) == ()
    report = result.report
    assert math.fsum(row.cost_us for row in report.rows) == report.predicted_us
    single = result.single_layout_module
    assert math.fsum(layer.cost_us or 0.0 for layer in single.main) == report.single_layout_us
    return result


def only_nchw(job: Job) -> bool:
    return "/nchw/" in job.routine and "reference" not in job.routine


@pytest.mark.parametrize(
    ("resplit", "wanted"),
    [
        (0.25, ["rows", "to channels", "channels", "to rows", "rows", "rows"]),
        (0.75, ["rows", "rows", "rows", "rows"]),
    ],
)
def test_a_partition_is_kept_where_changing_it_costs(resplit: float, wanted: list[str]) -> None:
    by_rows = {"relu": 2.0, "unary": 6.0, "tanh": 4.0}
    by_channels = {"relu": 2.5, "unary": 5.0, "tanh": 5.0}

    def cost(job: Job) -> float | None:
        if "resplit" in job.routine:
            return resplit
        if not only_nchw(job) or job.signature.startswith("adapt"):
            return None
        return (by_rows if way(job) == "rows" else by_channels)[job.signature.partition("(")[0]]

    assert chosen(tuned(RELUS, cost).module) == wanted


def test_changes_of_split_stand_in_the_text_and_call_nothing() -> None:
    def cost(job: Job) -> float | None:
        if "resplit" in job.routine:
            return 0.25
        if not only_nchw(job) or job.signature.startswith("adapt"):
            return None
        return 1.0 if (way(job) == "channels") == job.signature.startswith("unary") else 10.0

    found = tuned(RELUS, cost)
    assert chosen(found.module) == ["rows", "to channels", "channels", "to rows", "rows", "rows"]
    assert found.report.adapts == 2 and found.report.predicted_us == 4.5
    text = print_module(found.module)
    assert "%a = relu(%x) : f32[1x64x7x7] nchw split rows" in text
    assert "%a.channels = adapt(%a) : f32[1x64x7x7] nchw split channels via cpu/any/any/resplit !0.25us" in text
    assert "via cpu/f32/nchw/vector[split=channels] !1.00us" in text
    assert "%d: f32[1x64x7x7] nchw)" in text and "%d = relu(%c) : f32[1x64x7x7] nchw " in text.replace("\n", " ")
    again = parse_module(text)
    assert print_module(again) == text
    x = np.random.default_rng(0).standard_normal((1, 64, 7, 7)).astype(np.float32)
    for module in (found.module, again):
        program = Program(module, 2)
        assert len(build(module, 2).steps) == 4
        (y,) = program.run([x])
        wanted = evaluate(parse_module(RELUS), [x])["d"]
        np.testing.assert_allclose(y, wanted, rtol=1e-6)
    (alone,) = Program(again, 1).run([x])  # a plan for two threads runs on one
    np.testing.assert_array_equal(alone, y)


def test_a_convolution_by_channels_pays_for_reading_all() -> None:
    asked: list[str] = []

    def cost(job: Job) -> float | None:
        if "resplit" in job.routine:
            asked.append(job.signature)
            return 4.0 if job.signature.endswith("all") else 2.0
        if not only_nchw(job) or job.signature.startswith("adapt"):
            return None
        return 7.0 if job.signature.startswith("conv2d") and way(job) == "channels" else 10.0

    found = tune(parse_module(CONV), FixedCosts(cost), threads=2)
    # Rows throughout: 40. Convolutions by channels: 10 + 4 + 7 + 4 + 7 + 2 + 10.
    assert found.report.predicted_us == 40.0
    assert any(s.endswith("split all") for s in asked)
    cheap = tune(parse_module(CONV), FixedCosts(lambda job: 0.5 if "resplit" in job.routine else cost(job)), threads=2)
    assert chosen(cheap.module) == ["rows", "to all", "channels", "to all", "channels", "channels"]


@pytest.mark.parametrize("seed", range(6))
def test_random_plans_for_two_threads_are_right_and_add_up(seed: int) -> None:
    module = import_onnx(random_model(seed)).module
    runner = Runner(tuned(module.clone(), hashed_cost).module, 2)
    inputs = runner.random_inputs(seed)
    assert_close(runner.run(**inputs), evaluate(module, list(inputs.values())))


def test_one_thread_knows_no_splits() -> None:
    costs = FixedCosts(hashed_cost)
    found = tune(parse_module(RELUS), costs)
    assert "split" not in print_module(found.module)
    assert not any("split" in text for job in costs.jobs for text in (*map(str, job.key), job.module))
    assert not any("/rows" in f.name or "/any" in f.name for f in found.problem.problem.formats)


def test_measured_on_two_threads(tmp_path: Path) -> None:
    with ProfileDatabase(tmp_path / "profile.sqlite") as database:
        found = tune(parse_module(RELUS), WorkerProfiler(database), threads=2)
        assert tune(parse_module(RELUS), WorkerProfiler(database), threads=2).report.measured == 0
    assert math.fsum(row.cost_us for row in found.report.rows) == found.report.predicted_us
    assert not found.report.failures
    x = np.random.default_rng(0).standard_normal((1, 64, 7, 7)).astype(np.float32)
    np.testing.assert_allclose(Program(found.module, 2).run([x])[0], evaluate(parse_module(RELUS), [x])["d"], rtol=1e-6)
