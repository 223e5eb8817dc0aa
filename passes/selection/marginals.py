"""The least cost of a plan with each state of a graph: exact where elimination is possible, else bounds from below."""

from __future__ import annotations

import attrs
import numpy as np

from plait.passes.selection.columns import FloatArray
from plait.passes.selection.contraction import (
    Smaller,
    consistent,
    contracted,
    emptied,
    restricted,
    starts_of,
    unchanged,
)
from plait.passes.selection.dual import Dual
from plait.passes.selection.elimination import TooWideError, bounded_order, bucket_tree
from plait.passes.selection.factor_graph import FactorGraph
from plait.passes.selection.options import SolveOptions

_KEPT_LOG2 = 25.0
"""log2 of the entries that all messages may have together: 256 MiB."""
_MOST_SWEEPS = 100
_PRUNING_SWEEPS, _PRUNING_ROUNDS = 24, 4


@attrs.frozen
class StateCosts:
    """For every variable and state the least objective of an assignment with it, or (not ``exact``) a lower bound.

    Infinite where no assignment has the state.
    """

    costs: tuple[FloatArray, ...]
    exact: bool


def state_costs(graph: FactorGraph, layers: int, options: SolveOptions = SolveOptions()) -> StateCosts:
    """Min-marginals where their tables keep to the limit, else bounds; ``layers`` variables come before the sets."""
    try:
        return StateCosts(tuple(min_marginals(graph, options)), True)
    except TooWideError:
        return StateCosts(tuple(bounded_costs(graph, layers, options)), False)


def min_marginals(graph: FactorGraph, options: SolveOptions = SolveOptions()) -> list[FloatArray]:
    """For every variable and state the optimum with that state; raises ``TooWideError``.

    All of them come from one elimination and one pass back over its tables (two-pass message passing on the bucket
    tree), at about three times the price of a solve.
    """
    order = bounded_order(graph, table_limit=options.table_limit, tries=options.order_tries)
    if order.total > _KEPT_LOG2:
        raise TooWideError(order)
    tree = bucket_tree(graph, order, keep_all=True)
    tree.forward(len(order.variables))
    if not np.isfinite(tree.constant):
        return [np.full(n, np.inf) for n in graph.sizes.tolist()]
    return np.split(tree.marginals(), np.cumsum(graph.sizes)[:-1])


def bounded_costs(graph: FactorGraph, layers: int, options: SolveOptions) -> list[FloatArray]:
    """For every variable and state a lower bound on the optimum with it: the dual bound and the state's excess."""
    found = [np.full(n, np.inf) for n in graph.sizes.tolist()]
    alive = consistent(graph)
    if emptied(graph, alive):
        return found
    small = restricted(graph, alive)
    small = small.then(contracted(small.graph, layers, neighbours=-1))
    dual = Dual(small.graph)
    dual.sweep(min(options.dual_sweeps, _MOST_SWEEPS))
    costs = np.split(dual.excesses() + dual.bound() + small.constant, np.cumsum(small.graph.sizes)[:-1])
    starts = starts_of(graph.sizes)
    for v, own in zip(small.variables.tolist(), costs, strict=True):
        found[v][alive[starts[v] : starts[v + 1]]] = own
    return found


def pruned(graph: FactorGraph, layers: int, most: float) -> Smaller:
    """The graph without states that no assignment of objective up to ``most`` has, as far as the dual tells."""
    small = unchanged(graph).then(contracted(graph, layers, neighbours=-1))
    alive = consistent(small.graph)
    for _ in range(_PRUNING_ROUNDS):
        if emptied(small.graph, alive):
            break
        small = small.then(restricted(small.graph, alive))
        dual = Dual(small.graph)
        dual.sweep(_PRUNING_SWEEPS)
        alive = dual.excesses() <= most - dual.bound() - small.constant
        if alive.all():
            break
        alive = consistent(small.graph, alive)
    return small
