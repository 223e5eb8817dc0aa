"""Workers behind an executor: what of a measurement travels, and how a crash is told from a worker that was lost.

A job is a plain record and `run_job` a function that any process can import, so that every
`concurrent.futures.Executor` will do: threads, processes, or a cluster such as Dask's `Client.get_executor()`.
"""

from __future__ import annotations

import atexit
import concurrent.futures
import functools
import os
import threading
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from plait.backends.errors import WorkerError
from plait.backends.profiling.job import Job, Result
from plait.backends.profiling.machine import Machine
from plait.backends.profiling.worker_client import WORKER, Worker, WorkerProcess
from plait.ir.diagnostics import Diagnostic

_STEP_S = 0.2


@attrs.frozen
class Answer:
    """What came back of a job, and from which machine."""

    machine: Machine
    result: Result


@attrs.frozen
class _Shared:
    """The worker of this process for a command, and the lock of who uses it."""

    worker: WorkerProcess
    lock: threading.Lock = attrs.field(factory=threading.Lock)


def run_job(command: Sequence[str], job: Job, limit_ns: int | None = None, timeout_s: float = 60.0) -> Answer:
    """Measure a job by the worker that a command starts where this is called. The worker stays for the next job of this
    process, and takes one at a time.

    Raises:
        WorkerError: P510, the worker does not start.
    """
    shared = _shared(tuple(command))
    with shared.lock:
        result = shared.worker.run(job, limit_ns, timeout_s)
        return Answer(shared.worker.machine, result)


def greet(command: Sequence[str]) -> Machine:
    """The machine of the worker that a command starts where this is called.

    Raises:
        WorkerError: P510, the worker does not start.
    """
    shared = _shared(tuple(command))
    with shared.lock:
        return shared.worker.machine


_making = threading.Lock()


def _shared(command: tuple[str, ...]) -> _Shared:
    with _making:
        return _shared_of(os.getpid(), command)


@functools.cache
def _shared_of(process: int, command: tuple[str, ...]) -> _Shared:
    # By process: a forked one has a copy of this table, but not the workers.
    shared = _Shared(WorkerProcess(command))
    atexit.register(_stop, process, shared.worker)
    return shared


def _stop(process: int, worker: WorkerProcess) -> None:
    if os.getpid() == process:
        worker.stop()


class ExecutorWorker:
    """A `Worker` that submits jobs to an executor, one at a time; several of them keep several of its processes busy.

    Args:
        executor: all its processes must be on machines of one class.
        command: what starts a worker there (default: by the interpreter that this process has).
    """

    def __init__(self, executor: concurrent.futures.Executor, command: Sequence[str] = WORKER) -> None:
        self.executor = executor
        self.command = tuple(command)
        self._machine: Machine | None = None
        self._interrupted = threading.Event()

    @property
    def machine(self) -> Machine:
        """The machine of the last answer; before the first one, one that greets."""
        if self._machine is None:
            self._machine = self._submit(greet, self.command)
        return self._machine

    def run(self, job: Job, limit_ns: int | None, timeout_s: float) -> Result:
        """The result of a job, from wherever the executor had it measured.

        Raises:
            WorkerError: P510, the executor lost it, a worker does not start there, or the machine is of another class
                than before.
        """
        before = self.machine
        answer = self._submit(run_job, self.command, job, limit_ns, timeout_s)
        if answer.machine.kind != before.kind:
            kinds = f"{before.kind[:8]} ({before.host}) and {answer.machine.kind[:8]} ({answer.machine.host})"
            raise _failure(f"its machines are of two classes, {kinds}", "give each class of machines its own executor")
        self._machine = answer.machine
        result: Result = answer.result
        return result

    def stop(self) -> None:
        """Nothing: the workers stay with the processes of the executor, for the next job."""

    def interrupt(self) -> None:
        """Wait no longer for the answer that is awaited, nor for others."""
        self._interrupted.set()

    def resume(self) -> None:
        """Take jobs again after `interrupt`."""
        self._interrupted.clear()

    def _submit(self, function: Callable[..., Any], *arguments: Any) -> Any:
        try:
            future = self.executor.submit(function, *arguments)
            while True:
                # Step by step, to see an interrupt.
                done, _ = concurrent.futures.wait([future], _STEP_S)
                if done:
                    return future.result()
                if self._interrupted.is_set():
                    future.cancel()
                    raise _failure("it was interrupted")
        except WorkerError:
            raise
        except (Exception, concurrent.futures.CancelledError) as error:
            raise _failure(f"it lost a job: {type(error).__name__}: {error}") from error


class Doubting:
    """A `Worker` that has a job which crashed measured once more: a worker may have been killed for other reasons."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker

    @property
    def machine(self) -> Machine:
        """The machine of the worker."""
        return self.worker.machine

    def run(self, job: Job, limit_ns: int | None, timeout_s: float) -> Result:
        """The result of a job; `crashed` if it crashed twice."""
        result = self.worker.run(job, limit_ns, timeout_s)
        return self.worker.run(job, limit_ns, timeout_s) if result.status == "crashed" else result

    def stop(self) -> None:
        """End what was started."""
        self.worker.stop()

    def interrupt(self) -> None:
        """Make jobs raise WorkerError."""
        self.worker.interrupt()

    def resume(self) -> None:
        """Take jobs again after `interrupt`."""
        self.worker.resume()


def _failure(reason: str, hint: str = "") -> WorkerError:
    return WorkerError(Diagnostic("P510", f"the executor cannot be used: {reason}", hint=hint))
