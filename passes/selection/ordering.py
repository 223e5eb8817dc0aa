"""Elimination orders: greedy, weighted by table size, deterministic.

A variable's elimination makes one table over it and its neighbours, and ties the neighbours to each
other.  The order decides how large those tables get.  What counts is their size in entries, not the
number of neighbours, since a set variable may have thirty times the states of a layer.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Sequence
from typing import TypeAlias

import attrs

Neighbours: TypeAlias = list[set[int]]

_EASY_LOG2 = 14.0
_DENSE = 48


@attrs.frozen
class Order:
    """An order, and what it costs: largest table and all tables together (log2 of entries), width."""

    variables: tuple[int, ...]
    largest: float
    total: float
    width: int


def find_order(sizes: Sequence[int], neighbours: Neighbours, *, tries: int = 12) -> Order:
    """The best of several greedy orders; one try where its tables are small anyway.

    The tries are smallest table first, least fill first, then both with seeded perturbations, so that
    equal input always gives the equal order.
    """
    best = _greedy(sizes, neighbours, fill=False, noise=None)
    for number in range(1, tries):
        if best.largest <= _EASY_LOG2:
            break
        noise = random.Random(number) if number > 1 else None
        found = _greedy(sizes, neighbours, fill=number % 2 == 1, noise=noise)
        if (found.total, found.largest) < (best.total, best.largest):
            best = found
    return best


class _State:
    """Neighbour sets that shrink as variables go, and the greedy score of a variable."""

    def __init__(self, sizes: Sequence[int], neighbours: Neighbours, fill: bool, noise: random.Random | None) -> None:
        self.log = [math.log2(max(s, 1)) for s in sizes]
        self.near = [set(n) for n in neighbours]
        self.fill = fill
        self.noise = noise

    def table(self, v: int) -> float:
        """log2 of the entries of the table that eliminating ``v`` makes."""
        return self.log[v] + math.fsum(self.log[u] for u in self.near[v])

    def score(self, v: int) -> tuple[float, float]:
        """Smaller goes first."""
        shake = 1.0 + 0.25 * self.noise.random() if self.noise else 1.0
        table = self.table(v)
        if not self.fill:
            return table * shake, 0.0
        return self._new_ties(v) * shake, table

    def _new_ties(self, v: int) -> float:
        """Summed weight of the neighbour pairs that elimination would newly tie; dense ones estimated."""
        near = sorted(self.near[v])
        if len(near) > _DENSE:
            return sum(self.log[u] for u in near) ** 2
        return math.fsum(
            self.log[a] * self.log[b] for n, a in enumerate(near) for b in near[n + 1 :] if b not in self.near[a]
        )

    def remove(self, v: int) -> set[int]:
        """Eliminate ``v``; the variables whose score may have changed."""
        near = self.near[v]
        touched = set(near)
        for u in near:
            others = self.near[u]
            others.discard(v)
            if not (near <= others | {u}):
                others |= near
                others.discard(u)
                if self.fill:
                    touched |= others
        self.near[v] = set()
        return touched


def _greedy(sizes: Sequence[int], neighbours: Neighbours, *, fill: bool, noise: random.Random | None) -> Order:
    """Eliminate the variable of least score until none is left."""
    state = _State(sizes, neighbours, fill, noise)
    current = [state.score(v) for v in range(len(sizes))]
    heap = [(score, v) for v, score in enumerate(current)]
    heapq.heapify(heap)
    gone = [False] * len(sizes)
    order: list[int] = []
    tables: list[float] = []
    width = 0
    while heap:
        score, v = heapq.heappop(heap)
        if gone[v] or score != current[v]:
            continue
        gone[v] = True
        order.append(v)
        tables.append(state.table(v))
        width = max(width, len(state.near[v]))
        for u in sorted(state.remove(v)):
            current[u] = state.score(u)
            heapq.heappush(heap, (current[u], u))
    largest = max(tables, default=0.0)
    total = largest + math.log2(math.fsum(2.0 ** (t - largest) for t in tables)) if tables else 0.0
    return Order(tuple(order), largest, total, width)
