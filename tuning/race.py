"""The best plans run end to end, in turns, and the fastest is kept: sums of times are not quite what networks take."""

from __future__ import annotations

import hashlib
import math
import statistics
import time
from collections.abc import Sequence

import attrs

from plait.backends.profiling.job import WHOLE, Job, Result
from plait.backends.profiling.profiler import Profiler, Progress
from plait.ir.module import Module
from plait.ir.text.printer import print_module
from plait.passes.selection.apply import apply_solution
from plait.passes.selection.build import BuiltProblem, build_problem
from plait.passes.selection.nbest import n_best
from plait.passes.selection.solution import Solution
from plait.tuning.costs import MeasuredCosts
from plait.tuning.report import RaceRow

WITHIN = 0.03
"""Predictions that differ by less than this share may be in the wrong order."""
CLEAR = 0.005
"""By what share a plan has to be faster than the predicted best to be preferred."""
TURNS = 5


@attrs.frozen
class Turns:
    """How to race.

    Args:
        most: plans that take part, at most; with 1 it is only seen how long the best one takes.
        deadline: of `time.monotonic`; no turn starts after it.
        interruptible: whether a KeyboardInterrupt ends the race with the predicted best, rather than be raised.
    """

    most: int
    deadline: float = math.inf
    interruptible: bool = False


@attrs.frozen(eq=False)
class Plan:
    """A module with a solution written into it, and the problem that it solves."""

    module: Module
    problem: BuiltProblem
    solution: Solution
    adapts: int
    version: str
    """Of the routines that there are, and so of the kernels."""

    @staticmethod
    def of(module: Module, costs: MeasuredCosts, solution: Solution) -> Plan:
        """The plan in a copy of the module, whose function the costs are of."""
        copy = module.clone()
        mine = costs.for_copy(copy.main)
        problem = build_problem(copy.main, mine)
        version = " ".join(sorted({job.version for job in costs.entries.jobs()}))
        return Plan(copy, problem, solution, apply_solution(problem, solution, mine), version)

    def job(self, threads: int) -> Job:
        """What measures it."""
        return whole_job(self.module, self.version, threads)


def whole_job(module: Module, version: str, threads: int) -> Job:
    """What measures runs of a module whose layers have routines, end to end."""
    text = print_module(module, locations=False)
    return Job(f"plan {hashlib.sha256(text.encode()).hexdigest()[:32]}", "plan", version, threads, text, WHOLE)


@attrs.frozen(eq=False)
class Race:
    """The plan that is kept, and what all of them took (nothing if runs failed or there was no time)."""

    winner: Plan
    rows: tuple[RaceRow, ...] = ()
    interrupted: bool = False

    @property
    def measured_us(self) -> float | None:
        """The time of the winner."""
        return next((row.measured_us for row in self.rows if row.won), None)


def rivals(module: Module, costs: MeasuredCosts, count: int) -> list[Plan]:
    """The best plan and those nearly as good that differ from it in formats, up to `count` in all; only plans of
    measured entries."""
    measured = MeasuredCosts(costs.entries, costs.results)
    problem = build_problem(module.main, measured).problem
    solutions = n_best(problem, max(1, count), distinct="formats").solutions
    return [Plan.of(module, measured, s) for s in solutions if s.cost <= solutions[0].cost * (1 + WITHIN)]


def run_race(
    plans: Sequence[Plan], profiler: Profiler, threads: int, how: Turns, progress: Progress | None = None
) -> Race:
    """Let plans take turns, unless it is known how long they take. The first is kept unless another is clearly
    faster."""
    jobs = [plan.job(threads) for plan in plans]
    known = profiler.known(jobs)
    interrupted = False
    try:
        for turn in range(0 if len(known) == len(jobs) else TURNS):
            if time.monotonic() > how.deadline:
                break
            later = (TURNS - 1 - turn) * len(jobs)
            known |= profiler.sample(jobs, {}, progress and _followed(progress, later))
    except KeyboardInterrupt:
        if not how.interruptible:
            raise
        interrupted = True
    if not all(job in known and known[job].ok for job in jobs):
        return Race(plans[0], (), interrupted)
    return _judge(plans, [known[job] for job in jobs], interrupted)


def _clearly_faster(one: Result, other: Result) -> bool:
    """Whether the best, the lower quartile and the median of its times are all clearly below those of the other: what
    disturbs the machine during some turns of one plan moves them, but hardly ever all three."""
    places = (0, 0.25, 0.5)
    return all(_quantile(one, at) < (1 - CLEAR) * _quantile(other, at) for at in places)


def _quantile(result: Result, at: float) -> int:
    return sorted(result.samples)[int(at * (len(result.samples) - 1))]


def _followed(progress: Progress, later: int) -> Progress:
    """Progress of measurements that so many will follow."""
    return lambda done, total, job: progress(done, total + later, job)


def _judge(plans: Sequence[Plan], results: Sequence[Result], interrupted: bool) -> Race:
    times = [statistics.median(r.samples) / 1e3 for r in results]
    faster = [i for i, result in enumerate(results) if _clearly_faster(result, results[0])]
    won = min(faster, key=lambda i: times[i], default=0)
    first = [layer.via for layer in plans[0].module.main if layer.op != "adapt"]
    rows = []
    for i, plan in enumerate(plans):
        routines = [layer.via for layer in plan.module.main if layer.op != "adapt"]
        others = sum(a != b for a, b in zip(first, routines, strict=True))
        rows.append(RaceRow(plan.solution.cost, times[i], others, i == won))
    return Race(plans[won], tuple(rows), interrupted)
