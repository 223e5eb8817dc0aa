"""Exact selection: reduce, build the factor graph, eliminate; dual bound and core search when too wide."""

from __future__ import annotations

import math
import time

from plait.passes.selection.budgets.solve import solve_budgeted
from plait.passes.selection.build_graph import build_graph
from plait.passes.selection.conflict import find_conflict
from plait.passes.selection.options import SolveOptions
from plait.passes.selection.problem import Problem, TooManyFormatsError
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
    try:
        graph = build_graph(problem, kept)
    except TooManyFormatsError:
        return _solve_relaxed(problem, kept, options, started)
    search = WideSearch(
        graph,
        len(problem.layers),
        options.table_limit,
        lambda states: evaluate(problem, chosen(kept, states))[0],
        started + options.time_limit,
    )
    result = search.run(options.dual_sweeps, options.order_tries)
    if result.proven and result.states is None:
        return _infeasible(problem, kept, options, started, result.width)
    choice = _heuristic(problem, options) if result.states is None else chosen(kept, result.states)
    if choice is None:
        return nothing_found(solver=NAME, started=started, bound=result.bound)
    # What is proven is the objective's own float: the sums of elimination round differently.
    return priced(problem, choice, solver=NAME, started=started, bound=result.bound, width=result.width)


def _solve_relaxed(problem: Problem, kept: Kept, options: SolveOptions, started: float) -> Solution:
    """A plan and a bound where values may be wanted in too many formats: those are priced from below, use by use.

    The plans tried are the best ones with these values so priced, with no conversion shared, and the heuristics'.
    """
    choices = []
    bound, width = -math.inf, None
    for graph in (build_graph(problem, kept, relaxed=True), build_graph(problem, kept, "none")):
        search = WideSearch(
            graph, len(problem.layers), options.table_limit, graph.objective, started + options.time_limit
        )
        result = search.run(options.dual_sweeps, options.order_tries)
        if result.proven and result.states is None:
            return _infeasible(problem, kept, options, started, result.width)
        if math.isinf(bound):
            bound, width = result.bound, result.width
        if result.states is not None:
            choices.append(chosen(kept, result.states))
    heuristic = _heuristic(problem, options)
    choices += [] if heuristic is None else [heuristic]
    if not choices:
        return nothing_found(solver=NAME, started=started, bound=bound)
    choice = min(choices, key=lambda choice: evaluate(problem, choice)[0])
    return priced(problem, choice, solver=NAME, started=started, bound=bound, width=width)


def _heuristic(problem: Problem, options: SolveOptions) -> tuple[int, ...] | None:
    """The better heuristic plan."""
    plans = [s for s in (greedy.solve(problem, options), single_format.solve(problem, options)) if s.found]
    return min(plans, key=lambda s: s.cost).choice if plans else None


def chosen(kept: Kept, states: tuple[int, ...]) -> tuple[int, ...]:
    """Original routine indices of the layers' states."""
    return tuple(candidates[s] for candidates, s in zip(kept, states, strict=False))


def _infeasible(problem: Problem, kept: Kept, options: SolveOptions, started: float, width: int | None) -> Solution:
    conflict = find_conflict(problem, kept, options.table_limit)
    return infeasible(solver=NAME, started=started, conflict=conflict, width=width)
