"""The selection problem as a graph of variables and pairwise cost tables.

One variable per layer (its state: which kept routine) and, for every value that several ports read under
``star`` or ``tree`` sharing, one variable whose state is the *set of formats* the value is wanted in.
The producer is tied to the set by the price of making it, each consumer by "my format is in the set".
So the cost of shared conversions, a function of the producer and all consumers at once, becomes a star
of tables over two variables each.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, TypeAlias

import attrs
import numpy as np
import numpy.typing as npt

from plait.passes.selection.columns import FloatArray, Indices, Starts

IntArray: TypeAlias = npt.NDArray[np.integer[Any]]


class Arena:
    """Tables one after another in one array; a table is known by where it starts."""

    def __init__(self) -> None:
        self._parts: list[FloatArray] = []
        self._length = 0

    def add(self, table: FloatArray) -> int:
        """Where the table starts."""
        start = self._length
        self._parts.append(np.ascontiguousarray(table, dtype=np.float64).ravel())
        self._length += table.size
        return start

    def entries(self) -> FloatArray:
        """All tables."""
        return np.concatenate([*self._parts, np.zeros(1)])


@attrs.frozen(eq=False)
class FactorGraph:
    """Variables with their own costs, and tables over pairs ``(i, j)`` of them with ``i < j``.

    Infinite entries forbid states and combinations.  The objective is the sum of one entry of each.  Variable ``v``
    has ``sizes[v]`` states, whose costs start at ``entries[cost_at[v]]``; pair ``e`` is ``ends[e]``, and its table, a
    row per state of the first, starts at ``entries[table_at[e]]``.  Equal tables may be stored once, and a pair may
    have several.
    """

    sizes: Indices
    cost_at: Starts
    ends: Indices
    table_at: Starts
    entries: FloatArray

    @classmethod
    def of(cls, unary: Sequence[FloatArray], pairs: Mapping[tuple[int, int], FloatArray]) -> FactorGraph:
        """The graph of separate arrays."""
        arena = Arena()
        cost_at = [arena.add(u) for u in unary]
        table_at = [arena.add(t) for t in pairs.values()]
        return cls(
            np.array([len(u) for u in unary], dtype=np.intc),
            np.array(cost_at, dtype=np.int64),
            np.array(list(pairs), dtype=np.intc).reshape(-1, 2),
            np.array(table_at, dtype=np.int64),
            arena.entries(),
        )

    @cached_property
    def unary(self) -> list[FloatArray]:
        """Own costs of every variable, not to be written to."""
        return [self.entries[a : a + n] for a, n in zip(self.cost_at.tolist(), self.sizes.tolist(), strict=True)]

    @cached_property
    def pairs(self) -> dict[tuple[int, int], FloatArray]:
        """The table of every pair, not to be written to; several tables of a pair are summed."""
        sizes = self.sizes.tolist()
        found: dict[tuple[int, int], FloatArray] = {}
        for (i, j), start in zip(self.ends.tolist(), self.table_at.tolist(), strict=True):
            table = self.entries[start : start + sizes[i] * sizes[j]].reshape(sizes[i], sizes[j])
            found[i, j] = found[i, j] + table if (i, j) in found else table
        return found

    def neighbours(self) -> list[set[int]]:
        """For every variable, those it shares a table with."""
        found: list[set[int]] = [set() for _ in range(len(self.sizes))]
        for i, j in self.ends.tolist():
            found[i].add(j)
            found[j].add(i)
        return found

    def restricted(self, states: Sequence[IntArray]) -> FactorGraph:
        """The same graph over the given states of every variable."""
        unary = [u[s] for u, s in zip(self.unary, states, strict=True)]
        return FactorGraph.of(unary, {(i, j): t[np.ix_(states[i], states[j])] for (i, j), t in self.pairs.items()})

    def detached(self) -> FactorGraph:
        """The same objective with no table on a variable of one state: they move to the partners' costs."""
        unary = list(self.unary)
        pairs = {}
        for (i, j), table in self.pairs.items():
            if table.shape[0] == 1:
                unary[j] = unary[j] + table[0]
            elif table.shape[1] == 1:
                unary[i] = unary[i] + table[:, 0]
            else:
                pairs[i, j] = table
        return FactorGraph.of(unary, pairs)

    def objective(self, states: Sequence[int]) -> float:
        """Sum of the entries of an assignment."""
        picked = np.asarray(states, dtype=np.int64)
        first, second = picked[self.ends[:, 0]], picked[self.ends[:, 1]]
        at = self.table_at + first * self.sizes[self.ends[:, 1]] + second
        return math.fsum(self.entries[self.cost_at + picked].tolist()) + math.fsum(self.entries[at].tolist())

    def ties(self) -> Indices:
        """The pairs of which neither variable is fixed: those that matter for elimination orders."""
        return self.ends[(self.sizes[self.ends] > 1).all(axis=1)]
