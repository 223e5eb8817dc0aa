"""How firmly each layer's choice stands: the best plan without the chosen routine.

The *min-marginal* of a layer's state is the least objective among all plans with that state.  All of them
come from one elimination and one pass back over its tables (two-pass message passing on the bucket tree),
at about twice the price of a solve.  Dominated routines are kept here: they are alternatives too.
"""

from __future__ import annotations

import math

import attrs
import numpy as np

from plait.passes.selection.conversion import FloatArray
from plait.passes.selection.elimination import (
    Table,
    TooWideError,
    add_up,
    aligned,
    bounded_order,
    fill_buckets,
    positions,
    scope_around,
)
from plait.passes.selection.factor_graph import FactorGraph, build_graph
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
    graph = graph.detached()
    order = bounded_order(graph, table_limit=options.table_limit, tries=options.order_tries)
    position = positions(order)
    buckets = fill_buckets(graph, order)
    messages: dict[int, Table] = {}
    roots: dict[int, float] = {}
    children: dict[int, list[int]] = {v: [] for v in order.variables}
    for v in order.variables:
        scope = scope_around(v, buckets[v])
        messages[v] = scope, add_up(buckets[v], (*scope, v), graph).min(axis=-1)
        if scope:
            parent = min(scope, key=position.__getitem__)
            buckets[parent].append(messages[v])
            children[parent].append(v)
        else:
            roots[v] = float(messages[v][1])
    marginals: list[FloatArray] = list(graph.unary)
    for v in reversed(order.variables):
        axes = (*messages[v][0], v)
        belief = add_up(buckets[v], axes, graph)
        if v in roots:
            belief = belief + _others(roots, v)
        marginals[v] = belief.min(axis=tuple(range(len(axes) - 1)))
        for child in children[v]:
            buckets[child].append(_downward(belief, axes, messages[child]))
    return marginals


def _others(roots: dict[int, float], v: int) -> float:
    """Optimum of the components that do not contain ``v``."""
    return math.fsum(cost for root, cost in roots.items() if root != v)


def _downward(belief: FloatArray, axes: tuple[int, ...], message: Table) -> Table:
    """What the rest of the graph adds to a bucket: the belief of its parent without its own message.

    Where the message is infinite the bucket's own tables forbid the state, so anything may stand there.
    """
    scope, own = message
    drop = tuple(k for k, a in enumerate(axes) if a not in scope)
    rest = belief.min(axis=drop, keepdims=True)
    mine = aligned(message, axes)
    with np.errstate(invalid="ignore"):
        difference = np.where(np.isfinite(mine), rest - mine, 0.0)
    kept_axes = tuple(a for a in axes if a in scope)
    table: FloatArray = difference.reshape([own.shape[scope.index(a)] for a in kept_axes])
    return kept_axes, table
