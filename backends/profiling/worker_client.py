"""The near end of a worker: its process, and requests to it with a deadline."""

from __future__ import annotations

import contextlib
import os
import selectors
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import IO, Any, Protocol

import attrs

from plait.backends.errors import WorkerError
from plait.backends.profiling.job import Job, Result
from plait.backends.profiling.machine import Machine
from plait.backends.profiling.worker_frames import read_frame, write_frame
from plait.backends.profiling.worker_hello import Hello
from plait.ir.diagnostics import Diagnostic
from plait.ir.literals import is_inline
from plait.ir.module import Module
from plait.ir.plugins import environment
from plait.ir.text.printer import print_module
from plait.ir.values import Array

WORKER = (sys.executable, "-m", "plait.backends.profiling.worker")
"""What starts a worker on this machine."""
START_S = 120.0
"""How long a worker may take to load the kernels."""
SILENCE_S = 60.0
"""A worker at work that says nothing for so long is lost: it beats every `plait.backends.profiling.worker.BEAT_S`."""
_PARTING_S = 10.0
"""How long a worker that closed its output may take to end."""
_STEP_S = 1.0
_LONGEST = 100
"""Characters of a command that messages show."""
_STDERR = "PLAIT_WORKER_STDERR=1 shows its messages"


class Worker(Protocol):
    """Whoever measures jobs, one at a time."""

    @property
    def machine(self) -> Machine:
        """The machine of the last result; before the first one, the machine that will be."""
        ...

    def run(self, job: Job, limit_ns: int | None, timeout_s: float) -> Result:
        """The result of a job. One that crashes or hangs has a result, too.

        Raises:
            WorkerError: P510, nothing can be measured. No routine is to blame, so there is no result to be recorded.
        """
        ...

    def stop(self) -> None:
        """End what was started. `run` starts it again."""
        ...

    def interrupt(self) -> None:
        """Make the running job, and all that come, raise WorkerError; called from another thread."""
        ...

    def resume(self) -> None:
        """Take jobs again after `interrupt`."""
        ...


