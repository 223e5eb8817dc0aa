"""Errors of routines: what they are, and that they come with a measurement where they are wanted."""

from __future__ import annotations

import math
from pathlib import Path

import attrs
import numpy as np
import pytest

from plait.backends.profiling.accuracy import difference, error_of
from plait.backends.profiling.database import ProfileDatabase
from plait.backends.profiling.job import Job, Result
from plait.backends.profiling.machine import this_machine
from plait.backends.profiling.measure import measure
from plait.backends.profiling.profiler import WorkerProfiler


def conv(routine: str, layout: str) -> Job:
    module = f"""ir 1
weights "" {{
  @w : f32[16x16x3x3]
}}
net @main(%x: f32[1x16x12x12] {layout}) -> (%y: f32[1x16x12x12] {layout}) {{
  %y = conv2d(%x, @w) {{pad = [1, 1, 1, 1]}} : f32[1x16x12x12] {layout} via cpu/f32/{layout}/{routine}
}}
"""
    return Job("conv", f"cpu/f32/{layout}/{routine}", "1", 1, module, check=True)


def test_the_reference_has_no_error_and_kernels_a_small_one() -> None:
    assert error_of(attrs.evolve(conv("gemm", "nhwc"), module=conv("gemm", "nhwc").module)) < 1e-6
    reference = conv("gemm", "nchw").module.replace("cpu/f32/nchw/gemm", "cpu/any/nchw/reference")
    assert error_of(attrs.evolve(conv("gemm", "nchw"), module=reference)) == 0.0


def test_layouts_with_padding_are_compared_as_tensors() -> None:
    text = "ir 1\nnet @main(%x: f32[1x5x3x3] nchw16c) -> (%y: f32[1x5x3x3] nchw16c) {\n  %y = relu(%x) : f32[1x5x3x3] nchw16c via cpu/f32/nchw16c/vector\n}\n"  # noqa: E501
    assert error_of(Job("relu", "cpu/f32/nchw16c/vector", "1", 1, text)) == 0.0


@pytest.mark.parametrize(
    "actual, wanted, error, largest",
    [
        ([3.0, 4.0], [3.0, 4.0], 0.0, 0.0),
        ([3.0, 4.5], [3.0, 4.0], 0.1, 0.5),
        ([math.nan, 1.0], [math.nan, 1.0], 0.0, 0.0),
        ([math.inf, 5.0], [math.inf, 4.0], 0.25, 1.0),
        ([math.nan, 1.0], [1.0, 1.0], math.inf, math.inf),
        ([1.0, 1.0], [0.0, 0.0], math.inf, 1.0),
        ([1.0], [1.0, 1.0], math.inf, math.inf),
    ],
)
def test_difference(actual: list[float], wanted: list[float], error: float, largest: float) -> None:
    assert difference(np.array(actual), np.array(wanted)) == pytest.approx((error, largest))


def test_errors_come_with_measurements_that_want_them() -> None:
    job = conv("gemm", "nhwc")
    checked, plain = measure(job), measure(attrs.evolve(job, check=False))
    assert checked.ok and checked.error == error_of(job) > 0 and plain.error is None
    assert Result.from_json(checked.to_json()) == checked
    assert not plain.answers(job) and checked.answers(job) and plain.answers(attrs.evolve(job, check=False))
    assert Result("crashed").answers(job)
    assert plain.joined(checked).error == checked.joined(plain).error == checked.error


class Measured:
    """A worker with fixed results."""

    machine = this_machine()

    def run(self, job: Job, limit_ns: int | None, timeout_s: float) -> Result:
        return Result("ok", (1000,) * 10, error=0.125 if job.check else None)

    def stop(self) -> None: ...

    def interrupt(self) -> None: ...

    def resume(self) -> None: ...


def test_what_is_known_without_its_error_is_measured_again(tmp_path: Path) -> None:
    checked = conv("gemm", "nhwc")
    plain = attrs.evolve(checked, check=False)
    with ProfileDatabase(tmp_path / "db.sqlite") as database:
        profiler = WorkerProfiler(database, worker=Measured())
        profiler.measure([plain])
        again = WorkerProfiler(database, worker=Measured())
        assert plain in again.known([plain]) and not again.known([checked])
        assert again.measure([checked])[checked].error == 0.125
        assert [row.error for row in database.rows()] == [None, 0.125]
        # It stays known, also when it is sampled without.
        again.sample([plain], {})
        assert WorkerProfiler(database, worker=Measured()).known([checked])[checked].error == 0.125
