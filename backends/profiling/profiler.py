"""The profiler: answers jobs from the database, and measures the others in a worker process."""

from __future__ import annotations

import collections
import functools
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

import attrs

from plait.backends.profiling.database import ProfileDatabase
from plait.backends.profiling.freshness import Fresh
from plait.backends.profiling.job import Job, Result
from plait.backends.profiling.machine import Machine, this_machine
from plait.backends.profiling.session import Session, time_reference
from plait.backends.profiling.worker_client import WORKER, Worker, WorkerProcess

NEAR_TIE = 1.1
"""Routines within this factor of the best of their layer are measured a second time."""
HOPELESS = 3.0
"""A routine whose first runs take this many times the best known time of its layer gets no more samples."""
Progress = Callable[[int, int, Job], None]
"""(done, total, job) before each measurement: `total - done` are to come in this call, this one included. A second
look at near ties counts anew."""


class Profiler(Protocol):
    """Where costs come from."""

    @property
    def machine(self) -> Machine:
        """Whose costs they are."""
        ...

    @property
    def measured(self) -> int:
        """Number of jobs that were measured for the first time."""
        ...

    def known(self, jobs: Iterable[Job]) -> dict[Job, Result]:
        """Results that are there already."""
        ...

    def measure(self, jobs: Iterable[Job], progress: Progress | None = None) -> dict[Job, Result]:
        """A result for each job: what is not known is measured, near ties twice."""
        ...

    def sample(
        self, jobs: Iterable[Job], limits_us: Mapping[Job, float], progress: Progress | None = None
    ) -> dict[Job, Result]:
        """Measure jobs, in this order, whether or not they are known; what is known of one is joined to it.

        Args:
            limits_us: times beyond which it does not matter how long a job takes.
        """
        ...

    def run(self, job: Job) -> Result:
        """Measure a job without keeping its result."""
        ...

    def keep(self, job: Job, result: Result) -> Result:
        """Keep a result that was found in another way, joined to what is known."""
        ...

    def elsewhere(self, jobs: Iterable[Job]) -> dict[Job, float]:
        """The least microseconds that jobs took on other machines of this kind, of those that any knows."""
        ...