class WorkerProcess:
    """A worker process that is started when first needed and again after it died.

    Args:
        command: what to start; it must speak the protocol of docs/design/worker.md on standard input and output.
    """

    def __init__(self, command: Sequence[str] = WORKER) -> None:
        self.command = tuple(command)
        self.process: subprocess.Popen[bytes] | None = None
        self._hello: Hello | None = None
        self._messages: IO[bytes] | None = None
        self._heard = 0
        self._interrupted = False

    def __enter__(self) -> WorkerProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def hello(self) -> Hello:
        """How the worker introduced itself; starts it if that has not happened.

        Raises:
            WorkerError: P510, it does not start.
        """
        if self._hello is None:
            self.start()
        assert self._hello is not None
        return self._hello

    @property
    def machine(self) -> Machine:
        """The machine of the worker."""
        return self.hello.machine

    def run(self, job: Job, limit_ns: int | None, timeout_s: float) -> Result:
        """The result of a job; `timeout` if it takes longer than that, `crashed` if the worker ends.

        Raises:
            WorkerError: P510, the worker does not start, or not again. No routine is to blame, so no result is
                recorded.
        """
        try:
            answer = self.ask({"job": attrs.asdict(job), "limit_ns": limit_ns}, timeout_s)
        except TimeoutError as error:
            result = Result("timeout", (), str(error))
        else:
            if answer is not None:
                return Result.from_json(answer)
            result = Result("crashed", (), f"the worker ended with {self.end()}")
        # It is the routine's fault only if the machine is still there.
        self.start()
        return result

    def execute(self, module: Module, inputs: Sequence[Array], threads: int = 1) -> dict[str, Array]:
        """Outputs of a module whose layers have routines, computed by the worker.

        Raises:
            WorkerError: P510, the worker does not start, ends, falls silent, or says why it cannot run this.
        """
        constants = [c.data for c in module.constants.values() if not is_inline(c.type)]
        request = {"run": {"module": print_module(module), "threads": threads}, "tensors": [*inputs, *constants]}
        try:
            answer = self.ask(request, float("inf"))
        except TimeoutError as error:
            raise self._failure(str(error)) from None
        if answer is None:
            raise self._failure(f"it ended with {self.end()}")
        if answer.get("status") != "ok":
            raise self._failure(str(answer.get("message", answer)))
        return dict(zip(answer["names"], answer["tensors"], strict=True))

    def ask(self, request: dict[str, Any], timeout_s: float) -> dict[str, Any] | None:
        """The answer to a request; None if the worker ended without one.

        Raises:
            TimeoutError: it takes too long, or the worker fell silent.
            WorkerError: P510.
        """
        # A worker that died since its last answer is no fault of this request.
        if not self._send(request) and not self._send(request):
            raise self._failure("it ended before it took a request")
        try:
            answer = self._answer(timeout_s)
        except BaseException:
            # Else an answer that is on its way would be taken for that to the next request.
            self.stop()
            raise
        if answer is not None and "error" in answer:
            raise self._failure(f"it says: {answer['error']}")
        return answer

    def _answer(self, timeout_s: float) -> dict[str, Any] | None:
        assert self.process is not None and self.process.stdout is not None
        left = timeout_s
        while True:
            pipe = PipeBefore(self.process.stdout, min(left, SILENCE_S))
            try:
                answer = read_frame(pipe)
            except TimeoutError:
                what = f"no answer after {timeout_s:g} s" if left <= SILENCE_S else f"silent for {SILENCE_S:g} s"
                raise TimeoutError(what) from None
            if answer is None or "alive" not in answer:
                return answer
            left -= pipe.waited_s

    def _send(self, request: dict[str, Any]) -> bool:
        """Give a request to the worker, starting one if need be; False if it had ended."""
        if self.process is None:
            self.start()
        assert self.process is not None and self.process.stdin is not None
        self._heard = self._message_size()
        try:
            if self.process.poll() is None:
                write_frame(PipeBefore(self.process.stdin, SILENCE_S), request)
                return True
        except BrokenPipeError:
            pass
        except BaseException:
            # Else the rest of the request would be missing.
            self.stop()
            raise
        self.stop()
        return False

    def start(self) -> None:
        """Have a new worker that is ready for requests.

        Raises:
            WorkerError: P510, it does not get that far, or is of another version.
        """
        self.stop()
        self._messages = None if os.environ.get("PLAIT_WORKER_STDERR") else tempfile.TemporaryFile()  # noqa: SIM115
        self._heard = 0
        try:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,  # so that waiting for the pipe sees all there is
                env={**os.environ, **environment()},
                stderr=self._messages,
            )
        except OSError as error:
            self.stop()
            raise self._failure(f"it cannot be started: {error.strerror}") from None
        if self._interrupted:
            self.process.kill()
        assert self.process.stdin is not None
        os.set_blocking(self.process.stdin.fileno(), False)
        self._hello = self._greeting()

    def _greeting(self) -> Hello:
        assert self.process is not None and self.process.stdout is not None
        reason, hint = "", _STDERR
        try:
            greeting = read_frame(PipeBefore(self.process.stdout, START_S))
            if greeting is not None:
                hello = Hello.from_json(greeting)
                hello.check()
                return hello
            reason = f"it ended with {self.end()}"
        except TimeoutError:
            reason = f"it is not ready after {START_S:g} s"
        except WorkerError as error:
            reason, hint = error.diagnostics[0].message, error.diagnostics[0].hint
        self.stop()
        raise self._failure(reason, hint)

    def end(self) -> str:
        """How the worker ended, in words, with the last line that it wrote to standard error since it was asked."""
        assert self.process is not None
        try:
            status = self.process.wait(_PARTING_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        said = self._last_message()
        self.stop()
        how = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        return f"{how}: {said}" if said else how

    def stop(self) -> None:
        """End the process; the next request starts another."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            for stream in (self.process.stdin, self.process.stdout):
                with contextlib.suppress(BrokenPipeError):
                    if stream is not None:
                        stream.close()
            self.process = None
        if self._messages is not None:
            self._messages.close()
            self._messages = None

    def interrupt(self) -> None:
        """Make the running request, and all that come, raise WorkerError. For other threads than that of the
        request."""
        self._interrupted = True
        # Whoever starts a process now sees the mark.
        if (process := self.process) is not None:
            process.kill()

    def resume(self) -> None:
        """Take requests again after `interrupt`."""
        self._interrupted = False

    def _message_size(self) -> int:
        return 0 if self._messages is None else os.fstat(self._messages.fileno()).st_size

    def _last_message(self) -> str:
        if self._messages is None:
            return ""
        self._messages.seek(max(self._heard, self._message_size() - 2000))
        lines = self._messages.read().decode(errors="replace").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def _failure(self, reason: str, hint: str = _STDERR) -> WorkerError:
        words = " ".join(shlex.join(self.command).split())
        shown = words if len(words) <= _LONGEST else f"{words[:_LONGEST]}…"
        message = f"the worker `{shown}` cannot be used: {reason}"
        return WorkerError(Diagnostic("P510", message, hint=hint))


class PipeBefore:
    """A pipe with a deadline; `read` and `write` raise TimeoutError after it.

    The time in which this process is itself stopped, or the computer sleeps, does not count.
    """

    def __init__(self, pipe: IO[bytes], timeout_s: float) -> None:
        self.pipe = pipe
        self.left_s = timeout_s
        self.waited_s = 0.0

    def read(self, size: int) -> bytes:
        """Some bytes, at most `size`; none at the end of the stream."""
        self._wait(selectors.EVENT_READ)
        return self.pipe.read(size) or b""

    def write(self, data: bytes) -> int:
        """Write a part; returns how many bytes. The pipe must not be one that blocks."""
        self._wait(selectors.EVENT_WRITE)
        return self.pipe.write(data) or 0

    def flush(self) -> None:
        """Nothing is held back."""

    def _wait(self, event: int) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self.pipe, event)
            while True:
                step, began = min(_STEP_S, max(0.0, self.left_s)), time.monotonic()
                ready = selector.select(step)
                spent = min(step, time.monotonic() - began)
                self.left_s -= spent
                self.waited_s += spent
                if ready:
                    return
                if self.left_s <= 0:
                    raise TimeoutError
