"""Exact selection: reduce, build the factor graph, eliminate; dual bound and core search when too wide."""

from __future__ import annotations

import math
import time

from plait.passes.selection.budgets.solve import solve_budgeted
from plait.passes.selection.build_graph import build_graph
from plait.passes.selection.conflict import find_conflict
from plait.passes.selection.elimination import TooWideError, eliminate
from plait.passes.selection.factor_graph import FactorGraph
from plait.passes.selection.options import SolveOptions
from plait.passes.selection.problem import Problem
from plait.passes.selection.reductions import Kept, reduce
from plait.passes.selection.solution import Solution, evaluate
from plait.passes.selection.solvers import greedy, single_format
from plait.passes.selection.solvers.common import infeasible, nothing_found, priced
from plait.passes.selection.wide import WideSearch

NAME = "exact"


def solve(problem: Problem, options: SolveOptions = SolveOptions()) -> Solution:
    """The optimum with proof, or the best plan found with its gap where the graph is too wide."""
    if problem.budgets:
        return solve_budgeted(problem, options)
    started = time.perf_counter()
    kept = reduce(problem, dominance=options.dominance)
    graph = build_graph(problem, kept)
    try:
        found = eliminate(graph, table_limit=options.table_limit, tries=options.order_tries)
    except TooWideError:
        return _solve_wide(problem, kept, graph, options, started)
    width = found.order.width
    if found.states is None:
        return _infeasible(problem, kept, options, started, width)
    choice = chosen(kept, found.states)
    evaluated = evaluate(problem, choice)
    cost = evaluated[0]
    if not math.isclose(cost, found.optimum, rel_tol=1e-9, abs_tol=1e-9):
        raise AssertionError(f"elimination promised {found.optimum!r}, its choice costs {cost!r}")
    # The two sums round differently; the proven optimum is the objective's float.
    return priced(
        problem, choice, solver=NAME, started=started, bound=cost, status="optimal", width=width, evaluated=evaluated
    )


def chosen(kept: Kept, states: tuple[int, ...]) -> tuple[int, ...]:
    """Original routine indices of the layers' states."""
    return tuple(candidates[s] for candidates, s in zip(kept, states, strict=False))


def _infeasible(problem: Problem, kept: Kept, options: SolveOptions, started: float, width: int | None) -> Solution:
    conflict = find_conflict(problem, kept, options.table_limit)
    return infeasible(solver=NAME, started=started, conflict=conflict, width=width)


def _solve_wide(problem: Problem, kept: Kept, graph: FactorGraph, options: SolveOptions, started: float) -> Solution:
    """Start from the better heuristic plan, then bound and search the core."""
    starts = [s for s in (greedy.solve(problem, options), single_format.solve(problem, options)) if s.found]
    best = min(starts, key=lambda s: s.cost, default=None)
    search = WideSearch(
        graph,
        best.cost if best else math.inf,
        options.table_limit,
        lambda states: evaluate(problem, chosen(kept, states))[0],
    )
    result = search.run(options.dual_sweeps)
    if result.proven and result.bound == math.inf:
        return _infeasible(problem, kept, options, started, result.width)
    if result.states is not None:
        choice = chosen(kept, result.states)
    elif best:
        choice = best.choice
    else:
        return nothing_found(solver=NAME, started=started, bound=result.bound)
    return priced(problem, choice, solver=NAME, started=started, bound=result.bound, width=result.width)
