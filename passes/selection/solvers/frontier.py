"""Elimination in schedule order: exact, with work that grows with the number of values alive at once."""

from __future__ import annotations

import time

import attrs

from plait.passes.selection.budgets.solve import solve_budgeted
from plait.passes.selection.cheapest_ways import cheapest_ways, unshared
from plait.passes.selection.conflict import find_conflict
from plait.passes.selection.frontier import Frontier, TooManyStatesError
from plait.passes.selection.options import SolveOptions
from plait.passes.selection.problem import Problem
from plait.passes.selection.reductions import reduce
from plait.passes.selection.solution import Solution, evaluate
from plait.passes.selection.solvers import greedy
from plait.passes.selection.solvers.common import cheap_bound, infeasible, priced

NAME = "frontier"
_BEAM = 1_000


def solve(problem: Problem, options: SolveOptions = SolveOptions()) -> Solution:
    """The optimum; above ``options.state_limit`` states or half of the time limit, the best of a beam, with a weak
    bound."""
    if problem.budgets:
        return solve_budgeted(problem, options)
    started = time.perf_counter()
    kept = reduce(problem, dominance=options.dominance)
    stated = unshared(problem) if problem.sharing == "none" else problem
    ways = cheapest_ways(stated, kept)
    try:
        deadline = started + options.time_limit / 2
        found = Frontier(stated, kept, ways, limit=options.state_limit, deadline=deadline).run()
    except TooManyStatesError:
        found = Frontier(stated, kept, ways, limit=min(_BEAM, options.state_limit), beam="cost").run()
    if found.choice is None:
        if not found.complete:
            # The beam kept copies that later layers had no use for.
            rough = greedy.solve(problem, options)
            return attrs.evolve(rough, solver=NAME, seconds=time.perf_counter() - started)
        conflict = find_conflict(problem, kept, options.table_limit)
        return infeasible(solver=NAME, started=started, conflict=conflict, width=found.width)
    cost = evaluate(problem, found.choice)[0]
    bound = cost if found.complete else min(cost, cheap_bound(problem))
    return priced(problem, found.choice, solver=NAME, started=started, bound=bound, width=found.width)
