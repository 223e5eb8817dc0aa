"""Integer programming by HiGHS, through SciPy (extra ``select``): another exact method, for comparison."""

from __future__ import annotations

import math
import time

from plait.passes.selection.budgets.solve import solve_budgeted
from plait.passes.selection.cheapest_ways import cheapest_ways, unshared
from plait.passes.selection.conflict import find_conflict
from plait.passes.selection.ilp import available, solve_ilp
from plait.passes.selection.options import SolveOptions
from plait.passes.selection.problem import Problem, ProblemError
from plait.passes.selection.reductions import reduce
from plait.passes.selection.solution import Solution, evaluate
from plait.passes.selection.solvers.common import cheap_bound, infeasible, nothing_found, priced

NAME = "highs"
_TOLERANCE = 1e-9


def solve(problem: Problem, options: SolveOptions = SolveOptions()) -> Solution:
    """The optimum, or the best plan and bound when ``options.time_limit`` is over.

    Raises:
        ProblemError: SciPy is not installed.
    """
    if not available():
        raise ProblemError("solver 'highs' needs SciPy: pip install 'plait[select]'")
    if problem.budgets:
        return solve_budgeted(problem, options)
    started = time.perf_counter()
    kept = reduce(problem, dominance=options.dominance)
    stated = unshared(problem) if problem.sharing == "none" else problem
    found = solve_ilp(stated, kept, cheapest_ways(stated, kept), time_limit=options.time_limit)
    if found.status == "infeasible":
        conflict = find_conflict(problem, kept, options.table_limit)
        return infeasible(solver=NAME, started=started, conflict=conflict)
    bound = max(found.bound, cheap_bound(problem))
    if not found.choice:
        return nothing_found(solver=NAME, started=started, bound=bound)
    cost = evaluate(problem, found.choice)[0]
    if found.status == "optimal" and math.isclose(cost, bound, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE):
        bound = cost
    return priced(problem, found.choice, solver=NAME, started=started, bound=min(bound, cost))
