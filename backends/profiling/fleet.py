"""A profiler over several workers, here and elsewhere; see docs/how-to/measure-on-a-fleet.md."""

from __future__ import annotations

import contextlib
import functools
import shlex
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import attrs

from plait.backends.errors import WorkerError
from plait.backends.profiling.database import ProfileDatabase
from plait.backends.profiling.fleet_leases import Group, Leases, compared, grouped
from plait.backends.profiling.fleet_workers import Doubting
from plait.backends.profiling.freshness import Fresh
from plait.backends.profiling.job import Job, Result
from plait.backends.profiling.machine import Machine, this_machine
from plait.backends.profiling.profiler import Progress, WorkerProfiler, fresh_on
from plait.backends.profiling.session import Session, time_reference
from plait.backends.profiling.worker_client import Worker, WorkerProcess
from plait.ir.diagnostics import Diagnostic

_STRIKES = 2
"""A worker that fails so many times in a row is no longer asked."""

_STEP_S = 0.2

_T = TypeVar("_T")
Work = Callable[[WorkerProfiler, tuple[Job, ...], Progress], dict[Job, Result]]
"""How a worker measures a group."""


@attrs.define(eq=False)
class _Seat:
    """A worker of the fleet."""

    worker: Worker
    machine: Machine
    """As it was when the worker greeted."""
    strikes: int = 0
    lost: WorkerError | None = None
    session: Session | None = None


