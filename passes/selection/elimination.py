"""Exact minimisation of a factor graph by variable elimination (min-sum bucket elimination).

Eliminating a variable adds up all tables that mention it, minimises the variable out, and leaves a
message: a table over its neighbours.  The smallest sum of the last messages is the optimum; the stored
argmins, read backwards, give the best states.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import attrs
import numpy as np

from plait.passes.selection.conversion import FloatArray
from plait.passes.selection.factor_graph import FactorGraph, IntArray
from plait.passes.selection.ordering import Order, find_order

Table: TypeAlias = tuple[tuple[int, ...], FloatArray]
"""Scope (ascending variables) and array with one axis each."""

DEFAULT_TABLE_LIMIT = 1 << 24
"""Entries a table may have: 128 MiB of float64."""

_WHOLE = 1 << 16


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


def eliminate(graph: FactorGraph, *, table_limit: int = DEFAULT_TABLE_LIMIT, tries: int = 12) -> Elimination:
    """Solve the graph exactly; raises ``TooWideError`` before allocating anything too large."""
    graph = graph.detached()
    order = bounded_order(graph, table_limit=table_limit, tries=tries)
    buckets = fill_buckets(graph, order)
    position = positions(order)
    best: dict[int, tuple[tuple[int, ...], IntArray]] = {}
    optimum = 0.0
    for v in order.variables:
        scope = scope_around(v, buckets[v])
        message, argmin = _minimise_out(v, scope, buckets.pop(v), graph)
        best[v] = scope, argmin
        if scope:
            buckets[min(scope, key=position.__getitem__)].append((scope, message))
        else:
            optimum += float(message)
    if not np.isfinite(optimum):
        return Elimination(np.inf, None, order)
    states = [0] * len(graph.unary)
    for v in reversed(order.variables):
        scope, argmin = best[v]
        states[v] = int(argmin[tuple(states[u] for u in scope)])
    return Elimination(optimum, tuple(states), order)


def bounded_order(graph: FactorGraph, *, table_limit: int, tries: int) -> Order:
    """A good order of the graph whose tables all keep to the limit, or ``TooWideError``."""
    order = find_order(graph.sizes, graph.pairs, tries=tries)
    if order.largest > np.log2(table_limit) + 1e-9:
        raise TooWideError(order)
    return order


def positions(order: Order) -> dict[int, int]:
    """When each variable is eliminated."""
    return {v: n for n, v in enumerate(order.variables)}


def fill_buckets(graph: FactorGraph, order: Order) -> dict[int, list[Table]]:
    """For each variable its own costs and the pair tables in which it goes first."""
    position = positions(order)
    buckets: dict[int, list[Table]] = {v: [((v,), graph.unary[v])] for v in order.variables}
    for (i, j), table in graph.pairs.items():
        buckets[i if position[i] < position[j] else j].append(((i, j), table))
    return buckets


def scope_around(v: int, tables: Iterable[Table]) -> tuple[int, ...]:
    """The variables other than ``v`` that the tables mention, ascending."""
    return tuple(sorted({u for scope, _ in tables for u in scope} - {v}))


def aligned(table: Table, axes: Sequence[int]) -> FloatArray:
    """The array with its axes moved to those of ``axes`` and length-one axes for the others."""
    scope, array = table
    by_axis = sorted(range(len(scope)), key=lambda k: axes.index(scope[k]))
    shape = [1] * len(axes)
    for k in by_axis:
        shape[axes.index(scope[k])] = array.shape[k]
    return array.transpose(by_axis).reshape(shape)


def add_up(tables: Iterable[Table], axes: Sequence[int], graph: FactorGraph) -> FloatArray:
    """Sum of the tables over all of ``axes``; small ones are added first."""
    total: FloatArray = np.zeros([1] * len(axes))
    for table in sorted((aligned(t, axes) for t in tables), key=lambda a: a.size):
        total = total + table
    return np.broadcast_to(total, [len(graph.unary[a]) for a in axes])


def _minimise_out(
    v: int, scope: tuple[int, ...], tables: list[Table], graph: FactorGraph
) -> tuple[FloatArray, IntArray]:
    """Minimum and first argmin over ``v`` of the summed tables, as arrays over ``scope``."""
    sizes = [len(graph.unary[u]) for u in scope]
    states = len(graph.unary[v])
    axes = (*scope, v)
    if int(np.prod(sizes)) * states <= _WHOLE:
        total = add_up(tables, axes, graph)
        return total.min(axis=-1), total.argmin(axis=-1)
    # A large table is never held whole: one state of v at a time.
    views = [aligned(t, axes) for t in sorted(tables, key=lambda t: t[1].size)]
    least: FloatArray = np.full(sizes, np.inf)
    argmin: IntArray = np.zeros(sizes, dtype=np.min_scalar_type(states))
    for state in range(states):
        total = np.zeros([1] * len(scope))
        for view in views:
            total = total + view[..., state]
        better = total < least
        np.copyto(least, total, where=better)
        np.copyto(argmin, state, where=better)
    return least, argmin
