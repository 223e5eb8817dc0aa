"""Tuned modules of one network run end to end, in turns: what is quick or slow for all of them decides nothing."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

from plait.backends.descriptor import RoutinePath
from plait.backends.profiling.job import Job, Result
from plait.backends.profiling.profiler import Profiler
from plait.backends.routine import find_routine
from plait.ir.module import Module
from plait.tuning.race import TURNS, Turns, whole_job


def medians_of(modules: Sequence[Module], profiler: Profiler, threads: int, how: Turns) -> list[float] | None:
    """Microseconds of a run of each module, the median over all turns; None if one cannot be run, or there was no time
    for a turn."""
    jobs = [_job(module, threads) for module in modules]
    found: dict[Job, Result] = {}
    for _ in range(TURNS):
        if time.monotonic() > how.deadline:
            break
        # Not what is known of them: that was measured at other times.
        for job in dict.fromkeys(jobs):
            result = profiler.run(job)
            if not result.ok:
                return None
            found[job] = found[job].joined(result) if job in found else result
    return [statistics.median(found[job].samples) / 1e3 for job in jobs] if found else None


def _job(module: Module, threads: int) -> Job:
    versions = set()
    for layer in module.main:
        routine = find_routine(layer.op, RoutinePath.parse(layer.via or ""))
        assert routine is not None, layer.describe()
        versions.add(routine.full_version)
    return whole_job(module, " ".join(sorted(versions)), threads)
