"""What is told of the time to go, on a clock that only measurements move."""

from __future__ import annotations

import itertools
import random

import attrs
import pytest

from plait.backends.null import FixedCosts
from plait.backends.null.costs import hashed_cost
from plait.backends.profiling.job import Job, Result
from plait.frontends.onnx import import_onnx
from plait.ir.module import Module
from plait.passes.manager import PassManager
from plait.passes.pipeline import Pipeline
from plait.testing.random_models import random_model
from plait.tuning import tune
from plait.tuning.forecast import Forecast
from plait.tuning.lazy import Standing
from plait.tuning.race import Turns
from plait.tuning.select import Lazily

JOB = Job("relu", "cpu/f32/nchw/vector", "1", 1, "")


@attrs.define
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@attrs.define(eq=False)
class Slow(FixedCosts):
    """Fixed costs, each of which takes 10 to 30 ms of its clock to find."""

    clock: Clock = attrs.field(factory=Clock)
    rng: random.Random = attrs.field(factory=lambda: random.Random(1))

    def run(self, job: Job) -> Result:
        self.clock.now += self.rng.uniform(0.01, 0.03)
        return FixedCosts.run(self, job)


def cost(job: Job) -> float:
    return 2000.0 if "/reference" in job.routine else hashed_cost(job)


def optimized(seed: int) -> Module:
    module = import_onnx(random_model(seed)).module
    PassManager(Pipeline.parse("default")).run(module)
    return module


@attrs.frozen
class Moment:
    """The beginning of a measurement."""

    done: int
    total: int
    time: float
    seconds: float | None
    at_most: bool


def followed(seed: int, share: float | None) -> tuple[list[Moment], float]:
    """Tune with bounds that are so far below the truth (None: measure everything); the end comes second."""
    costs = Slow(cost)
    forecast, moments = Forecast(costs.clock), list[Moment]()

    def progress(done: int, total: int, job: Job) -> None:
        forecast(done, total, job)
        moments.append(Moment(done, total, costs.clock.now, forecast.seconds, forecast.at_most))

    lazily = share and Lazily(lambda e: {j: share * cost(j) for j in e.jobs()}, watch=forecast.watch)
    tune(optimized(seed), costs, lazily=lazily or None, race=Turns(3), progress=progress)
    return moments, costs.clock.now


@pytest.mark.parametrize("seed", range(200, 206))
@pytest.mark.parametrize("share", [0.3, 0.7, None])
def test_the_time_to_go_is_told_within_a_factor(seed: int, share: float | None) -> None:
    moments, end = followed(seed, share)
    told = [m for m in moments if m.seconds is not None]
    assert len(told) == len(moments) - 4
    for moment in told:
        # A few seconds more or less are no lie on a long wait, nor a few measurements on a short one.
        truth, slack = end - moment.time, 0.2 * end
        assert truth / 3 - slack <= moment.seconds
        assert moment.at_most or moment.seconds <= 3 * truth + slack


@pytest.mark.parametrize("share", [0.3, None])
def test_measurements_are_counted_through_all_stages(share: float | None) -> None:
    moments, _ = followed(204, share)
    assert [m.done for m in moments] == list(range(len(moments)))
    assert all(m.total > m.done for m in moments)
    assert moments[-1].total == len(moments)
    if share:
        assert all(a.total <= b.total for a, b in itertools.pairwise(moments))


def test_the_pace_is_that_of_the_last_measurements() -> None:
    clock = Clock()
    forecast = Forecast(clock)
    for done in range(4):
        forecast(done, 200, JOB)
        # The worker starts in the first one.
        clock.now += 1.0 if done else 60.0
    assert forecast.seconds is None
    for done in range(4, 200):
        forecast(done, 200, JOB)
        assert done > 100 or forecast.seconds == pytest.approx(200 - done)
        clock.now += 1.0 if done < 100 else 2.0
    assert forecast.left == 1 and forecast.seconds == pytest.approx(2.0)


def test_what_is_left_is_between_what_is_sure_and_what_may_come() -> None:
    forecast = Forecast(Clock())
    assert forecast.seconds is None and forecast.left == 0
    forecast.watch(Standing(1, 0, float("inf"), 10.0, wanted=20, open=200))
    assert 200 <= forecast.left <= 220
    assert forecast.at_most
    forecast.watch(Standing(2, 20, 50.0, 20.0, wanted=60, open=100))
    assert 60 < forecast.left <= 100 and not forecast.at_most
    forecast(20, 80, JOB)
    before = forecast.left
    forecast(30, 80, JOB)
    assert forecast.left == before - 10
    forecast.watch(Standing(3, 80, 25.0, 25.0))
    assert forecast.left == 0
