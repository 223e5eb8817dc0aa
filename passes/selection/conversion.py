"""Cheapest conversions of one value: shortest chains and shared conversion trees.

A value leaves its producer in one format; its consumers want a set of formats.  Three meanings of
"the cost of making them" are in use (``Sharing``):

``none``  every use pays its own shortest chain of conversions;
``star``  every distinct wanted format is made once, by its own shortest chain from the producer's copy;
``tree``  a conversion may start from any copy made so far: a cheapest arborescence rooted at the
          producer's format that reaches every wanted one (Steiner arborescence of the format digraph).

Always ``tree <= star <= none``.  Trees are found by the subset recursion of Dreyfus and Wagner
(Networks 1, 1971) over the shortest-path closure: exact, ``3**k * F`` steps for ``k`` wanted formats.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from plait.passes.selection._trees import grow_trees

Sharing: TypeAlias = Literal["none", "star", "tree"]
Step: TypeAlias = tuple[int, int]
FloatArray: TypeAlias = npt.NDArray[np.float64]

SHARING_MODES: tuple[Sharing, ...] = ("none", "star", "tree")
MAX_TERMINALS = 15
"""Most formats of one value a tree may have to make: the recursion takes ``3**12 * F`` steps there."""


class TooManyFormatsError(ValueError):
    """One value is wanted in more formats than the exact tree recursion takes on."""


def shortest_paths(direct: FloatArray) -> tuple[FloatArray, npt.NDArray[np.intp]]:
    """All-pairs shortest distances and the next format on each shortest path (Floyd-Warshall).

    Costs are non-negative and a path is replaced only by a strictly cheaper one, so following the
    next formats never runs in a circle, zero-cost conversions included.
    """
    count = len(direct)
    distance = direct.copy()
    hop = np.broadcast_to(np.arange(count), direct.shape).copy()
    for middle in range(count):
        detour = distance[:, middle, None] + distance[None, middle, :]
        better = detour < distance
        distance[better] = detour[better]
        hop[better] = np.broadcast_to(hop[:, middle, None], hop.shape)[better]
    return distance, hop


class _TreeTable:
    """Cost of the cheapest tree from every source to every subset of ``terminals``.

    ``cost[mask, s]`` is the cost from source ``s`` to the terminals in bit set ``mask``;
    ``branch[mask, s]`` the same when the tree must fork (or end) at ``s`` itself.
    """

    def __init__(self, distance: FloatArray, terminals: Sequence[int]) -> None:
        self.terminals = tuple(terminals)
        count, subsets = len(distance), 1 << len(self.terminals)
        self.branch: FloatArray = np.full((subsets, count), np.inf)
        self.cost: FloatArray = np.full((subsets, count), np.inf)
        grow_trees(distance, np.array(self.terminals, dtype=np.intc), self.branch, self.cost)


def _halves(mask: int) -> npt.NDArray[np.intp]:
    """Proper subsets of ``mask`` that hold its lowest bit: one of each complementary pair."""
    low = mask & -mask
    rest = mask ^ low
    found, part = [low], (rest - 1) & rest
    while part:
        found.append(low | part)
        part = (part - 1) & rest
    return np.array(found, dtype=np.intp)


class ConversionPlanner:
    """Answers, with memory, what conversions over one cost matrix are cheapest.

    ``direct[f, g]`` is the cost of one conversion from format ``f`` to ``g``; infinity means that
    there is none.  The diagonal is zero.
    """

    def __init__(self, direct: Sequence[Sequence[float]]) -> None:
        self.direct: FloatArray = np.array(direct, dtype=np.float64).reshape(len(direct), -1)
        self.distance, self._hop = shortest_paths(self.direct)
        self._trees: dict[tuple[int, ...], _TreeTable] = {}
        self._plans: dict[tuple[Sharing, int, tuple[int, ...]], tuple[Step, ...] | None] = {}

    def path(self, source: int, target: int) -> tuple[Step, ...]:
        """Conversions of the shortest chain from ``source`` to a reachable ``target``."""
        steps = []
        while source != target:
            nearer = int(self._hop[source, target])
            steps.append((source, nearer))
            source = nearer
        return tuple(steps)

    def cost_table(self, terminals: Sequence[int], sharing: Sharing) -> FloatArray:
        """Cost of every subset of ``terminals`` from every source: ``[bit set, source]``.

        For ``star`` and ``tree``, where uses of equal format count once.
        """
        if sharing == "tree":
            return self._tree(terminals).cost
        table: FloatArray = np.zeros((1 << len(terminals), len(self.direct)))
        for bit, target in enumerate(terminals):
            table[1 << bit : 2 << bit] = table[: 1 << bit] + self.distance[:, target]
        return table

    def plan(self, source: int, wanted: Iterable[int], sharing: Sharing) -> tuple[Step, ...] | None:
        """Cheapest conversions in executable order, or None when a wanted format is out of reach.

        For more than ``MAX_TERMINALS`` formats of a tree they may not be the cheapest.

        ``wanted`` has one entry per use; under ``none`` the chains follow the order of the uses,
        otherwise each format counts once and they follow the order of the formats.
        """
        goal = tuple(g for g in wanted if g != source)
        if sharing != "none":
            goal = tuple(sorted(set(goal)))
        key = (sharing, source, goal)
        if key not in self._plans:
            self._plans[key] = self._plan(source, goal, sharing)
        return self._plans[key]

    def _plan(self, source: int, goal: tuple[int, ...], sharing: Sharing) -> tuple[Step, ...] | None:
        if not all(np.isfinite(self.distance[source, g]) for g in goal):
            return None
        if sharing == "tree" and len(goal) > MAX_TERMINALS:
            return self._nearest_first(source, goal)
        if sharing == "tree" and len(goal) > 1:
            steps: list[Step] = []
            table = self._tree(goal)
            self._grow(table, len(table.cost) - 1, source, steps, {source})
            return tuple(steps)
        return tuple(step for g in goal for step in self.path(source, g))

    def _nearest_first(self, source: int, goal: tuple[int, ...]) -> tuple[Step, ...]:
        """A good tree to more formats than the recursion takes on: the one nearest to a copy is made next."""
        steps: list[Step] = []
        have, left = [source], list(goal)
        while left:
            grid = self.distance[np.ix_(have, left)]
            start, target = divmod(int(np.argmin(grid)), len(left))
            for step in self.path(have[start], left[target]):
                if step[1] not in have:
                    have.append(step[1])
                    steps.append(step)
            left = [g for g in left if g not in have]
        return tuple(steps)

    def _tree(self, terminals: Sequence[int]) -> _TreeTable:
        key = tuple(terminals)
        if len(key) > MAX_TERMINALS:
            raise TooManyFormatsError(
                f"a value is wanted in {len(key)} formats, conversion trees are exact up to {MAX_TERMINALS}"
            )
        if key not in self._trees:
            self._trees[key] = _TreeTable(self.distance, key)
        return self._trees[key]

    def _grow(self, table: _TreeTable, mask: int, source: int, steps: list[Step], have: set[int]) -> None:
        """Append the conversions of the cheapest tree from ``source`` to the terminals in ``mask``.

        Where two equally cheap branches make the same copy (only conversions of cost zero can be
        doubled in a cheapest tree) the second one is left out.
        """
        fork = int(np.argmin(self.distance[source] + table.branch[mask]))
        for step in self.path(source, fork):
            if step[1] not in have:
                have.add(step[1])
                steps.append(step)
        if mask & (mask - 1) == 0:
            return
        parts = _halves(mask)
        part = int(parts[np.argmin(table.cost[parts, fork] + table.cost[mask ^ parts, fork])])
        self._grow(table, part, fork, steps, have)
        self._grow(table, mask ^ part, fork, steps, have)
