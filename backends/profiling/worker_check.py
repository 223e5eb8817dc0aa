"""Trying a worker: whether it starts, how long an answer takes, whether it measures, and whether it computes right."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np

from plait.backends.errors import WorkerError
from plait.backends.profiling.job import Job, Result
from plait.backends.profiling.worker_client import WorkerProcess
from plait.backends.profiling.worker_hello import Hello
from plait.ir.diagnostics import Diagnostic
from plait.ir.text.parser import parse_module

_PINGS = 20
_MODULE = """ir 1
weights "" {
  @w : f32[1x16x8x8]
}
net @main(%x: f32[1x16x8x8] nchw) -> (%y: f32[1x16x8x8] nchw) {
  %y = add(%x, @w) : f32[1x16x8x8] nchw via cpu/f32/nchw/vector
}
"""
"""A layer with an input and weights that have to be sent."""


@attrs.frozen
class Trial:
    """What came of trying a worker."""

    hello: Hello
    start_s: float
    """From the command to its greeting."""
    answer_us: float
    """Median time of a request that needs no work, there and back."""
    measured: Result
    """Of one small layer."""

    def to_json(self) -> dict[str, Any]:
        """As JSON data, schema `worker-self-test/1`."""
        return {
            "schema": "worker-self-test/1",
            **self.hello.to_json(),
            "kind": self.hello.machine.kind,
            "instance": self.hello.machine.instance,
            "start_s": self.start_s,
            "answer_us": self.answer_us,
            "measured": self.measured.to_json(),
        }


def try_worker(command: Sequence[str], timeout_s: float = 60.0) -> Trial:
    """Start a worker, and have it answer, measure and compute.

    Raises:
        WorkerError: P510, it does not do one of these, or computes something else than is right.
    """
    with WorkerProcess(command) as worker:
        started = time.perf_counter()
        hello = worker.hello
        start_s = time.perf_counter() - started
        answer_us = statistics.median(_round_trip_us(worker, timeout_s) for _ in range(_PINGS))
        measured = worker.run(Job("self-test", "cpu/f32/nchw/vector", "", 1, _MODULE), None, timeout_s)
        if not measured.ok:
            raise _failure(f"a layer was not measured: {measured.status} {measured.message}")
        _compute(worker)
    return Trial(hello, start_s, answer_us, measured)


def _round_trip_us(worker: WorkerProcess, timeout_s: float) -> float:
    began = time.perf_counter_ns()
    try:
        # Answered with a refusal, which is an answer.
        worker.ask({"nothing": True}, timeout_s)
    except TimeoutError as error:
        raise _failure(str(error)) from None
    return (time.perf_counter_ns() - began) / 1e3


def _compute(worker: WorkerProcess) -> None:
    """Have a sum computed, of numbers whose sums are exact."""
    module = parse_module(_MODULE, "self-test")
    x = np.arange(1024, dtype=np.float32).reshape(1, 16, 8, 8)
    module.constants["w"].supply(lambda: 3 * x)
    found = worker.execute(module, [x])["y"]
    if found.shape != x.shape or not np.array_equal(found, 4 * x):
        raise _failure("it computes wrong sums")


def _failure(reason: str) -> WorkerError:
    return WorkerError(Diagnostic("P510", f"the worker cannot be used: {reason}"))
