"""A limit on errors: routines beyond it are not chosen, whatever they take."""

from __future__ import annotations

import attrs
import pytest

from plait.backends.null import FixedCosts
from plait.backends.profiling.job import Job, Result
from plait.ir.text.parser import parse_module
from plait.tuning import Tuned, tune
from plait.tuning.api import TuneOptions
from plait.tuning.select import Lazily

RELU = "ir 1\nnet @main(%x: f32[1x32x4x4] nchw) -> (%y: f32[1x32x4x4] nchw) {\n  %y = relu(%x)\n}\n"
COSTS = {"*": 50.0, "cpu/*/*/reference": 900.0, "adapt *": 4.0, "relu cpu:nhwc": 10.0}


@attrs.define
class Rough(FixedCosts):
    """The routine in nhwc is the fastest one, and rough."""

    def run(self, job: Job) -> Result:
        error = (1e-3 if "nhwc" in job.routine else 1e-6) if job.check else None
        return attrs.evolve(FixedCosts.run(self, job), error=error)


def tuned(max_error: float | None, lazily: bool) -> Tuned:
    how = Lazily(lambda entries: dict.fromkeys(entries.jobs(), 1.0)) if lazily else None
    return tune(parse_module(RELU), Rough(COSTS), lazily=how, max_error=max_error)


@pytest.mark.parametrize("lazily", [False, True])
def test_routines_beyond_the_limit_are_not_chosen(lazily: bool) -> None:
    for max_error in (None, 1e-3):
        assert "cpu/f32/nhwc/vector" in [row.routine for row in tuned(max_error, lazily).report.rows]
    report = tuned(1e-4, lazily).report
    assert [row.routine for row in report.rows] == ["cpu/f32/nchw/vector"] and report.status == "optimal"
    assert report.failures == (
        "cpu/f32/nhwc/vector on relu(x f32[1x32x4x4]) : f32[1x32x4x4]: inaccurate its error is 0.001, above 0.0001",
    )


def test_conversions_are_not_judged() -> None:
    costs = Rough(COSTS)
    tune(parse_module(RELU), costs, max_error=1.0)
    assert {job.signature.partition("(")[0]: job.check for job in costs.jobs} == {"relu": True, "adapt": False}


def test_networks_in_place_have_no_errors_of_routines() -> None:
    with pytest.raises(ValueError, match="in_place"):
        TuneOptions("in_place", max_error=1e-3)
    with pytest.raises(ValueError):
        TuneOptions(max_error=-1.0)
