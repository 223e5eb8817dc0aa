"""The best plans take turns: who takes part, who wins, and what the report says."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Mapping

import attrs
import pytest

from plait.backends.null import FixedCosts
from plait.backends.profiling import measure as measuring
from plait.backends.profiling.job import Job, Result
from plait.backends.profiling.measure import measure
from plait.backends.profiling.profiler import Progress
from plait.backends.program import Program
from plait.ir.text.parser import parse_module
from plait.tuning import Tuned, TuningReport, tune
from plait.tuning.race import Turns, _clearly_faster

RELU = "ir 1\nnet @main(%x: f32[1x32x4x4] nchw) -> (%y: f32[1x32x4x4] nchw) {\n  %y = relu(%x)\n}\n"
CONV = """ir 1
weights "w.safetensors" {{
  @w : f32[16x16x3x3]
}}
net @main(%x: f32[1x16x4x4]) -> (%y: f32[1x16x2x2]) {{
  %y = conv2d(%x, @w) {{act = {act}}} : f32[1x16x2x2] via cpu/f32/nchw/gemm
}}
"""
COSTS = {
    "*": 1000.0,
    "adapt *": 0.5,
    "relu cpu:nchw/vector": 100.0,
    "relu cpu:nhwc": 100.0,
    "relu cpu:nchw16c": 110.0,
}
"""Plans in nchw and nhwc are as good as predictions can tell: 100 and 101; the next takes 111."""


@attrs.define(eq=False)
class Whole(FixedCosts):
    """Plans take what a function of their text says, in microseconds; what they took before is known."""

    times: Callable[[str], float] = lambda text: 50.0
    raced: list[Job] = attrs.field(factory=list)
    patience: int = 1000

    def known(self, jobs: Iterable[Job]) -> dict[Job, Result]:
        return {job: self.run(job) for job in jobs if job in self.jobs}

    def sample(
        self, jobs: Iterable[Job], limits_us: Mapping[Job, float], progress: Progress | None = None
    ) -> dict[Job, Result]:
        jobs = list(jobs)
        for job in jobs:
            if len(self.raced) >= self.patience:
                raise KeyboardInterrupt
            self.raced.append(job)
            self.jobs.append(job)
        return {job: self.run(job) for job in jobs}

    def run(self, job: Job) -> Result:
        if job.state != "whole":
            return FixedCosts.run(self, job)
        taken = self.times(job.module)
        return Result("ok", (round(1000 * taken),) * 3) if taken else Result("crashed", (), "SIGSEGV")


def raced(times: Callable[[str], float], most: int = 3, **how: object) -> tuple[Tuned, Whole]:
    profiler = Whole(COSTS)
    profiler.times = times
    turns = {"most": most, "interruptible": True, **how}
    profiler.patience = turns.pop("patience", 1000)  # type: ignore[assignment]
    return tune(parse_module(RELU), profiler, race=Turns(**turns)), profiler  # type: ignore[arg-type]


def test_plans_that_are_too_close_to_tell_take_turns() -> None:
    result, profiler = raced(lambda text: 40.0 if "nhwc" in text else 50.0)
    report = result.report
    assert [(r.predicted_us, r.measured_us, r.layers, r.won) for r in report.race] == [
        (100.0, 50.0, 0, False),
        (101.0, 40.0, 1, True),
    ]
    assert (report.predicted_us, report.measured_us, report.status, report.bound_us) == (101.0, 40.0, "feasible", 100.0)
    assert report.adapts == 2 and [row.op for row in report.rows] == ["adapt", "relu", "adapt"]
    # In turns: no plan is measured twice in a row.
    assert all(a != b for a, b in zip(profiler.raced, profiler.raced[1:], strict=False)) and len(profiler.raced) == 10
    assert TuningReport.from_json(report.to_json()) == report
    Program(result.module)


@pytest.mark.parametrize("other", [49.9, 50.0, 60.0])
def test_the_predicted_best_is_kept_unless_another_is_clearly_faster(other: float) -> None:
    report = raced(lambda text: other if "nhwc" in text else 50.0)[0].report
    assert [r.won for r in report.race] == [True, False]
    assert (report.predicted_us, report.measured_us, report.status) == (100.0, 50.0, "optimal")
    assert report.rows[0].runner_up


def test_turns_that_were_disturbed_do_not_decide() -> None:
    nhwc = [40_000] * 9
    quiet, disturbed = [40_000] * 3, [60_000] * 6
    assert not _clearly_faster(Result("ok", tuple(nhwc)), Result("ok", tuple(quiet + disturbed)))
    assert _clearly_faster(Result("ok", tuple(nhwc)), Result("ok", (41_000,) * 3 + tuple(disturbed)))
    assert not _clearly_faster(Result("ok", (39_900,)), Result("ok", (40_000,)))


def test_a_plan_alone_is_timed_as_well() -> None:
    report = raced(lambda text: 50.0, most=1)[0].report
    assert (report.measured_us, len(report.race), report.summary().partition(", 0 adapts")[0]) == (
        50.0,
        1,
        "predicted 0.100 ms (proven optimal), measured 50.00 µs (-50.0%)",
    )


def test_a_plan_that_won_against_its_prediction_says_so() -> None:
    report = raced(lambda text: 40.0 if "nhwc" in text else 50.0)[0].report
    assert "(fastest when run, while 0.100 ms is the proven optimum of predictions)" in report.summary()


def test_what_plans_took_is_known_the_next_time() -> None:
    _, profiler = raced(lambda text: 50.0)
    count = len(profiler.raced)
    again = tune(parse_module(RELU), profiler, race=Turns(3)).report
    assert len(profiler.raced) == count and again.measured_us == 50.0


def test_plans_that_fail_decide_nothing() -> None:
    report = raced(lambda text: 0.0)[0].report
    assert (report.race, report.measured_us, report.status) == ((), None, "optimal")


def test_no_turn_starts_after_the_deadline() -> None:
    result, profiler = raced(lambda text: 50.0, deadline=time.monotonic() - 1)
    assert not profiler.raced and result.report.measured_us is None


def test_an_interrupt_ends_the_race() -> None:
    report = raced(lambda text: 40.0 if "nhwc" in text else 50.0, patience=1)[0].report
    assert report.interrupted and report.race == () and report.status == "optimal"
    with pytest.raises(KeyboardInterrupt):
        raced(lambda text: 50.0, patience=1, interruptible=False)


def test_whole_plans_for_real() -> None:
    text = RELU.replace("relu(%x)", "relu(%x) : f32[1x32x4x4] nchw via cpu/f32/nchw/vector")
    result = measure(Job("plan", "plan", "1", 1, text, "whole"))
    assert result.ok and 3 <= len(result.samples) <= 20


def test_plans_have_their_weights_in_common_until_something_else_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    plans = [CONV.format(act=act) for act in ("relu", "none")]
    made: list[str] = []
    weights = measuring.weights_of
    monkeypatch.setattr(measuring, "_weights_of_plans", functools.cache(lambda *a: made.append("w") or weights(*a)))
    for text in plans:
        assert measure(Job("plan", text, "1", 1, text, "whole")).ok
    assert len(made) == 1 and len(measuring._packed_for_plans) == 1
    text = RELU.replace("relu(%x)", "relu(%x) : f32[1x32x4x4] nchw via cpu/f32/nchw/vector")
    assert measure(Job("relu", "relu", "1", 1, text, "hot")).ok
    assert not measuring._packed_for_plans and measuring._weights_of_plans.cache_info().currsize == 0
