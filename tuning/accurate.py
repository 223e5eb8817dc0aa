"""Routines that are too far from the reference are taken for ones that fail: they cannot be chosen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from plait.backends.profiling.job import Job, Result
from plait.backends.profiling.machine import Machine
from plait.backends.profiling.profiler import Profiler, Progress

INACCURATE = "inaccurate"


@attrs.frozen
class Accurate:
    """A profiler whose results are those of another, but for routines of a larger error. The database keeps them as
    they are.

    Args:
        most: the largest error, as `Result.error` defines it. Jobs ask for it by `check`; others are not judged.
    """

    profiler: Profiler
    most: float

    @property
    def machine(self) -> Machine:
        return self.profiler.machine

    @property
    def measured(self) -> int:
        return self.profiler.measured

    def known(self, jobs: Iterable[Job]) -> dict[Job, Result]:
        return self._judged(self.profiler.known(jobs))

    def measure(self, jobs: Iterable[Job], progress: Progress | None = None) -> dict[Job, Result]:
        return self._judged(self.profiler.measure(jobs, progress))

    def sample(
        self, jobs: Iterable[Job], limits_us: Mapping[Job, float], progress: Progress | None = None
    ) -> dict[Job, Result]:
        return self._judged(self.profiler.sample(jobs, limits_us, progress))

    def run(self, job: Job) -> Result:
        return self.profiler.run(job)

    def keep(self, job: Job, result: Result) -> Result:
        return self._judge(self.profiler.keep(job, result))

    def elsewhere(self, jobs: Iterable[Job]) -> dict[Job, float]:
        return self.profiler.elsewhere(jobs)

    def _judged(self, results: Mapping[Job, Result]) -> dict[Job, Result]:
        return {job: self._judge(result) for job, result in results.items()}

    def _judge(self, result: Result) -> Result:
        if not result.ok or result.error is None or result.error <= self.most:
            return result
        return Result(INACCURATE, (), f"its error is {result.error:.2g}, above {self.most:.2g}", result.error)
