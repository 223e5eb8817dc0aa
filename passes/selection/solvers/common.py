"""What the solvers share: a cheap bound, and turning a choice into a priced solution."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from plait.passes.selection.conflict import find_conflict
from plait.passes.selection.options import SolveOptions
from plait.passes.selection.problem import Problem
from plait.passes.selection.reductions import Kept
from plait.passes.selection.solution import Conversion, Solution, Status, evaluate

ROUNDING = 1e-12
"""Relative error that sums of a search may have; see ``Solution``."""


def cheap_bound(problem: Problem) -> float:
    """A bound without search: the cheapest routine of every layer and no conversions."""
    least = [min(r.cost for r in table.routines) if table.routines else 0.0 for table in problem.tables]
    return math.fsum(least[layer.table] for layer in problem.layers)


def priced(
    problem: Problem,
    choice: Sequence[int],
    *,
    solver: str,
    started: float,
    bound: float,
    status: Status = "feasible",
    width: int | None = None,
    evaluated: tuple[float, tuple[Conversion, ...]] | None = None,
) -> Solution:
    """The solution of a choice, or "unknown" when its conversions do not exist.

    ``evaluated`` is the cost of the choice and its conversions, where known.  The bound is cut at the cost: where they
    differ by rounding only, the plan is optimal.
    """
    cost, conversions = evaluated or evaluate(problem, choice)
    if not math.isfinite(cost):
        return nothing_found(solver=solver, started=started, bound=bound)
    if bound >= cost * (1.0 - ROUNDING):
        status, bound = "optimal", cost
    seconds = time.perf_counter() - started
    return Solution(tuple(choice), conversions, cost, bound, status, solver, seconds, width)


def nothing_found(*, solver: str, started: float, bound: float) -> Solution:
    """The answer of a heuristic that ended without a plan."""
    return Solution((), (), math.inf, bound, "unknown", solver, time.perf_counter() - started)


def infeasible(*, solver: str, started: float, conflict: tuple[str, ...], width: int | None = None) -> Solution:
    """The answer that proves there is no plan."""
    seconds = time.perf_counter() - started
    return Solution((), (), math.inf, math.inf, "infeasible", solver, seconds, width, conflict)


def proven(
    problem: Problem, choice: Sequence[int], *, solver: str, started: float, width: int | None = None
) -> Solution:
    """The solution of a choice that is known to be a cheapest one: its own cost is the bound."""
    bound = evaluate(problem, choice)[0]
    return priced(problem, choice, solver=solver, started=started, bound=bound, status="optimal", width=width)


def no_plan(problem: Problem, kept: Kept, options: SolveOptions, *, solver: str, started: float) -> Solution:
    """The answer of a solver that has seen all plans over ``kept`` fail: infeasible, with the layers that clash."""
    conflict = find_conflict(problem, kept, options.table_limit)
    return infeasible(solver=solver, started=started, conflict=conflict)