class WorkerProfiler:
    """Measures in a worker process, one job at a time; results go to the database at once, so that nothing is lost or
    measured twice. The worker ends with the profiler (`close`, or use as a context manager).

    Args:
        timeout_s: how long a job may take before it counts as hanging.
        command: what to start as worker on this machine; it must speak the protocol of docs/design/worker.md.
        worker: who measures instead; results are kept under its machine, and whoever gave it stops it.
        fresh: what results must be to be known; see `plait.backends.profiling.freshness`. On this machine they must at
            least be of the present environment, if theirs is known.
        session: one that is under way, begun by another profiler over this worker. Who gives one takes it back from
            `session` in the end, and ends it.
        reference: whether to time the reference jobs before and after, so that it shows how fast the machine was
            (default: where the worker is our own, on this machine).
    """

    def __init__(
        self,
        database: ProfileDatabase,
        *,
        timeout_s: float = 60.0,
        command: Sequence[str] = WORKER,
        worker: Worker | None = None,
        fresh: Fresh | None = None,
        session: Session | None = None,
        reference: bool | None = None,
    ) -> None:
        self.database = database
        self.timeout_s = timeout_s
        self.measured = 0
        self.seconds = 0.0
        """Spent on waiting for the worker, its start included."""
        self._elsewhere = worker
        self._worker: Worker = worker or WorkerProcess(command)
        self._fresh = fresh or Fresh()
        self._reference = worker is None and tuple(command) == WORKER if reference is None else reference
        self.session = session
        if session is not None:
            self.database.begin(self.machine, session)
        self._own: dict[Job, Result] = {}

    def __enter__(self) -> WorkerProfiler:
        return self

    def __exit__(self, error: object, *_: object) -> None:
        try:
            if error is None:
                self.end_session()
        finally:
            self.close()

    def close(self) -> None:
        """End the session, and the worker, if there is one and it was not given."""
        if self._elsewhere is None:
            self.session = None
            self._worker.stop()

    @property
    def machine(self) -> Machine:
        """Where it measures. A worker elsewhere is asked, one here need not be started for that."""
        return this_machine() if self._elsewhere is None else self._elsewhere.machine

    def known(self, jobs: Iterable[Job]) -> dict[Job, Result]:
        wanted = dict.fromkeys(jobs)
        found = self.database.find_all(wanted, self.machine, self.fresh)
        # What was measured just now is known, also if it failed once more.
        all_known = {j: self._own[j] for j in wanted if j in self._own} | found
        return {job: result for job, result in all_known.items() if result.answers(job)}

    @functools.cached_property
    def fresh(self) -> Fresh:
        """What results must be to be known."""
        return self._fresh if self._elsewhere is not None else fresh_on(this_machine(), self._fresh)

    def measure(self, jobs: Iterable[Job], progress: Progress | None = None) -> dict[Job, Result]:
        try:
            results = self.measure_on(jobs, progress)
            self.end_session()
            return results
        finally:
            self.close()

    def measure_on(self, jobs: Iterable[Job], progress: Progress | None = None) -> dict[Job, Result]:
        """`measure`, with more to come: neither the session ends nor the worker."""
        wanted = list(dict.fromkeys(jobs))
        results = self.known(wanted)
        missing = [j for j in wanted if j not in results]
        best = _Best()
        best.add(results)
        for done, job in enumerate(missing):
            if progress is not None:
                progress(done, len(missing), job)
            results |= self.sample([job], best.limits([job]))
            best.add({job: results[job]})
        # Some time later: what disturbed the first measurement has gone by, or the second shows it.
        near = _near_ties(missing, results)
        return results | self.sample(near, best.limits(near), progress)

    def sample(
        self, jobs: Iterable[Job], limits_us: Mapping[Job, float], progress: Progress | None = None
    ) -> dict[Job, Result]:
        wanted = list(jobs)
        before = self.known(wanted)
        if wanted:
            self._begin_session()
        found: dict[Job, Result] = {}
        for done, job in enumerate(wanted):
            if progress is not None:
                progress(done, len(wanted), job)
            found[job] = self._keep(job, self.run(job, limits_us.get(job)), before.get(job))
        return found

    def run(self, job: Job, limit_us: float | None = None) -> Result:
        limit_ns = None if limit_us is None or not math.isfinite(limit_us) else round(limit_us * 1e3)
        begin = time.perf_counter()
        try:
            return self._worker.run(job, limit_ns, self.timeout_s)
        except BaseException:
            # Interrupted: an answer may be on its way, and would be taken for that to the next job.
            self.close()
            raise
        finally:
            self.seconds += time.perf_counter() - begin

    def keep(self, job: Job, result: Result) -> Result:
        return self._keep(job, result, self.known([job]).get(job))

    def _keep(self, job: Job, result: Result, before: Result | None) -> Result:
        if before is None:
            self.measured += 1
        elif before.ok:
            result = before.joined(result)
        self.database.add(job, self.machine, result)
        self._own[job] = result
        return result

    def elsewhere(self, jobs: Iterable[Job]) -> dict[Job, float]:
        others = self.database.others(dict.fromkeys(jobs), self.machine)
        times = {job: [r.cost_us for r in results.values() if r.ok] for job, results in others.items()}
        return {job: min(found) for job, found in times.items() if found}

    def _begin_session(self) -> None:
        if self._reference and self.session is None:
            # After the reference, so that it is of the machine that answered.
            reference = time_reference(self.run)
            self.session = self.database.begin(self.machine)
            self.database.add_reference(self.session, reference)

    def end_session(self) -> None:
        """Time the reference jobs again, if anything was measured since the first time."""
        if self.session is not None:
            self.database.add_reference(self.session, time_reference(self.run))
            self.session = None


def fresh_on(machine: Machine, fresh: Fresh) -> Fresh:
    """What results of a machine must be: on this one of the present environment, if nothing else is said."""
    if machine != this_machine() or fresh.environment is not None:
        return fresh
    from plait.backends.profiling.environment import this_environment

    return attrs.evolve(fresh, environment=this_environment().fingerprint)


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
    """The best time so far of each signature, in microseconds."""

    known: dict[str, float] = attrs.field(factory=dict)

    def add(self, results: Mapping[Job, Result]) -> None:
        for job, result in results.items():
            if result.ok:
                self.known[job.signature] = min(result.cost_us, self.known.get(job.signature, math.inf))

    def limits(self, jobs: Iterable[Job]) -> dict[Job, float]:
        return {j: HOPELESS * self.known[j.signature] for j in jobs if j.signature in self.known}
