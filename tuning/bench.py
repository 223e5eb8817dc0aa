"""Timing of runners: the whole, and each layer."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np

from plait.backends.profiling.limits import Limits
from plait.backends.runner import Runner, check_inputs
from plait.ir.values import Array
from plait.tuning.report import LayerRow
from plait.tuning.roofline import Roofline, roofline

WARM_UP_NS = 200_000_000
BUDGET_NS = 1_000_000_000
"""Time for runs if their number is not given (at least `_FEWEST`, at most `_MOST`)."""
_FEWEST, _MOST = 10, 10_000


@attrs.frozen
class LayerTime:
    """The median time of one layer of a plan, barriers between threads included."""

    index: int
    name: str
    op: str
    routine: str
    time_us: float
    share: float
    """Part of the sum over all layers."""
    gflops: float
    """Billions of floating-point operations by second; 0 where none are counted."""
    nbytes: int
    """Bytes of operands, constants and results, each moved once."""
    roofline: Roofline | None = None
    """None: the limits of this machine are not known, or the layer takes no time."""
    runner_up: str = ""
    """The best other routine."""
    runner_up_loss_us: float | None = None
    """How much slower the whole plan would be with it, as tuning predicted."""


@attrs.frozen
class BenchReport:
    """Times in microseconds."""

    runs: int
    threads: int
    min_us: float
    median_us: float
    p90_us: float
    layers: tuple[LayerTime, ...]
    layers_us: float
    """Sum of the layers' medians."""
    layer_runs: int
    arena_bytes: int
    constant_bytes: int
    single_call: bool
    """Whether a run is one call of compiled code, without Python between layers."""
    limits: Limits | None = None
    """What the machine can do at best, if it is known."""

    def to_json(self) -> dict[str, Any]:
        """As JSON data, schema `bench-report/2`."""
        return {"schema": "bench-report/2", **attrs.asdict(self)}


def bench(
    runner: Runner,
    inputs: Mapping[str, Array] | None = None,
    *,
    runs: int | None = None,
    seed: int = 0,
    limits: Limits | None = None,
    tuning: Mapping[str, LayerRow] | None = None,
) -> BenchReport:
    """Time a runner: warm-up, then `runs` runs (default: one second of them), then runs that time each layer.

    Args:
        inputs: arrays by name; random ones from `seed` if not given.
        limits: those of this machine for as many threads; see `plait.backends.profiling.limits`.
        tuning: rows of the tuning report by name; see `plait.tuning.runner_up`.

    Raises:
        RunError: P401, an input does not fit.
    """
    program = runner.program
    arrays = input_arrays(runner, inputs, seed)
    typical = _warm_up(runner, arrays)
    count = runs if runs is not None else min(_MOST, max(_FEWEST, BUDGET_NS // typical))
    samples = program.time(arrays, max(count, 1)) / 1e3
    layer_runs = max(3, min(len(samples), 100, BUDGET_NS // typical))
    outputs = program.allocate_outputs()
    spent = np.array([program.layer_times(arrays, outputs) for _ in range(layer_runs)])
    medians = np.median(spent, axis=0)[:-1] / 1e3
    total = float(medians.sum())
    resident = program.constant_bytes + program.arena_bytes
    rows = []
    for index, (layer, us) in enumerate(zip(runner.layers, medians.tolist(), strict=True)):
        second = (tuning or {}).get(layer.results[0].name)
        rows.append(
            LayerTime(
                index=index,
                name=layer.results[0].name,
                op=layer.op,
                routine=layer.via or "",
                time_us=us,
                share=us / total if total else 0.0,
                gflops=layer.flops() / us / 1e3 if us else 0.0,
                nbytes=layer.nbytes(),
                roofline=roofline(layer, us, limits, resident) if limits and us else None,
                runner_up=second.runner_up if second else "",
                runner_up_loss_us=second.runner_up_loss_us if second else None,
            )
        )
    return BenchReport(
        runs=len(samples),
        threads=program.threads,
        min_us=float(samples.min()),
        median_us=float(np.median(samples)),
        p90_us=float(np.percentile(samples, 90)),
        layers=tuple(rows),
        layers_us=total,
        layer_runs=layer_runs,
        arena_bytes=program.arena_bytes,
        constant_bytes=program.constant_bytes,
        single_call=program.is_single_call,
        limits=limits,
    )


def input_arrays(runner: Runner, inputs: Mapping[str, Array] | None, seed: int) -> list[Array]:
    """The arrays that a program takes: by name, or random ones.

    Raises:
        RunError: P401, an input does not fit.
    """
    return check_inputs(runner.inputs, (), dict(runner.random_inputs(seed) if inputs is None else inputs))


def _warm_up(runner: Runner, arrays: list[Array]) -> int:
    """Run for a while; returns the nanoseconds of a typical run."""
    end = time.perf_counter_ns() + WARM_UP_NS
    last = [int(runner.program.time(arrays, 1)[0])]
    while time.perf_counter_ns() < end and len(last) < 1000:
        last.append(int(runner.program.time(arrays, 1)[0]))
    return max(1, int(np.median(last[len(last) // 2 :])))
