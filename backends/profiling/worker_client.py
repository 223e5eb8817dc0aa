"""The near end of a worker: its process, and requests to it with a deadline."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import IO, Any

import attrs

from plait.backends.errors import RoutineError
from plait.backends.profiling.job import Job, Result
from plait.backends.profiling.worker import READY, read_frame, write_frame
from plait.ir.diagnostics import Diagnostic
from plait.ir.plugins import environment

WORKER = (sys.executable, "-m", "plait.backends.profiling.worker")
"""What starts a worker on this machine."""
START_S = 120.0
"""How long a worker may take to load the kernels."""


class WorkerProcess:
    """A worker process that is started when first needed and again after it died."""

    def __init__(self, command: Sequence[str]) -> None:
        self.command = command
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> WorkerProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def run(self, job: Job, limit_ns: int | None, timeout_s: float) -> Result:
        request = {"job": attrs.asdict(job), "limit_ns": limit_ns}
        # A worker that died since its last answer is no fault of this job.
        if not self.send(request) and not self.send(request):
            return Result("crashed", (), "the worker ended before it took the job")
        assert self.process is not None and self.process.stdout is not None
        try:
            answer = read_frame(PipeBefore(self.process.stdout, timeout_s))
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
            if read_frame(PipeBefore(process.stdout, START_S)) == READY:
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


class PipeBefore:
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
