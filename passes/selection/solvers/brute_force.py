"""Every assignment, one after the other: the reference for small problems.

It uses neither the reductions nor the factor graph, so that agreement with them means something.
"""

from __future__ import annotations

import itertools
import math
import time

from plait.passes.selection.options import SolveOptions
from plait.passes.selection.problem import Problem, ProblemError, refuse_budgets
from plait.passes.selection.solution import Solution, evaluate
from plait.passes.selection.solvers.common import infeasible, priced

NAME = "brute_force"


def solve(problem: Problem, options: SolveOptions = SolveOptions()) -> Solution:
    """Every assignment, one after the other; refuses problems with more of them than `brute_limit`."""
    refuse_budgets(problem, NAME)
    started = time.perf_counter()
    counts = [len(problem.routines(i)) for i in range(len(problem.layers))]
    if math.prod(counts) > options.brute_limit:
        raise ProblemError(
            f"brute force would try {math.prod(counts):.3g} assignments, the limit is {options.brute_limit}"
        )
    best, choice = math.inf, None
    for candidate in itertools.product(*map(range, counts)):
        cost = evaluate(problem, candidate)[0]
        if cost < best:
            best, choice = cost, candidate
    if choice is None:
        everything = tuple(problem.layer_label(i) for i in range(len(counts)))
        return infeasible(solver=NAME, started=started, conflict=everything)
    return priced(problem, choice, solver=NAME, started=started, bound=best)
