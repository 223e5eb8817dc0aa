"""How firmly each layer's choice stands: the best plan without the chosen routine.

The *min-marginal* of a layer's state is the least objective among all plans with that state.  All of them
come from one elimination and one pass back over its tables (two-pass message passing on the bucket tree),
at about twice the price of a solve.  Dominated routines are kept here: they are alternatives too.
"""

from __future__ import annotations

import math

import attrs
import numpy as np

from plait.passes.selection.build_graph import build_graph
from plait.passes.selection.conversion import FloatArray
from plait.passes.selection.elimination import TooWideError, bounded_order, bucket_tree
from plait.passes.selection.factor_graph import FactorGraph
from plait.passes.selection.options import SolveOptions
from plait.passes.selection.problem import Problem, TooManyFormatsError, refuse_budgets
from plait.passes.selection.reductions import Kept, reduce
from plait.passes.selection.solution import Solution


@attrs.frozen
class RunnerUp:
    """The best alternative for one layer.

    ``routine`` indexes the layer's candidates; None when there is no other one that any plan can use.
    ``cost`` is the objective of the best plan with it and ``loss`` what that plan costs more than the
    given one, in ``problem.unit``, up to rounding (relative 1e-12); infinite with ``routine`` None.
    """

    layer: int
    chosen: int
    routine: int | None
    cost: float
    loss: float


def runners_up(
    problem: Problem, solution: Solution, options: SolveOptions = SolveOptions()
) -> tuple[RunnerUp, ...] | None:
    """For every layer of an optimal solution its best alternative; None when that is too wide to compute.

    Where the graph with all signatures is too wide, dominated routines are left out of the alternatives.
    """
    refuse_budgets(problem, "sensitivity")
    if solution.status != "optimal":
        raise ValueError(f"runners-up are defined for an optimal solution, this one is {solution.status}")
    for dominance in (False, True):
        kept = reduce(problem, dominance=dominance)
        try:
            costs = min_marginals(build_graph(problem, kept), options)
        except (TooWideError, TooManyFormatsError):
            continue
        return tuple(_runner_up(problem, solution, i, kept, costs[i]) for i in range(len(problem.layers)))
    return None


def _runner_up(problem: Problem, solution: Solution, layer: int, kept: Kept, costs: FloatArray) -> RunnerUp:
    """The least of: another signature's min-marginal; the chosen signature with its next routine."""
    routines, chosen = problem.routines(layer), solution.choice[layer]
    best: tuple[float, int | None] = (math.inf, None)
    for k, cost in zip(kept[layer], costs, strict=True):
        if routines[k].signature != routines[chosen].signature and cost < best[0]:
            best = float(cost), k
    for k, routine in enumerate(routines):
        if k != chosen and routine.signature == routines[chosen].signature:
            best = min(best, (solution.cost - routines[chosen].cost + routine.cost, k), key=lambda b: b[0])
    return RunnerUp(layer, chosen, best[1], best[0], best[0] - solution.cost)


def min_marginals(graph: FactorGraph, options: SolveOptions = SolveOptions()) -> list[FloatArray]:
    """For every variable and state the optimum with that state; raises ``TooWideError``."""
    order = bounded_order(graph, table_limit=options.table_limit, tries=options.order_tries)
    tree = bucket_tree(graph, order, keep_all=True)
    tree.forward(len(order.variables))
    return np.split(tree.marginals(), np.cumsum(graph.sizes)[:-1])
