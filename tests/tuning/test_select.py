"""Lazy tuning of modules with fixed costs: what it measures, certifies, and does when it is stopped."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping

import attrs
import pytest

from plait.backends.null import FixedCosts
from plait.backends.null.costs import hashed_cost
from plait.backends.profiling.job import Job, Result
from plait.backends.profiling.profiler import Progress
from plait.frontends.onnx import import_onnx
from plait.ir.module import Module
from plait.ir.text.parser import parse_module
from plait.passes.manager import PassManager
from plait.passes.pipeline import Pipeline
from plait.testing.random_models import random_model
from plait.tuning import Tuned, tune
from plait.tuning.entries import Entries
from plait.tuning.select import Lazily

CHAIN = """ir 1
net @main(%x: f32[1x32x4x4] nchw) -> (%y: f32[1x32x4x4] nchw) {
  %a = relu(%x)
  %b = sigmoid(%a)
  %y = tanh(%b)
}
"""


def cost(job: Job) -> float:
    return 2000.0 if "/reference" in job.routine else hashed_cost(job)


def share_of(costs: FixedCosts, share: float) -> Callable[[Entries], Mapping[Job, float]]:
    """Bounds that are so far below the truth."""
    return lambda entries: {job: share * (costs.cost(job) or 0.0) for job in entries.jobs()}


def lazily(module: Module, share: float = 0.7, **how: object) -> tuple[Tuned, FixedCosts]:
    costs = FixedCosts(cost)
    how = {"bounds": share_of(costs, share), **how}
    return tune(module, costs, lazily=Lazily(**how)), costs  # type: ignore[arg-type]


def optimized(seed: int) -> Module:
    module = import_onnx(random_model(seed)).module
    PassManager(Pipeline.parse("default")).run(module)
    return module


@pytest.mark.parametrize("seed", range(200, 212))
def test_the_plan_is_that_of_measuring_everything(seed: int) -> None:
    module = optimized(seed)
    everything = tune(module, FixedCosts(cost)).report
    result, costs = lazily(module)
    report, certificate = result.report, result.report.certificate
    assert math.isclose(report.predicted_us, everything.predicted_us, rel_tol=1e-9)
    assert report.status == "optimal" and report.entries == everything.entries
    assert certificate is not None
    assert certificate.known == report.measured == len(costs.jobs) <= report.entries
    assert (certificate.trust, certificate.stopped, certificate.guessed) == (1.0, "", 0)
    assert (certificate.saved > 0) == (certificate.known < report.entries)
    measured = {job.routine for job in costs.jobs}
    assert {row.routine for row in report.rows} <= measured | {row.routine for row in report.rows if not row.cost_us}
    assert all(row.runner_up_loss_us is None or row.runner_up_loss_us >= -1e-9 for row in report.rows)


def test_good_bounds_save_most_measurements() -> None:
    result, costs = lazily(parse_module(CHAIN), 1.0)
    assert len(costs.jobs) < 0.6 * result.report.entries
    assert any(not row.runner_up_measured for row in result.report.rows)


def test_runners_up_that_are_bounds_are_marked() -> None:
    result, costs = lazily(parse_module(CHAIN), 1.0)
    asked = {(job.signature.partition("(")[0], job.routine) for job in costs.jobs}
    for row in result.report.rows:
        if row.runner_up and row.op != "adapt":
            assert row.runner_up_measured == ((row.op, row.runner_up) in asked)


def test_bounds_that_are_too_high_are_found_out() -> None:
    """The limits were taken on a slow day: all bounds are 50 % above the truth."""
    module = optimized(203)
    result, _ = lazily(module, 1.5)
    assert result.report.certificate is not None and result.report.certificate.trust < 1 / 1.4
    best = tune(module, FixedCosts(cost)).report.predicted_us
    assert math.isclose(result.report.predicted_us, best, rel_tol=1e-9)


def test_no_bounds_are_made_when_all_is_known() -> None:
    costs = FixedCosts(cost)
    module = parse_module(CHAIN)
    tune(module, costs)

    def bounds(entries: Entries) -> Mapping[Job, float]:
        raise AssertionError("asked for bounds")

    again = tune(module, costs, lazily=Lazily(bounds)).report
    assert again.measured == 0 and again.certificate is not None and again.certificate.saved == 0


@attrs.define
class Impatient(FixedCosts):
    """Interrupted after some measurements."""

    patience: int = 0

    def sample(
        self, jobs: Iterable[Job], limits_us: Mapping[Job, float], progress: Progress | None = None
    ) -> dict[Job, Result]:
        found = {}
        for job in jobs:
            if self.measured >= self.patience:
                raise KeyboardInterrupt
            found |= FixedCosts.sample(self, [job], limits_us)
        return found


@pytest.mark.parametrize("patience", [0, 2, 5, 8, 12, 30])
def test_an_interrupt_yields_the_best_plan_so_far(patience: int) -> None:
    module = optimized(204)
    costs = Impatient(cost)
    costs.patience = patience
    best = tune(module, FixedCosts(cost)).report.predicted_us
    how = Lazily(share_of(costs, 0.5), interruptible=True)
    report = tune(module, costs, lazily=how).report
    certificate = report.certificate
    assert certificate is not None and report.bound_us is not None
    assert report.bound_us <= best * (1 + 1e-9)
    assert report.measured == min(patience, len(costs.jobs))
    if certificate.stopped:
        assert report.status == "feasible"
    if not certificate.guessed:
        assert report.predicted_us >= best * (1 - 1e-9)
    # The same again goes on from there.
    costs.patience = 10**6
    final = tune(module, costs, lazily=how).report
    assert math.isclose(final.predicted_us, best, rel_tol=1e-9) and final.status == "optimal"


def test_interrupts_are_raised_unless_wanted() -> None:
    costs = Impatient(cost)
    costs.patience = 3
    with pytest.raises(KeyboardInterrupt):
        tune(optimized(204), costs, lazily=Lazily(share_of(costs, 0.5)))
    assert costs.measured == 3


def test_no_measurement_starts_after_the_deadline() -> None:
    result, costs = lazily(parse_module(CHAIN), deadline=time.monotonic() - 1)
    certificate = result.report.certificate
    assert certificate is not None and (certificate.stopped, certificate.guessed) == ("time", 3)
    assert not costs.jobs and "3 layers not measured" in result.report.summary()


def test_the_gap_is_told() -> None:
    module = optimized(204)
    costs = Impatient(cost)
    costs.patience = 12
    report = tune(module, costs, lazily=Lazily(share_of(costs, 0.5), interruptible=True)).report
    assert report.certificate is not None and report.certificate.stopped == "interrupt"
    if not report.certificate.guessed:
        assert "to gain" in report.summary()
