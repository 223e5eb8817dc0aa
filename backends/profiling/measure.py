"""Measuring a job in this process: parse the layer, make data, lower, run, time."""

from __future__ import annotations

import functools

import numpy as np

from plait.backends.profiling.job import Job, Result, enough
from plait.backends.profiling.resplit import is_resplit, measure_resplit
from plait.backends.program import Program
from plait.ir.module import Module
from plait.ir.text.parser import parse_module
from plait.ir.types import DType, Type
from plait.ir.values import Array

BUDGET_NS = 40_000_000
"""Time spent on samples of one routine, at most (the first run included)."""
HOPELESS = 3.0
"""A routine whose first runs take this many times the best known time of its layer gets no more samples."""


def measure(job: Job, best_ns: int | None = None) -> Result:
    """Time a routine with its weights in memory and its images in cache, as far as they fit (state `streamed`).

    That is how a network meets them: images were just written by the layer before, while all other weights have passed
    since these were last read.

    Args:
        best_ns: time of the best routine of this layer so far; a hopeless one is not measured to the end.
    """
    module = parse_module(job.module, "job", check=False)
    if is_resplit(first_layer := next(iter(module.main))):
        return measure_resplit(first_layer, job.threads)
    fill_constants(module)
    program = Program(module, job.threads)
    inputs = [_data(v.type, seed) for seed, v in enumerate(module.main.arguments)]
    samples: list[int] = []
    first = int(program.time(inputs, 1)[0])
    if first > BUDGET_NS or (best_ns is not None and first > 2 * HOPELESS * best_ns):
        # A cold first run is slower; one more tells.
        return Result("ok", (int(program.time(inputs, 1)[0]),))
    batch = max(1, min(10, BUDGET_NS // max(first, 1) // 4))
    while not enough(samples, BUDGET_NS):
        for _ in range(batch):
            program.evict_constants()
            samples += program.time(inputs, 1).tolist()
        if best_ns is not None and len(samples) >= 3 and sorted(samples)[1] > HOPELESS * best_ns:
            break
    return Result("ok", tuple(int(s) for s in samples))


def fill_constants(module: Module) -> None:
    """Give constants without data random elements (integers: zeros)."""
    for seed, constant in enumerate(module.constants.values()):
        constant.supply(functools.partial(_data, constant.type, 1000 + seed))


def _data(type: Type, seed: int) -> Array:
    shape, dtype = type.storage_shape, type.dtype
    if dtype in (DType.F32, DType.F64, DType.F16):
        # Values of one size: no denormals, no overflow in long chains of products.
        return np.random.default_rng(seed).uniform(0.025, 0.1, shape).astype(dtype.numpy)
    zeros: Array = np.zeros(shape, dtype.numpy)
    return zeros
