"""Measuring in place: every entry gets times from plans of the network, and they are those of its own layers."""

from __future__ import annotations

import math
import zlib
from pathlib import Path

import attrs
import pytest

from plait.backends.null import FixedCosts
from plait.backends.null.costs import hashed_cost
from plait.backends.profiling.database import ProfileDatabase
from plait.backends.profiling.job import Job, Result
from plait.backends.profiling.profiler import WorkerProfiler
from plait.frontends.onnx import import_onnx
from plait.ir.module import Module
from plait.ir.text.parser import parse_module
from plait.passes.manager import PassManager
from plait.passes.pipeline import Pipeline
from plait.testing.random_models import random_model
from plait.tuning import tune
from plait.tuning.entries import Entries
from plait.tuning.select import Lazily

CHAIN = """ir 1
net @main(%x: f32[1x32x4x4] nchw) -> (%y: f32[1x32x4x4] nchw) {
  %a = relu(%x)
  %b = sigmoid(%a)
  %y = tanh(%b)
}
"""


def time_of(op: str, via: str | None) -> int:
    """Nanoseconds of a layer: the same wherever it stands."""
    return 1000 + zlib.crc32(f"{op} {via}".encode()) % 100_000 * (100 if "reference" in (via or "") else 1)


@attrs.define(eq=False)
class Networks(FixedCosts):
    """Knows what each layer of a network takes."""

    runs: int = 0
    alone: int = 0
    kept: dict[Job, Result] = attrs.field(factory=dict)

    def known(self, jobs: object) -> dict[Job, Result]:
        return {job: self.kept[job] for job in jobs if job in self.kept}  # type: ignore[attr-defined]

    def run(self, job: Job) -> Result:
        assert (job.state, job.signature) == ("in_place", "")
        self.runs += 1
        layers = list(parse_module(job.module, check=False).main)
        # Two runs; the second takes 10 ns longer everywhere.
        return Result("ok", tuple(time_of(x.op, x.via) + extra for extra in (0, 10) for x in layers))

    def keep(self, job: Job, result: Result) -> Result:
        if job not in self.kept:
            self.measured += 1
        self.kept[job] = self.kept[job].joined(result) if job in self.kept else result
        return self.kept[job]

    def sample(self, jobs: object, limits_us: object, progress: object = None) -> dict[Job, Result]:
        found = {}
        for job in jobs:  # type: ignore[attr-defined]
            ns = time_of(job.signature.partition("(")[0], job.routine)
            found[job] = self.keep(job, Result("ok", (ns, ns + 10)))
            self.alone += 1
        return found


def optimized(seed: int) -> Module:
    module = import_onnx(random_model(seed)).module
    PassManager(Pipeline.parse("default")).run(module)
    return module


@pytest.mark.parametrize("module", [parse_module(CHAIN), optimized(204), optimized(207)])
def test_every_entry_gets_the_times_of_its_layers(module: Module) -> None:
    profiler = Networks()
    report = tune(module, profiler, state="in_place").report
    assert report.measured == len(profiler.kept) == report.entries > profiler.runs
    # Conversions that only lead astray are in no plan.
    assert profiler.alone < report.entries / 3
    for job, result in profiler.kept.items():
        assert job.state == "in_place"
        if "moves" not in job.routine and job.signature.partition("(")[0] in ("relu", "sigmoid", "tanh", "adapt"):
            times = {time_of(job.signature.partition("(")[0], job.routine) + extra for extra in (0, 10)}
            assert set(result.samples) == times
    assert all(math.isclose(r.cost_us, time_of(r.op, r.routine) / 1e3, abs_tol=0.02) for r in report.rows if r.cost_us)


def test_only_what_decides_is_run() -> None:
    profiler = Networks()

    def bounds(entries: Entries) -> dict[Job, float]:
        kinds = {job: job.signature.partition("(")[0] for job in entries.jobs()}
        return {job: 0.9 * time_of(kind, job.routine) / 1e3 for job, kind in kinds.items()}

    everything = tune(parse_module(CHAIN), Networks(), state="in_place").report
    report = tune(parse_module(CHAIN), profiler, state="in_place", lazily=Lazily(bounds)).report
    assert math.isclose(report.predicted_us, everything.predicted_us, abs_tol=0.1)
    assert report.status == "optimal" and report.measured < report.entries


def test_networks_that_fail_leave_entries_to_be_measured_alone() -> None:
    @attrs.define(eq=False)
    class Broken(FixedCosts):
        def run(self, job: Job) -> Result:
            if not job.signature:
                return Result("crashed", (), "the worker ended with SIGSEGV")
            return Result("ok", (round(hashed_cost(job) * 1e3),))

    report = tune(parse_module(CHAIN), Broken(), state="in_place").report
    assert report.measured == report.entries


@pytest.mark.parametrize("threads", [1, 2])
def test_for_real(tmp_path: Path, threads: int) -> None:
    with ProfileDatabase(tmp_path / "db") as database, WorkerProfiler(database, reference=False) as profiler:
        report = tune(parse_module(CHAIN), profiler, state="in_place", threads=threads).report
        assert report.measured == report.entries and not report.failures
        again = tune(parse_module(CHAIN), profiler, state="in_place", threads=threads).report
        assert again.measured == 0 and again.predicted_us == report.predicted_us
