"""Measuring a job in this process: parse the module, make data, lower, run, time."""

from __future__ import annotations

import functools
import json
import time

import attrs

from plait.backends.profiling.data import data_of, fill_constants, fill_network, weights_of
from plait.backends.profiling.job import COLD, HOT, IN_PLACE, LIMITS, WHOLE, Job, Result, enough
from plait.backends.profiling.resplit import is_resplit, measure_resplit
from plait.backends.program import Program
from plait.ir.module import Module
from plait.ir.text.parser import parse_module
from plait.ir.values import Array
from plait.kernels_pyx.packing import Packed, sharing

BUDGET_NS = 40_000_000
"""Time spent on samples of one routine, at most (the first run included)."""
NETWORK_NS = 200_000_000
"""The same for a network whose layers are timed in place."""
LOOK = 3
"""Samples after which a routine is given up if its time is beyond the limit."""
_NETWORK_RUNS = (3, 15)
_WHOLE_NS = 60_000_000
_WHOLE_RUNS = (3, 20)


def measure(job: Job, limit_ns: int | None = None) -> Result:
    """Time a routine with data where the job's state has them (see `plait.backends.profiling.job`).

    In state `whole` the module is a plan, whose runs are timed end to end. In state `in_place` it is a network, too;
    the samples are those of all its layers of a first run, then of a second, and so on. In state `limits` there is no
    module: the message of the result has the limits of the machine as JSON, and how long that took is its sample.

    Args:
        limit_ns: a time beyond which it does not matter how long the routine takes: such a one is not measured to the
            end.
    """
    if job.state == WHOLE:
        return _measure_whole(job)
    _forget_plans()
    if job.state == LIMITS:
        return _measure_limits(job.threads)
    module = parse_module(job.module, "job", check=False)
    first_layer, *others = module.main
    if not others and is_resplit(first_layer):
        return attrs.evolve(measure_resplit(first_layer, job.threads), error=0.0 if job.check else None)
    if job.state == IN_PLACE:
        return _measure_network(module, job.threads)
    result = Result("ok", tuple(_measure_layer(module, job, limit_ns)))
    if not job.check:
        return result
    from plait.backends.profiling.accuracy import error_of

    return attrs.evolve(result, error=error_of(job))


def _measure_layer(module: Module, job: Job, limit_ns: int | None) -> list[int]:
    fill_constants(module)
    program = Program(module, job.threads)
    inputs = [data_of(v.type, seed) for seed, v in enumerate(module.main.arguments)]
    samples: list[int] = []
    first = int(program.time(inputs, 1)[0])
    if first > BUDGET_NS or (limit_ns is not None and first > 2 * limit_ns):
        # A cold first run is slower; one more tells.
        return [int(program.time(inputs, 1)[0])]
    batch = max(1, min(10, BUDGET_NS // max(first, 1) // 4))
    while not enough(samples, BUDGET_NS):
        # Three runs tell whether more are of use, where there is a limit; then the batch goes on.
        count = batch - len(samples) % batch
        count = count if limit_ns is None or samples else min(count, LOOK)
        samples += _samples(program, inputs, count, job.state)
        if limit_ns is not None and len(samples) >= LOOK and sorted(samples)[1] > limit_ns:
            break
    return [int(s) for s in samples]


def _samples(program: Program, inputs: list[Array], count: int, state: str) -> list[int]:
    """Times of so many runs, each with data where the state has them."""
    if state in (HOT, COLD):
        times: list[int] = program.time(inputs, count, cold=state == COLD).tolist()
        return times
    found = []
    for _ in range(count):
        program.evict_constants()
        found += program.time(inputs, 1).tolist()
    return found


def _measure_network(module: Module, threads: int) -> Result:
    fill_network(module)
    program = Program(module, threads)
    inputs = [data_of(v.type, seed) for seed, v in enumerate(module.main.arguments)]
    outputs = program.allocate_outputs()
    program.run(inputs, outputs)
    runs: list[list[int]] = []
    spent, (least, most) = 0, _NETWORK_RUNS
    while len(runs) < least or (len(runs) < most and spent < NETWORK_NS):
        times = program.layer_times(inputs, outputs)
        spent += int(times.sum())
        runs.append(times.tolist()[:-1])
    return Result("ok", tuple(sample for run in runs for sample in run))


def _measure_whole(job: Job) -> Result:
    program, inputs = _whole_program(job.module, job.threads)
    samples: list[int] = []
    program.time(inputs, 1)
    while len(samples) < _WHOLE_RUNS[0] or (len(samples) < _WHOLE_RUNS[1] and sum(samples) < _WHOLE_NS):
        samples += program.time(inputs, 1).tolist()
    return Result("ok", tuple(samples))


def _measure_limits(threads: int) -> Result:
    from plait.backends.profiling.probes import hasty, measure_limits

    began = time.monotonic_ns()
    (found,) = measure_limits([threads], hasty([threads]))
    return Result("ok", (time.monotonic_ns() - began,), json.dumps(found.to_json()))


@functools.lru_cache(maxsize=8)
def _whole_program(text: str, threads: int) -> tuple[Program, list[Array]]:
    """Plans that take turns are lowered once, and have in common the weights that they pack in the same way."""
    module = parse_module(text, "plan", check=False)
    fill_network(module, _weights_of_plans)
    with sharing(_packed_for_plans):
        program = Program(module, threads)
    return program, [data_of(v.type, seed) for seed, v in enumerate(module.main.arguments)]


def _forget_plans() -> None:
    _whole_program.cache_clear()
    _weights_of_plans.cache_clear()
    _packed_for_plans.clear()


_weights_of_plans = functools.cache(weights_of)
_packed_for_plans: Packed = {}
