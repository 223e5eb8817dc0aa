"""`FixedCosts`: a profiler whose costs come from a table or a formula."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence

import attrs

from plait.backends.descriptor import RoutinePath, RoutinePattern
from plait.backends.profiling.job import Job, Result
from plait.backends.profiling.machine import Machine, this_machine
from plait.backends.profiling.profiler import Progress

Costs = Mapping[str, float | None] | Callable[[Job], float | None]


@attrs.define(eq=False)
class FixedCosts:
    """A `Profiler` that measures nothing: the same job has always the same cost.

        FixedCosts({"cpu/f32/nchw16c/direct": 10, "conv2d cpu:nchw/gemm": 30, "adapt *": 4}, default=100)
        FixedCosts(lambda job: 5.0 if job.routine.endswith("/reference") else 1.0)
        FixedCosts()  # numbers that look random, and differ between layers, routines, variants and numbers of threads

    Args:
        costs: a function of the job; or a table from patterns (see `plait.backends.descriptor`), each optionally after
            a kind of layer, to microseconds, the last that matches deciding. None for a cost stands for a measurement
            that failed.
        default: microseconds where nothing in the table matches; None: computed from a hash of the job, from 1 to 1000.

    Microseconds are rounded to nanoseconds, as real samples are.
    """

    costs: Costs = attrs.field(factory=dict)
    default: float | None = None
    measured: int = attrs.field(default=0, init=False)
    """How many jobs were asked for, each once, like `WorkerProfiler.measured`."""
    jobs: list[Job] = attrs.field(factory=list, init=False)
    """Every job that was asked for, in order, each once."""

    @property
    def machine(self) -> Machine:
        """This one, as far as names go."""
        return this_machine()

    def known(self, jobs: Iterable[Job]) -> dict[Job, Result]:
        """Results of jobs that were measured before."""
        return {job: self.run(job) for job in jobs if job in self.jobs}

    def measure(self, jobs: Iterable[Job], progress: Progress | None = None) -> dict[Job, Result]:
        """A result for each job, with a single sample."""
        wanted = list(dict.fromkeys(jobs))
        results = {}
        for done, job in enumerate(wanted):
            if progress is not None:
                progress(done, len(wanted), job)
            results[job] = self.run(job)
            if job not in self.jobs:
                self.measured += 1
                self.jobs.append(job)
        return results

    def sample(
        self, jobs: Iterable[Job], limits_us: Mapping[Job, float], progress: Progress | None = None
    ) -> dict[Job, Result]:
        """The same result again: measuring costs nothing and has no noise."""
        return self.measure(jobs, progress)

    def run(self, job: Job) -> Result:
        """The result of a job, which is not counted."""
        cost = self.cost(job)
        return Result("failed", (), "no cost in the table") if cost is None else Result("ok", (round(cost * 1e3),))

    def cost(self, job: Job) -> float | None:
        """Microseconds of a job, or None if it is to fail."""
        if callable(self.costs):
            return self.costs(job)
        kind, path = job.signature.partition("(")[0], RoutinePath.parse(job.routine)
        found: Sequence[float | None] = [c for text, c in self.costs.items() if _matches(text, kind, path)]
        if found:
            return found[-1]
        return self.default if self.default is not None else hashed_cost(job)

    def keep(self, job: Job, result: Result) -> Result:
        """Counted as measured; what it costs is fixed."""
        return self.measure([job])[job]

    def elsewhere(self, jobs: Iterable[Job]) -> dict[Job, float]:
        """There are no other machines."""
        return {}


def hashed_cost(job: Job) -> float:
    """A cost between 1 and 1000 µs that depends on everything that identifies a job but the version of its routine."""
    key = "\0".join((job.signature, job.routine, str(job.threads), job.state))
    return 1 + int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "little") % 999_000 / 1e3


def _matches(text: str, kind: str, path: RoutinePath) -> bool:
    wanted, _, pattern = text.rpartition(" ")
    return wanted in ("", kind) and RoutinePattern.parse(pattern).matches(path)
