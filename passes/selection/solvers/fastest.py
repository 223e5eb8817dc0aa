"""The fastest routine of every layer, conversions ignored while choosing (and paid afterwards)."""

from __future__ import annotations

import time

from plait.passes.selection.options import SolveOptions
from plait.passes.selection.problem import Problem, refuse_budgets
from plait.passes.selection.solution import Solution
from plait.passes.selection.solvers.bounds import lower_bound
from plait.passes.selection.solvers.common import priced

NAME = "fastest"


def solve(problem: Problem, options: SolveOptions = SolveOptions()) -> Solution:
    """The fastest routine of every layer, conversions ignored."""
    refuse_budgets(problem, NAME)
    started = time.perf_counter()
    choice = [
        min(range(len(problem.routines(i))), key=lambda k: problem.routines(i)[k].cost)
        for i in range(len(problem.layers))
    ]
    return priced(problem, choice, solver=NAME, started=started, bound=lower_bound(problem, options))
