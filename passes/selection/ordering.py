"""Elimination orders: greedy, weighted by table size, deterministic.

A variable's elimination makes one table over it and its neighbours, and ties the neighbours to each
other.  The order decides how large those tables get.  What counts is their size in entries, not the
number of neighbours, since a set variable may have thirty times the states of a layer.
"""

from __future__ import annotations

import math

import attrs
import numpy as np

from plait.passes.selection._order import greedy
from plait.passes.selection.columns import FloatArray, Indices, Starts

_EASY_LOG2 = 14.0


@attrs.frozen(eq=False)
class Order:
    """An order, and what it costs: largest table and all tables together (log2 of entries), width."""

    variables: Indices
    largest: float
    total: float
    width: int


def find_order(sizes: Indices, pairs: Indices, *, tries: int = 12) -> Order:
    """The best of several greedy orders; one try where its tables are small anyway.

    ``pairs`` are the variables ``[pair, 2]`` that share a table, in any order and number.  The tries are smallest table
    first, least fill first, then both with seeded perturbations, so that equal input always gives the equal order.
    """
    starts, near = adjacency(len(sizes), pairs)
    log_sizes: FloatArray = np.log2(np.maximum(np.asarray(sizes, dtype=np.float64), 1.0))
    best = _greedy(log_sizes, starts, near, 0, math.inf)
    assert best is not None
    for number in range(1, tries):
        if best.largest <= _EASY_LOG2:
            break
        found = _greedy(log_sizes, starts, near, number, best.total)
        if found is not None and (found.total, found.largest) < (best.total, best.largest):
            best = found
    return best


def few_neighbours(sizes: Indices, pairs: Indices, most: int) -> Indices:
    """The variables that can be eliminated one after another without ever having more than ``most`` neighbours."""
    starts, near = adjacency(len(sizes), pairs)
    found = greedy(np.log2(np.maximum(sizes, 1.0)), starts, near, most=most)
    assert found is not None
    return found[0]


def adjacency(count: int, pairs: Indices) -> tuple[Starts, Indices]:
    """``(starts, near)``: the neighbours of variable ``v`` are ``near[starts[v]:starts[v + 1]]``, ascending."""
    i, j = pairs[:, 0].astype(np.int64), pairs[:, 1].astype(np.int64)
    codes = np.sort(np.concatenate([i * count + j, j * count + i]))
    codes = codes[np.diff(codes, prepend=-1) > 0]
    starts: Starts = np.searchsorted(codes, np.arange(count + 1, dtype=np.int64) * count)
    return starts, (codes % max(count, 1)).astype(np.intc)


def _greedy(log_sizes: FloatArray, starts: Starts, near: Indices, number: int, give_up: float) -> Order | None:
    """The order of one try; None when its tables together exceed 2^give_up entries."""
    found = greedy(log_sizes, starts, near, fill=number % 2 == 1, noise=number if number > 1 else 0, give_up=give_up)
    if found is None:
        return None
    variables, tables, width = found
    largest = float(tables.max(initial=0.0))
    total = largest + math.log2(float(np.exp2(tables - largest).sum())) if len(tables) else 0.0
    return Order(variables, largest, total, width)