class FleetProfiler:
    """A `Profiler` that spreads jobs over workers. Those of one class of machines share the work: what one of its
    machines has measured is known, and the routines of a layer are measured by one machine. Results go to the database
    at once, each under the machine that took it.

    Close it, or use it as a context manager.

    Args:
        workers: such as `WorkerProcess(["ssh", "board", "plait", "worker"])` or `ExecutorWorker(executor)`; each has
            one job at a time.
        timeout_s: how long a job may take before it counts as hanging.
        kind: the class of machines (`Machine.kind`, or its first characters) that results are wanted for. Default: the
            only one there is, or else that of this machine.
        fresh: what results must be to be known, as for `WorkerProfiler`.
        reference: whether each worker times the reference jobs before its first measurement and, where the fleet is
            closed without an error, after its last, so that it shows how fast its machine was.

    Raises:
        WorkerError: P510, a worker does not start, or it is not clear which class is meant.
    """

    def __init__(
        self,
        database: ProfileDatabase,
        workers: Iterable[Worker],
        *,
        timeout_s: float = 60.0,
        kind: str = "",
        fresh: Fresh | None = None,
        reference: bool = False,
    ) -> None:
        self.database = database
        self.timeout_s = timeout_s
        self.measured = 0
        self._fresh = fresh
        self._reference = reference
        self._homes: dict[tuple[str, str], str] = {}
        self._counting = threading.Lock()
        doubting = [Doubting(worker) for worker in workers]
        if not doubting:
            raise _failure("it has no workers")
        try:
            machines = _at_once(lambda worker: worker.machine, doubting)
            self._seats = [_Seat(*pair) for pair in zip(doubting, machines, strict=True)]
            self.kind = self._chosen(kind)
        except BaseException:
            for worker in doubting:
                worker.stop()
            raise

    def _chosen(self, wanted: str) -> str:
        found = [kind for kind in self.kinds if kind.startswith(wanted)]
        here = this_machine().kind
        if not wanted and here in found:
            return here
        if len(found) == 1:
            return found[0]
        known = "; ".join(f"{kind[:8]}: {machine.description}" for kind, machine in self.kinds.items())
        what = "of no class" if not found else f"of {len(found)} classes"
        raise _failure(f"its workers are {what} of machines{f' {wanted!r}' if wanted else ''}", f"there are {known}")

    def __enter__(self) -> FleetProfiler:
        return self

    def __exit__(self, error: object, *_: object) -> None:
        try:
            if error is None:
                self.end_sessions()
        finally:
            self.close()

    def end_sessions(self) -> None:
        """Have the workers that measured anything time the reference jobs again."""
        there = [seat for seat in self._seats if seat.session is not None and seat.lost is None]
        if not there:
            return
        with contextlib.suppress(WorkerError):
            times = _at_once(
                lambda worker: time_reference(lambda job: worker.run(job, None, self.timeout_s)),
                [seat.worker for seat in there],
            )
            for seat, reference in zip(there, times, strict=True):
                assert seat.session is not None
                self.database.add_reference(seat.session, reference)
        for seat in there:
            seat.session = None

    def close(self) -> None:
        """End the workers."""
        for seat in self._seats:
            seat.worker.stop()

    @property
    def kinds(self) -> dict[str, Machine]:
        """The classes of machines that are there, each with its first machine."""
        found: dict[str, Machine] = {}
        for seat in self._seats:
            found.setdefault(seat.machine.kind, seat.machine)
        return found

    @property
    def machine(self) -> Machine:
        """The first machine of the class that results are wanted for."""
        return self.kinds[self.kind]

    @property
    def lost(self) -> tuple[WorkerError, ...]:
        """Why workers are no longer asked."""
        return tuple(seat.lost for seat in self._seats if seat.lost is not None)

    # --- the profiler ---

    def known(self, jobs: Iterable[Job]) -> dict[Job, Result]:
        """Results of any machine of the class that is in the fleet."""
        return self._known(self.kind, list(dict.fromkeys(jobs)))

    def measure(self, jobs: Iterable[Job], progress: Progress | None = None) -> dict[Job, Result]:
        """A result for each job from the class of machines that is wanted.

        Raises:
            WorkerError: P510, no worker of the class is left.
        """
        return self._measure([self.kind], jobs, progress)[self.kind]

    def measure_all(self, jobs: Iterable[Job], progress: Progress | None = None) -> dict[str, dict[Job, Result]]:
        """A result for each job from every class of machines, by `Machine.kind`.

        Raises:
            WorkerError: P510, no worker of a class is left.
        """
        return self._measure(list(self.kinds), jobs, progress)

    def sample(
        self, jobs: Iterable[Job], limits_us: Mapping[Job, float], progress: Progress | None = None
    ) -> dict[Job, Result]:
        """Measure jobs whether or not they are known, those of a layer in this order and where it was measured before.

        Raises:
            WorkerError: P510, no worker of the class is left.
        """

        def work(profiler: WorkerProfiler, jobs: tuple[Job, ...], progress: Progress) -> dict[Job, Result]:
            return profiler.sample(jobs, limits_us, progress)

        wanted = list(jobs)
        self._known(self.kind, wanted)  # finds where they were measured before
        found = self._spread({self.kind: wanted}, work, progress)[self.kind]
        return {job: found[job] for job in wanted}

    def run(self, job: Job, limit_us: float | None = None) -> Result:
        """Measure a job without keeping its result.

        Raises:
            WorkerError: P510.
        """
        return self._profiler_for(job).run(job, limit_us)

    def keep(self, job: Job, result: Result) -> Result:
        """Keep a result that was found in another way, joined to what is known.

        Raises:
            WorkerError: P510.
        """
        return self._profiler_for(job).keep(job, result)

    def _profiler_for(self, job: Job) -> WorkerProfiler:
        """The machine where a job was measured before, else the first."""
        home = self._homes.get((self.kind, compared(job)))
        seats = self._seats_of(self.kind)
        if not seats:
            raise self.lost[-1]
        seat = next((s for s in seats if s.machine.instance == home), seats[0])
        return WorkerProfiler(self.database, timeout_s=self.timeout_s, worker=seat.worker)

    def elsewhere(self, jobs: Iterable[Job]) -> dict[Job, float]:
        """The least microseconds that jobs took on other machines of the class, of those that any knows."""
        others = self.database.others(dict.fromkeys(jobs), self.machine)
        times = {job: [r.cost_us for r in results.values() if r.ok] for job, results in others.items()}
        return {job: min(found) for job, found in times.items() if found}

    # --- spreading ---

    def _seats_of(self, kind: str) -> list[_Seat]:
        return [seat for seat in self._seats if seat.machine.kind == kind and seat.lost is None]

    def _known(self, kind: str, jobs: list[Job]) -> dict[Job, Result]:
        machines = {s.machine.instance: s.machine for s in self._seats if s.machine.kind == kind}
        # Executors may have led to further ones.
        machines |= {m.instance: m for s in self._seats if (m := s.worker.machine).kind == kind and s.lost is None}
        found: dict[Job, Result] = {}
        for instance, machine in machines.items():
            fresh = None if self._fresh is None else fresh_on(machine, self._fresh)
            for job, result in self.database.find_all([j for j in jobs if j not in found], machine, fresh).items():
                if result.answers(job):
                    found[job] = result
                self._homes.setdefault((kind, compared(job)), instance)
        return found

    def _measure(
        self, kinds: list[str], jobs: Iterable[Job], progress: Progress | None
    ) -> dict[str, dict[Job, Result]]:
        wanted = list(dict.fromkeys(jobs))
        known = {kind: self._known(kind, wanted) for kind in kinds}
        missing = {kind: [j for j in wanted if j not in known[kind]] for kind in kinds}
        found = self._spread(missing, WorkerProfiler.measure_on, progress)
        return {kind: {j: (known[kind] | found[kind])[j] for j in wanted} for kind in kinds}

    def _spread(
        self, jobs: dict[str, list[Job]], work: Work, progress: Progress | None
    ) -> dict[str, dict[Job, Result]]:
        """Have jobs, by class, measured by all workers of the class at the same time."""
        counted = _Counted(sum(map(len, jobs.values())), progress)
        found: dict[str, dict[Job, Result]] = {}
        leases: dict[str, Leases] = {}
        threads: list[_Thread] = []
        for kind, wanted in jobs.items():
            homes = {what: home for (k, what), home in self._homes.items() if k == kind}
            seats = self._seats_of(kind)
            leases[kind] = Leases(grouped(wanted, homes), [seat.machine.instance for seat in seats])
            if not seats and wanted:
                raise self.lost[-1]
            if wanted:
                threads += [_Thread(self._serve, s, leases[kind], work, counted) for s in seats]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.wait()
        except BaseException as error:
            self._interrupt(list(leases.values()), threads, error)
            raise
        for kind, lease in leases.items():
            if lease.failure is not None:
                raise lease.failure
            found[kind] = lease.results
        return found

    def _serve(self, seat: _Seat, leases: Leases, work: Work, progress: Progress) -> None:
        """What the thread of a worker does."""
        try:
            with ProfileDatabase(self.database.path) as database:
                profiler = WorkerProfiler(
                    database,
                    timeout_s=self.timeout_s,
                    worker=seat.worker,
                    fresh=self._fresh and fresh_on(seat.machine, self._fresh),
                    session=seat.session,
                    reference=self._reference,
                )
                while seat.lost is None and (group := leases.take(seat.machine.instance)) is not None:
                    self._serve_group(seat, leases, group, lambda g: work(profiler, g.jobs, progress))
                seat.session = profiler.session
                with self._counting:
                    self.measured += profiler.measured
        except BaseException as error:
            leases.fail(error)

    def _serve_group(
        self, seat: _Seat, leases: Leases, group: Group, work: Callable[[Group], dict[Job, Result]]
    ) -> None:
        try:
            found = work(group)
        except WorkerError as error:
            seat.strikes += 1
            if seat.strikes == _STRIKES:
                seat.lost = error
            leases.give_back(group, error)
            if seat.lost is not None:
                leases.leave(seat.machine.instance, error)
            return
        seat.strikes = 0
        with self._counting:
            self._homes[seat.machine.kind, compared(group.jobs[0])] = seat.worker.machine.instance
        leases.finish(found)

    def _interrupt(self, leases: list[Leases], threads: list[_Thread], error: BaseException) -> None:
        for lease in leases:
            lease.fail(error)
        for seat in self._seats:
            seat.worker.interrupt()
        for thread in threads:
            thread.wait()
        for seat in self._seats:
            seat.worker.stop()
            seat.worker.resume()
            seat.strikes, seat.lost = 0, None


