"""Traces of runs: what each thread did when, in the Trace Event Format, which Perfetto and chrome://tracing show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from plait.backends.executable import Computed
from plait.backends.program import Span
from plait.backends.runner import Runner
from plait.ir.layer import Layer
from plait.ir.values import Array
from plait.tuning.bench import input_arrays

RUNS = 5
_PROCESS = 1

Event = dict[str, Any]


@attrs.frozen
class _Step:
    """What is known of a step of a program before it runs."""

    layer: Layer | None
    kernel: str

    @property
    def name(self) -> str:
        return self.layer.results[0].name if self.layer else "copy of an output"

    @property
    def category(self) -> str:
        return "kernel" if self.kernel else "python"


def trace(
    runner: Runner,
    inputs: Mapping[str, Array] | None = None,
    *,
    runs: int = RUNS,
    seed: int = 0,
    name: str = "plait",
) -> dict[str, Any]:
    """Run a few times and return the trace as JSON data.

    There is a complete event for each part that a thread had in a step of a run, named as its layer; what lies between
    two of them is the barrier. Each run is an event around those of thread 0. Times are microseconds from the start.

    Args:
        inputs: arrays by name; random ones from `seed` if not given.
        name: what the process is called.

    Raises:
        RunError: P401, an input does not fit.
    """
    program = runner.program
    arrays, outputs = input_arrays(runner, inputs, seed), program.allocate_outputs()
    steps = _steps(runner)
    program.run(arrays, outputs)
    recorded = [program.trace(arrays, outputs) for _ in range(runs)]
    start = min((span.begin for spans in recorded for span in spans), default=0)
    events = list(_names(name, program.threads))
    for number, spans in enumerate(recorded):
        events += _run_events(number, spans, steps, start)
    return {"traceEvents": events, "displayTimeUnit": "ns", "otherData": {"threads": program.threads, "runs": runs}}


def _steps(runner: Runner) -> list[_Step]:
    layers = runner.layers
    return [
        _Step(layers[step.layer] if step.layer >= 0 else None, "" if isinstance(step, Computed) else step.kernel)
        for step in runner.program.executable.steps
    ]


def _names(process: str, threads: int) -> Iterator[Event]:
    yield {"ph": "M", "name": "process_name", "pid": _PROCESS, "tid": 0, "args": {"name": process}}
    for thread in range(threads):
        name = f"thread {thread}" + (" (the caller)" if thread == 0 else "")
        yield {"ph": "M", "name": "thread_name", "pid": _PROCESS, "tid": thread, "args": {"name": name}}


def _run_events(number: int, spans: Sequence[Span], steps: Sequence[_Step], start: int) -> Iterator[Event]:
    if not spans:
        return
    last = max(span.end for span in spans)
    yield _event(f"run {number + 1}", "run", 0, min(span.begin for span in spans), last, start, {})
    ends = _latest(spans, [span.step for span in spans])
    layer_us = _layer_times(spans, steps)
    for span in spans:
        step = steps[span.step]
        arguments: dict[str, Any] = {"kernel": step.kernel} if step.kernel else {}
        if step.layer is not None:
            layer, us = step.layer, layer_us[id(step.layer)]
            arguments |= {"op": layer.op, "routine": layer.via, "bytes": layer.nbytes(), "flops": layer.flops()}
            arguments["GFLOP/s"] = float(f"{layer.flops() / us / 1e3:.4g}") if us else 0.0
        arguments["wait_us"] = (ends[span.step] - span.end) / 1e3
        yield _event(step.name, step.category, span.thread, span.begin, span.end, start, arguments)


def _layer_times(spans: Sequence[Span], steps: Sequence[_Step]) -> dict[int, float]:
    """Microseconds from the first begin to the last end of each layer, by its identity."""
    layers = [id(steps[span.step].layer) for span in spans]
    ends = _latest(spans, layers)
    begins: dict[int, int] = {}
    for span, layer in zip(spans, layers, strict=True):
        begins[layer] = min(begins.get(layer, span.begin), span.begin)
    return {layer: (ends[layer] - begins[layer]) / 1e3 for layer in begins}


def _latest(spans: Sequence[Span], groups: Sequence[int]) -> dict[int, int]:
    ends: dict[int, int] = {}
    for span, group in zip(spans, groups, strict=True):
        ends[group] = max(ends.get(group, span.end), span.end)
    return ends


def _event(name: str, category: str, thread: int, begin: int, end: int, start: int, arguments: Event) -> Event:
    return {
        "ph": "X",
        "name": name,
        "cat": category,
        "pid": _PROCESS,
        "tid": thread,
        "ts": (begin - start) / 1e3,
        "dur": (end - begin) / 1e3,
        "args": arguments,
    }
