"""Tuned modules of one network run end to end, in turns: what is quick or slow for all of them decides nothing."""

from __future__ import annotations

import hashlib
import statistics
import time
from collections.abc import Sequence

import attrs

from plait.backends.descriptor import RoutinePath
from plait.backends.profiling.job import Job
from plait.backends.profiling.profiler import Profiler
from plait.backends.routine import find_routine
from plait.ir.module import Module
from plait.tuning.race import TURNS, Turns, whole_job


def medians_of(modules: Sequence[Module], profiler: Profiler, threads: int, how: Turns) -> list[float] | None:
    """Microseconds of a run of each module, the median over all turns; None if one cannot be run, or there was no time
    for a turn.

    What is known counts where all of them took turns with each other then: no others, at no other time.
    """
    jobs = jobs_of(modules, threads)
    found = profiler.known(jobs)
    for _ in range(0 if all(job in found for job in jobs) else TURNS):
        if time.monotonic() > how.deadline:
            break
        found = profiler.sample(list(dict.fromkeys(jobs)), {})
    if not all(job in found and found[job].ok for job in jobs):
        return None
    return [statistics.median(found[job].samples) / 1e3 for job in jobs]


def jobs_of(modules: Sequence[Module], threads: int) -> list[Job]:
    """What measures modules that take turns."""
    alone = [_job(module, threads) for module in modules]
    names = "\n".join(sorted({f"{job.signature} {job.version}" for job in alone}))
    among = hashlib.sha256(names.encode()).hexdigest()[:16]
    return [attrs.evolve(job, signature=f"{job.signature} among {among}") for job in alone]


def _job(module: Module, threads: int) -> Job:
    versions = set()
    for layer in module.main:
        routine = find_routine(layer.op, RoutinePath.parse(layer.via or ""))
        assert routine is not None, layer.describe()
        versions.add(routine.full_version)
    return whole_job(module, " ".join(sorted(versions)), threads)
