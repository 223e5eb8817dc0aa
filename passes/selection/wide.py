"""Problems too wide for plain elimination: a dual bound, then elimination over near-optimal states.

The dual bound is the local-polytope one, raised by block coordinate ascent over the pair tables (MPLP,
Globerson and Jaakkola, 2007): cost is moved between tables and variables, so that the sum of all separate
minima grows while the objective of every full assignment stays.  What is left over in the tables prices
every state: a plan that uses the state costs at least the bound plus that *reduced cost*.  So when all
states with reduced cost up to eps are searched exactly and the best plan is within eps of the bound,
that plan is optimal.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import numpy as np

from plait.passes.selection.conflict import consistent_states
from plait.passes.selection.conversion import FloatArray
from plait.passes.selection.elimination import TooWideError, eliminate
from plait.passes.selection.factor_graph import FactorGraph, IntArray

_ROUND = 25
_STALL = 1e-7
_FIRST_CORE = 1e-5


@attrs.frozen
class WideResult:
    """Best states found (None if none), proven bound, whether the states are optimal, core width."""

    states: tuple[int, ...] | None
    bound: float
    proven: bool
    width: int | None


class Dual:
    """A reparametrised copy of a graph: same objective, larger sum of separate minima."""

    def __init__(self, graph: FactorGraph) -> None:
        self.unary = [u.copy() for u in graph.unary]
        self.pairs = {key: graph.pairs[key].copy() for key in sorted(graph.pairs)}

    def sweep(self) -> None:
        """One pass over all pair tables; the bound never falls."""
        for (i, j), table in self.pairs.items():
            table += self.unary[i][:, None] + self.unary[j][None, :]
            half_i, half_j = table.min(axis=1) / 2, table.min(axis=0) / 2
            table -= half_i[:, None] + half_j[None, :]
            self.unary[i], self.unary[j] = half_i, half_j

    def bound(self) -> float:
        """Lower bound on the objective."""
        total = sum(float(u.min()) for u in self.unary)
        return total + sum(float(t.min()) for t in self.pairs.values())

    def reduced_costs(self) -> list[FloatArray]:
        """How far above the bound every plan is that uses a state."""
        costs = [u - u.min() for u in self.unary]
        for (i, j), table in self.pairs.items():
            least = table.min()
            costs[i] = costs[i] + (table.min(axis=1) - least)
            costs[j] = costs[j] + (table.min(axis=0) - least)
        return costs

    def restrict(self, keep: list[IntArray]) -> None:
        """Forget all other states."""
        self.unary = [u[k] for u, k in zip(self.unary, keep, strict=True)]
        self.pairs = {(i, j): t[np.ix_(keep[i], keep[j])] for (i, j), t in self.pairs.items()}


class WideSearch:
    """Alternates dual sweeps, removal of states that are too expensive, and core elimination."""

    def __init__(
        self, graph: FactorGraph, upper: float, table_limit: int, price: Callable[[tuple[int, ...]], float]
    ) -> None:
        self.graph = graph
        self.upper = upper
        self.states: tuple[int, ...] | None = None
        self.table_limit = table_limit
        self.price = price
        self.alive = consistent_states(graph)
        self.bound = -np.inf
        self.width: int | None = None

    def run(self, sweeps: int) -> WideResult:
        """Search until proven, until the bound stalls, or for the given number of sweeps."""
        if any(len(a) == 0 for a in self.alive):
            return WideResult(None, np.inf, True, None)
        dual = Dual(self.graph.restricted(self.alive))
        for _ in range(max(1, sweeps // _ROUND)):
            before = self.bound
            for _ in range(_ROUND):
                dual.sweep()
            self.bound = max(self.bound, dual.bound())
            costs = dual.reduced_costs()
            if self._search_core(costs):
                return WideResult(self.states, self.upper, True, self.width)
            if self.bound - before <= _STALL * abs(self.bound):
                break
            if not self._drop_costly(dual, costs):
                return WideResult(self.states, self.upper, True, self.width)
        return WideResult(self.states, min(self.bound, self.upper), False, self.width)

    def _drop_costly(self, dual: Dual, costs: list[FloatArray]) -> bool:
        """Forget states that no plan better than the best one uses; False if that leaves no plan."""
        self._keep(dual, [np.flatnonzero(c <= self._slack()) for c in costs])
        self._keep(dual, consistent_states(FactorGraph.of(dual.unary, dual.pairs)))
        return all(len(a) > 0 for a in self.alive)

    def _keep(self, dual: Dual, states: list[IntArray]) -> None:
        self.alive = [a[k] for a, k in zip(self.alive, states, strict=True)]
        dual.restrict(states)

    def _slack(self) -> float:
        """Gap between the best plan and the bound, with room for rounding."""
        return self.upper - self.bound + 1e-9 * abs(self.bound)

    def _search_core(self, costs: list[FloatArray]) -> bool:
        """Search cores of growing reduced cost; True when the best plan is proven optimal."""
        eps = min(self._slack(), _FIRST_CORE * abs(self.bound) + 1e-9)
        while True:
            try:
                self._solve_core(costs, eps)
            except TooWideError:
                return False
            if self._slack() <= eps:
                return True
            if not np.isfinite(self.upper) and eps > max(float(c.max()) for c in costs):
                return True  # all states were searched: there is no plan
            eps = min(4.0 * eps, self._slack())

    def _solve_core(self, costs: list[FloatArray], eps: float) -> None:
        """Best plan over the states of reduced cost up to ``eps``, if it beats the best so far."""
        states = [a[c <= eps] for a, c in zip(self.alive, costs, strict=True)]
        if any(len(s) == 0 for s in states):
            return
        core = self.graph.restricted(states)
        keep = consistent_states(core)
        if any(len(k) == 0 for k in keep):
            return
        found = eliminate(core.restricted(keep), table_limit=self.table_limit)
        self.width = found.order.width
        if found.states is None:
            return
        picked = tuple(int(s[k[x]]) for s, k, x in zip(states, keep, found.states, strict=True))
        cost = self.price(picked)
        if cost < self.upper or (self.states is None and cost <= self.upper):
            self.upper, self.states = cost, picked
