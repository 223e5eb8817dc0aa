"""The worker process: `plait worker`, or `python -m plait.backends.profiling.worker`, answers requests on standard
input; see docs/design/worker.md.

A routine that crashes or hangs takes the worker with it, not the tuner; that is a result too.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from plait.backends.errors import WorkerError
from plait.backends.profiling.job import Job, Result
from plait.backends.profiling.worker_cores import Cores
from plait.backends.profiling.worker_frames import Sink, Source, read_frame, write_frame
from plait.backends.profiling.worker_hello import this_hello

BEAT_S = 5.0
"""A worker that is at work says so every so many seconds."""
_BROKEN = 2
"""Exit status after something that was no frame: where the next one starts cannot be known."""


def serve(source: Source, sink: Sink) -> int:
    """Greet, then answer requests until the stream ends; returns the exit status."""
    hello = this_hello()
    write_frame(sink, hello.to_json())
    cores = Cores(hello.cores)
    while True:
        try:
            request = read_frame(source)
        except WorkerError as error:
            write_frame(sink, {"error": error.diagnostics[0].message})
            return _BROKEN
        if request is None:
            return 0
        with _heartbeat(sink):
            answer = _answer(request, cores)
        write_frame(sink, answer)


def _answer(request: dict[str, Any], cores: Cores) -> dict[str, Any]:
    from plait.backends.profiling.measure import measure

    try:
        if "job" in request:
            with cores.alone():
                return measure(Job(**request["job"]), request.get("limit_ns")).to_json()
        if "run" in request:
            return _run(request["run"], request.get("tensors", []))
        message = f"the request has neither `job` nor `run`, but {', '.join(map(str, request)) or 'nothing'}"
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
    return Result("failed", (), message).to_json()


def _run(what: dict[str, Any], tensors: list[Any]) -> dict[str, Any]:
    """Run a module: its inputs are the first tensors, the data of constants that the text leaves out are the others."""
    from plait.backends.runner import Runner
    from plait.ir.text.parser import parse_module

    module = parse_module(what["module"], "run")
    bare = [c for c in module.constants.values() if not c.has_data]
    count = len(module.main.arguments)
    if len(tensors) != count + len(bare):
        raise ValueError(f"{count} inputs and {len(bare)} constants are wanted, {len(tensors)} tensors came")
    for constant, array in zip(bare, tensors[count:], strict=True):
        if array.shape != constant.type.shape or array.dtype != constant.type.dtype.storage.numpy:
            raise ValueError(f"@{constant.name} is {constant.type}, but {array.dtype}{array.shape} came")
        constant.supply(functools.partial(np.asarray, array))
    outputs = Runner(module, what.get("threads", 1)).run(*tensors[:count])
    return {"status": "ok", "names": list(outputs), "tensors": list(outputs.values())}


@contextlib.contextmanager
def _heartbeat(sink: Sink) -> Iterator[None]:
    """Say every now and then that the work goes on; end if there is nobody left to hear it."""
    done = threading.Event()
    started = time.monotonic()

    def beat() -> None:
        while not done.wait(BEAT_S):
            try:
                write_frame(sink, {"alive": round(time.monotonic() - started, 3)})
            except OSError:
                # What the main thread is at may never end.
                os._exit(1)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def main() -> None:
    """Serve standard input and output; whatever else prints goes to standard error. Ends the process."""
    # Ctrl-C in a terminal is for who drives the worker, and the end of its input ends this.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with contextlib.suppress(BrokenPipeError):
        sys.exit(serve(sys.stdin.buffer, sink))


if __name__ == "__main__":
    main()
