"""The selection problem of a model, with measured costs."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from plait.backends.descriptor import RoutinePattern
from plait.backends.profiling.database import ProfileDatabase
from plait.backends.profiling.profiler import Profiler, Progress, WorkerProfiler
from plait.ir.module import Module
from plait.passes.selection.build import BuiltProblem, build_problem
from plait.tuning.entries import Entries
from plait.tuning.select import measure_all


def measured_problem(
    module: Module,
    profiler: Profiler,
    *,
    threads: int = 1,
    routines: Sequence[str] = (),
    progress: Progress | None = None,
    name: str = "",
) -> BuiltProblem:
    """The problem that `tune` solves for an optimised module with static shapes, all entries measured.

    Costs are microseconds, with the spread and the number of the samples behind them.

    Args:
        routines: descriptor patterns that restrict the routines; the last one that names a layer decides for it.
        name: of the problem (default: that of the function).

    Raises:
        DescriptorError: P404, a pattern is malformed or matches nothing.
        ProblemError: a layer has no routine that could be measured.
    """
    patterns = [RoutinePattern.parse(text) for text in routines]
    entries = Entries(module.main, threads=threads, patterns=patterns)
    return build_problem(module.main, measure_all(entries, profiler, progress).costs, name=name)


def problem_of(
    module: Module,
    *,
    threads: int = 1,
    routines: Sequence[str] = (),
    db: str | PathLike[str] | None = None,
    progress: Progress | None = None,
    name: str = "",
) -> BuiltProblem:
    """`measured_problem` with a profile database by path, whose measurements are not taken again."""
    with ProfileDatabase(Path(db) if db is not None else None) as database:
        return measured_problem(
            module, WorkerProfiler(database), threads=threads, routines=routines, progress=progress, name=name
        )
