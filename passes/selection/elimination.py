"""Exact minimisation of a factor graph by variable elimination (min-sum bucket elimination).

Eliminating a variable adds up all tables that mention it, minimises the variable out, and leaves a
message: a table over its neighbours.  The smallest sum of the last messages is the optimum; read backwards,
the steps give the best states.  The loops are in ``_minsum.pyx``.
"""

from __future__ import annotations

import attrs
import numpy as np

from plait.passes.selection._minsum import BucketTree
from plait.passes.selection.factor_graph import FactorGraph
from plait.passes.selection.ordering import Order, find_order

DEFAULT_TABLE_LIMIT = 1 << 24
"""Entries a table may have: 128 MiB of float64."""


class TooWideError(Exception):
    """The best order found needs a table above the limit; ``order`` is that order."""

    def __init__(self, order: Order) -> None:
        super().__init__(f"elimination needs a table of 2^{order.largest:.1f} entries")
        self.order = order


@attrs.frozen
class Elimination:
    """Optimum of the objective, one best state per variable (None when infeasible), and the order used."""

    optimum: float
    states: tuple[int, ...] | None
    order: Order


def eliminate(
    graph: FactorGraph, *, table_limit: int = DEFAULT_TABLE_LIMIT, tries: int = 12, order: Order | None = None
) -> Elimination:
    """Solve the graph exactly; raises ``TooWideError`` before allocating anything too large.

    ``order`` is one found before.
    """
    order = bounded_order(graph, table_limit=table_limit, tries=tries, order=order)
    tree = bucket_tree(graph, order)
    tree.forward(len(order.variables))
    if not np.isfinite(tree.constant):
        return Elimination(np.inf, None, order)
    states = np.zeros(len(graph.sizes), dtype=np.intc)
    tree.decode(states)
    return Elimination(tree.constant, tuple(states.tolist()), order)


def bounded_order(graph: FactorGraph, *, table_limit: int, tries: int, order: Order | None = None) -> Order:
    """A good order of the graph (the given one, if any) whose tables all keep to the limit, or ``TooWideError``."""
    order = order or find_order(graph.sizes, graph.ties(), tries=tries)
    if order.largest > np.log2(table_limit) + 1e-9:
        raise TooWideError(order)
    return order


def bucket_tree(graph: FactorGraph, order: Order, *, keep_all: bool = False) -> BucketTree:
    """The compiled elimination, with nothing eliminated yet; ``keep_all`` keeps messages for min-marginals."""
    return BucketTree(graph.sizes, graph.cost_at, graph.ends, graph.table_at, graph.entries, order.variables, keep_all)
