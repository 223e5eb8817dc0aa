"""The profiler: answers jobs from the database, and measures the others in a worker process."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from typing import Protocol

import attrs

from plait.backends.profiling.database import ProfileDatabase
from plait.backends.profiling.job import Job, Result
from plait.backends.profiling.machine import this_machine
from plait.backends.profiling.worker import read_frame, write_frame

Progress = Callable[[int, int, Job], None]
"""(done, total, job) before each measurement."""


class Profiler(Protocol):
    """Where costs come from."""

    def measure(self, jobs: Iterable[Job], progress: Progress | None = None) -> dict[Job, Result]:
        """A result for each job."""
        ...


class WorkerProfiler:
    """Measures in a worker process, one job at a time; results go to the database at once, so that nothing is lost or measured twice."""

    def __init__(self, database: ProfileDatabase, *, timeout_s: float = 60.0) -> None:
        self.database = database
        self.timeout_s = timeout_s
        self.measured = 0

    def measure(self, jobs: Iterable[Job], progress: Progress | None = None) -> dict[Job, Result]:
        wanted = list(dict.fromkeys(jobs))
        results = self.database.find_all(wanted, this_machine())
        missing = [j for j in wanted if j not in results]
        best = _Best(results)
        with _Worker() as worker:
            for done, job in enumerate(missing):
                if progress is not None:
                    progress(done, len(missing), job)
                result = worker.run(job, best.of(job.signature), self.timeout_s)
                self.database.add(job, this_machine(), result)
                self.measured += 1
                results[job] = result
                best.add(job.signature, result)
        return results


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

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> _Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def run(self, job: Job, best_ns: int | None, timeout_s: float) -> Result:
        if self.process is None:
            self.process = subprocess.Popen([sys.executable, "-m", "plait.backends.profiling.worker"], stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, stderr=None if os.environ.get("PLAIT_WORKER_STDERR") else subprocess.DEVNULL)
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            write_frame(self.process.stdin, {"job": attrs.asdict(job), "best_ns": best_ns})  # type: ignore[arg-type]
            with selectors.DefaultSelector() as selector:
                selector.register(self.process.stdout, selectors.EVENT_READ)
                if not selector.select(timeout_s):
                    self.stop()
                    return Result("timeout", (), f"no answer after {timeout_s:g} s")
            answer = read_frame(self.process.stdout)  # type: ignore[arg-type]
        except BrokenPipeError:
            answer = None
        if answer is None:
            status = self.process.wait()
            name = signal.Signals(-status).name if status < 0 else f"exit status {status}"
            self.stop()
            return Result("crashed", (), f"the worker ended with {name}")
        return Result.from_json(answer)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            for stream in (self.process.stdin, self.process.stdout):
                with contextlib.suppress(BrokenPipeError):
                    if stream is not None:
                        stream.close()
            self.process = None

