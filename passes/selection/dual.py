"""A lower bound on the objective of a graph, and how far above it every state is.

The bound is that of the local polytope relaxation: cost is moved between tables and the costs of their variables,
which leaves the objective of every assignment as it is, so that the sum of all separate minima grows.  What moves is
chosen by sequential tree-reweighted message passing (Kolmogorov, 2006): variables are visited in order and back; each
collects all that its tables can give, and hands equal shares to those that lie ahead.  What is left over in the end
prices every state: a plan that uses the state costs at least the bound plus its *excess*.
"""

from __future__ import annotations

import attrs
import numpy as np

from plait.passes.selection._dual import Messages
from plait.passes.selection.columns import FloatArray, Indices, Starts
from plait.passes.selection.contraction import incident, starts_of
from plait.passes.selection.factor_graph import FactorGraph


class Dual:
    """The messages of a graph whose states all have a finite partner in every table."""

    def __init__(self, graph: FactorGraph) -> None:
        self.graph = graph
        self.costs: FloatArray = np.concatenate([*graph.unary, np.zeros(1)])
        near = incident(graph)
        turned, up_at = _turned(graph)
        given = graph.sizes[graph.ends].astype(np.int64)
        given_at = starts_of(given.ravel())
        self._messages = Messages(
            graph.sizes,
            graph.ends,
            np.concatenate([graph.entries, turned]),
            graph.table_at,
            up_at + len(graph.entries),
            near.starts,
            near.items,
            starts_of(graph.sizes),
            self.costs,
            given_at[:-1].reshape(-1, 2),
            np.zeros(int(given_at[-1]) + 1),
        )

    def sweep(self, times: int) -> None:
        """Go through the variables there and back so many times; the bound never falls."""
        for _ in range(times):
            self._messages.sweep()

    def bound(self) -> float:
        """Lower bound on the objective."""
        return self._messages.bound()

    def excesses(self) -> FloatArray:
        """How far above the bound every plan is that uses a state, variable after variable."""
        return self._messages.excesses()[:-1]

    def round(self) -> Indices:
        """States of one plan, chosen in order, each the best with those before it."""
        states = np.zeros(len(self.graph.sizes), dtype=np.intc)
        self._messages.round(states)
        return states

    def settled(self) -> FactorGraph:
        """The graph with all costs where they were moved to: the same objective, and the bound without a sweep."""
        sizes = self.graph.sizes.astype(np.int64)
        table_at = int(sizes.sum()) + starts_of(sizes[self.graph.ends].prod(axis=1))
        entries = np.zeros(int(table_at[-1]) + 1)
        entries[: len(self.costs) - 1] = self.costs[:-1]
        self._messages.settle(table_at[:-1], entries)
        return attrs.evolve(self.graph, cost_at=starts_of(sizes)[:-1], table_at=table_at[:-1], entries=entries)


def _turned(graph: FactorGraph) -> tuple[FloatArray, Starts]:
    """Every distinct table with a row per state of its second variable, and where each pair's starts."""
    sizes = graph.sizes.tolist()
    found: dict[tuple[int, int, int], int] = {}
    parts: list[FloatArray] = []
    starts, length = np.zeros(len(graph.ends), dtype=np.int64), 0
    for e, ((i, j), at) in enumerate(zip(graph.ends.tolist(), graph.table_at.tolist(), strict=True)):
        key = (at, sizes[i], sizes[j])
        if key not in found:
            table = graph.entries[at : at + sizes[i] * sizes[j]].reshape(sizes[i], sizes[j])
            parts.append(table.T.ravel())
            found[key] = length
            length += table.size
        starts[e] = found[key]
    return np.concatenate([*parts, np.zeros(1)]), starts
