"""What is known of the entries of a function: results, bounds, and how to learn more."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence

import attrs

from plait.backends.profiling.job import Job, Result
from plait.backends.profiling.profiler import Profiler, Progress
from plait.tuning.lazy import OutOfTime

LEAST_NOISE = 0.02
"""Share of a time that may be off even where samples agree: a machine is not the same at all hours."""
_MARGIN = 0.95


@attrs.define(eq=False)
class Ledger:
    """An `Oracle` over a profiler. Entries are numbers of jobs.

    Args:
        jobs: the job of each entry.
        raw: lower bounds in microseconds.
        results: what is known already.
        deadline: of `time.monotonic`; no measurement starts after it.
    """

    jobs: Sequence[Job]
    profiler: Profiler
    raw: Sequence[float]
    progress: Progress | None = None
    deadline: float = math.inf
    results: dict[Job, Result] = attrs.field(factory=dict)
    trust: float = 1.0
    """What bounds are multiplied by: less than 1 once a measurement was below its bound."""
    done: int = 0
    numbers: dict[Job, int] = attrs.field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        self.numbers = {job: i for i, job in enumerate(self.jobs)}
        for job, result in list(self.results.items()):
            self._learn(job, result)

    def bounds(self) -> Sequence[float]:
        return [self.trust * b for b in self.raw]

    def costs(self) -> Mapping[int, float]:
        return {self.numbers[job]: r.cost_us if r.ok else math.inf for job, r in self.results.items()}

    def noise(self, entry: int) -> float:
        result = self.results[self.jobs[entry]]
        if not result.ok:
            return 0.0
        return max(2 * result.spread_us / math.sqrt(len(result.samples)), LEAST_NOISE * result.cost_us)

    def measure(self, entries: Sequence[int], limits_us: Mapping[int, float]) -> None:
        jobs = [self.jobs[entry] for entry in entries]
        limits = {self.jobs[entry]: limit for entry, limit in limits_us.items()}

        def step(done: int, total: int, job: Job) -> None:
            self.check_time()
            if self.progress is not None:
                self.progress(self.done + done, self.done + total, job)

        try:
            found = self.profiler.sample(jobs, limits, step)
        except (OutOfTime, KeyboardInterrupt):
            for job, result in self.profiler.known(jobs).items():
                self._learn(job, result)
            raise
        for job, result in found.items():
            self._learn(job, result)
        self.done += len(jobs)

    def check_time(self) -> None:
        """Raise OutOfTime after the deadline."""
        if time.monotonic() > self.deadline:
            raise OutOfTime

    def report_progress(self, entry: int, left: int) -> None:
        """Tell that an entry is measured now, and how many are to follow at least, itself included."""
        if self.progress is not None:
            self.progress(self.done, self.done + left, self.jobs[entry])

    def keep(self, job: Job, result: Result) -> None:
        """A result from elsewhere, joined to what is known."""
        self._learn(job, self.profiler.keep(job, result))
        self.done += 1

    def bound_of(self) -> dict[Job, float]:
        """The bounds of jobs that are not measured."""
        return {job: bound for job, bound in zip(self.jobs, self.bounds(), strict=True) if job not in self.results}

    def _learn(self, job: Job, result: Result) -> None:
        self.results[job] = result
        bound = self.raw[self.numbers[job]]
        if result.ok and result.cost_us < self.trust * bound:
            # The limits were taken when the machine was slower than it is: all that follows from them is too high.
            self.trust = _MARGIN * result.cost_us / bound
