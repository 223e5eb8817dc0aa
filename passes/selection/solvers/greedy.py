"""Layer by layer in schedule order: the routine that adds least, conversions of its inputs included."""

from __future__ import annotations

import time

from plait.passes.selection.options import SolveOptions
from plait.passes.selection.problem import Problem, refuse_budgets
from plait.passes.selection.reductions import collapse
from plait.passes.selection.solution import Solution
from plait.passes.selection.solvers.bounds import lower_bound
from plait.passes.selection.solvers.common import priced
from plait.passes.selection.solvers.partial import PartialPlan

NAME = "greedy"


def solve(problem: Problem, options: SolveOptions = SolveOptions()) -> Solution:
    """Layer by layer what adds least, conversions of the inputs included; one pass, no look-ahead."""
    refuse_budgets(problem, NAME)
    started = time.perf_counter()
    plan = PartialPlan(problem)
    for i, candidates in enumerate(collapse(problem)):
        routines = problem.routines(i)
        plan.choose(min(candidates, key=lambda k: plan.extra(routines[k])))
    return priced(problem, plan.choice, solver=NAME, started=started, bound=lower_bound(problem, options))
