"""The profiler: answers jobs from the database, and measures the others in a worker process."""

from __future__ import annotations

import collections
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import attrs

from plait.backends.profiling.database import ProfileDatabase
from plait.backends.profiling.job import Job, Result
from plait.backends.profiling.machine import this_machine
from plait.backends.profiling.worker_client import WORKER, WorkerProcess

NEAR_TIE = 1.1
"""Routines within this factor of the best of their layer are measured a second time."""
Progress = Callable[[int, int, Job], None]
"""(done, total, job) before each measurement."""


class Profiler(Protocol):
    """Where costs come from."""

    def measure(self, jobs: Iterable[Job], progress: Progress | None = None) -> dict[Job, Result]:
        """A result for each job."""
        ...


class WorkerProfiler:
    """Measures in a worker process, one job at a time; results go to the database at once, so that nothing is lost or
    measured twice.

    Args:
        timeout_s: how long a job may take before it counts as hanging.
        command: what to start as worker; it must speak the protocol of `plait.backends.profiling.worker`.
    """

    def __init__(self, database: ProfileDatabase, *, timeout_s: float = 60.0, command: Sequence[str] = WORKER) -> None:
        self.database = database
        self.timeout_s = timeout_s
        self.command = tuple(command)
        self.measured = 0

    def measure(self, jobs: Iterable[Job], progress: Progress | None = None) -> dict[Job, Result]:
        wanted = list(dict.fromkeys(jobs))
        results = self.database.find_all(wanted, this_machine())
        missing = [j for j in wanted if j not in results]
        best = _Best(results)
        with WorkerProcess(self.command) as worker:
            for done, job in enumerate(missing):
                if progress is not None:
                    progress(done, len(missing), job)
                result = worker.run(job, best.of(job.signature), self.timeout_s)
                self.database.add(job, this_machine(), result)
                self.measured += 1
                results[job] = result
                best.add(job.signature, result)
            for job in _near_ties(missing, results):
                # Some time later: what disturbed the first measurement has gone by, or the second shows it.
                again = worker.run(job, best.of(job.signature), self.timeout_s)
                if again.ok:
                    results[job] = Result("ok", results[job].samples + again.samples)
                    self.database.add(job, this_machine(), results[job])
        return results


def _near_ties(jobs: Sequence[Job], results: dict[Job, Result]) -> list[Job]:
    """Jobs whose routine takes at most `NEAR_TIE` times as long as the best of its layer, where there are several."""
    best: dict[str, float] = {}
    for job in jobs:
        if results[job].ok:
            best[job.signature] = min(results[job].cost_us, best.get(job.signature, math.inf))
    near = [j for j in jobs if results[j].ok and results[j].cost_us <= NEAR_TIE * best[j.signature]]
    counts = collections.Counter(j.signature for j in near)
    return [j for j in near if counts[j.signature] > 1]


@attrs.define
class _Best:
    """The best time so far of each signature, in ns."""

    results: dict[Job, Result]
    known: dict[str, int] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        for job, result in self.results.items():
            self.add(job.signature, result)

    def add(self, signature: str, result: Result) -> None:
        if result.ok:
            self.known[signature] = min(int(result.cost_us * 1e3), self.known.get(signature, sys.maxsize))

    def of(self, signature: str) -> int | None:
        return self.known.get(signature)
