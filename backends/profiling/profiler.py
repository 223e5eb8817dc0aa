"""The profiler: answers jobs from the database, and measures the others in a worker process."""

from __future__ import annotations

import collections
import contextlib
import math
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import IO, Any, Protocol

import attrs

from plait.backends.errors import RoutineError
from plait.backends.profiling.database import ProfileDatabase
from plait.backends.profiling.job import Job, Result
from plait.backends.profiling.machine import this_machine
from plait.backends.profiling.worker import READY, read_frame, write_frame
from plait.ir.diagnostics import Diagnostic
from plait.ir.plugins import environment

WORKER = (sys.executable, "-m", "plait.backends.profiling.worker")
START_S = 120.0
"""How long a worker may take to load the kernels."""
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
        with _Worker(self.command) as worker:
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


class _Worker:
    """A worker process that is started when first needed and again after it died."""

    def __init__(self, command: Sequence[str]) -> None:
        self.command = command
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> _Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def run(self, job: Job, best_ns: int | None, timeout_s: float) -> Result:
        request = {"job": attrs.asdict(job), "best_ns": best_ns}
        # A worker that died since its last answer is no fault of this job.
        if not self.send(request) and not self.send(request):
            return Result("crashed", (), "the worker ended before it took the job")
        assert self.process is not None and self.process.stdout is not None
        try:
            answer = read_frame(_Before(self.process.stdout, timeout_s))
        except TimeoutError:
            self.stop()
            return Result("timeout", (), f"no answer after {timeout_s:g} s")
        return (
            Result("crashed", (), f"the worker ended with {self.end()}") if answer is None else Result.from_json(answer)
        )

    def send(self, request: dict[str, Any]) -> bool:
        """Give a request to the worker, starting one if need be; False if it had ended."""
        if self.process is None:
            self.process = self.start()
        assert self.process.stdin is not None
        try:
            if self.process.poll() is None:
                write_frame(self.process.stdin, request)
                return True
        except BrokenPipeError:
            pass
        self.stop()
        return False

    def start(self) -> subprocess.Popen[bytes]:
        """A worker that is ready for jobs.

        Raises:
            RoutineError: P403, it does not get that far. No routine is to blame, so no result is recorded.
        """
        # Unbuffered, so that waiting for the pipe sees all there is.
        self.process = process = subprocess.Popen(
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env={**os.environ, **environment()},
            stderr=None if os.environ.get("PLAIT_WORKER_STDERR") else subprocess.DEVNULL,
        )
        assert process.stdout is not None
        try:
            if read_frame(_Before(process.stdout, START_S)) == READY:
                return process
            reason = f"it ended with {self.end()}"
        except TimeoutError:
            reason = f"it is not ready after {START_S:g} s"
        message = f"the process that measures routines does not start: {reason}"
        raise RoutineError(Diagnostic("P403", message, hint="PLAIT_WORKER_STDERR=1 shows its messages"))

    def end(self) -> str:
        """How the worker ended, in words."""
        assert self.process is not None
        status = self.process.wait()
        self.stop()
        return signal.Signals(-status).name if status < 0 else f"exit status {status}"

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            for stream in (self.process.stdin, self.process.stdout):
                with contextlib.suppress(BrokenPipeError):
                    if stream is not None:
                        stream.close()
            self.process = None


class _Before:
    """A pipe that is read until a deadline; `read` raises TimeoutError after it."""

    def __init__(self, pipe: IO[bytes], timeout_s: float) -> None:
        self.pipe = pipe
        self.deadline = time.monotonic() + timeout_s

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; fewer only at the end of the stream."""
        data = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self.pipe, selectors.EVENT_READ)
            while len(data) < size:
                if not selector.select(max(0.0, self.deadline - time.monotonic())):
                    raise TimeoutError
                piece = self.pipe.read(size - len(data))
                if not piece:
                    break
                data += piece
        return data