class _Thread:
    """A thread that can be waited for when a signal comes meanwhile: `Thread.join` then takes a thread for one that has
    ended."""

    def __init__(self, work: Callable[..., None], *arguments: object) -> None:
        self._ended = threading.Event()
        self._started = False
        self._work = functools.partial(work, *arguments)

    def start(self) -> None:
        self._started = True
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            self._work()
        finally:
            self._ended.set()

    def wait(self) -> None:
        """Until it has ended; in steps, since a signal may wake another thread than the one that is to act on it."""
        while self._started and not self._ended.wait(_STEP_S):
            pass


class _Counted:
    """Progress over all workers: each job that begins counts, also one that is measured a second time."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self.total, self.progress, self.done = total, progress, 0
        self._lock = threading.Lock()

    def __call__(self, done: int, total: int, job: Job) -> None:
        with self._lock:
            if self.progress is not None:
                self.progress(self.done, max(self.total, self.done + 1), job)
            self.done += 1


def fleet(
    database: ProfileDatabase,
    command_lines: Sequence[str],
    *,
    timeout_s: float = 60.0,
    kind: str = "",
    fresh: Fresh | None = None,
    reference: bool = False,
) -> FleetProfiler:
    """A fleet of the workers that these command lines start, such as `ssh board plait worker`.

    Raises:
        WorkerError: P510, a command line has no words or open quotes, a worker does not start, or it is not clear which
            class of machines is meant.
    """
    workers = [WorkerProcess(_words(line)) for line in command_lines]
    return FleetProfiler(database, workers, timeout_s=timeout_s, kind=kind, fresh=fresh, reference=reference)


def _words(line: str) -> list[str]:
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise _failure(f"the command line {line!r} cannot be read: {error}") from None
    if not words:
        raise _failure("a command line is empty")
    return words


def _at_once(function: Callable[[Worker], _T], workers: Sequence[Worker]) -> list[_T]:
    """A function of all workers, which take their time at the same time."""
    with ThreadPoolExecutor(len(workers)) as pool:
        return list(pool.map(function, workers))


def _failure(reason: str, hint: str = "") -> WorkerError:
    return WorkerError(Diagnostic("P510", f"the fleet cannot be used: {reason}", hint=hint))
