"""Partitioned boolean quadratic programming: reductions of variables with up to two neighbours, a guess for others.

Scholz and Eckstein (LCTES 2002) for register allocation; Anderson and Gregg (CGO 2018) for the choice of primitives
with conversions. R0, RI and RII eliminate a variable of degree 0, 1, 2 exactly; RN fixes the variable of the highest
degree to the state that looks best locally. Without a guess the result is optimal for the graph, and that is so
whenever its treewidth is at most 2.
"""

from __future__ import annotations

import heapq
import time

import attrs
import numpy as np

from plait.passes.selection.build_graph import build_graph
from plait.passes.selection.conversion import FloatArray
from plait.passes.selection.factor_graph import FactorGraph
from plait.passes.selection.options import SolveOptions
from plait.passes.selection.problem import Problem, refuse_budgets
from plait.passes.selection.reductions import collapse, reduce
from plait.passes.selection.solution import Solution
from plait.passes.selection.solvers.bounds import lower_bound
from plait.passes.selection.solvers.common import no_plan, nothing_found, priced, proven
from plait.passes.selection.solvers.option_values import one_of

NAME = "pbqp"


@attrs.frozen
class Pbqp:
    """Exact reductions of degrees 0 to 2, a local guess beyond (PBQP); exact when nothing has to be guessed."""

    graph: str = attrs.field(default="star", validator=one_of("star", "pairwise"))
    """``star``: with a variable for the formats of a shared value; ``pairwise``: conversions by edge, as published."""

    def __call__(self, problem: Problem, options: SolveOptions = SolveOptions()) -> Solution:
        """The plan of the reductions; "unknown" when a guess led to a dead end."""
        refuse_budgets(problem, NAME)
        started = time.perf_counter()
        star = self.graph == "star"
        kept = reduce(problem, dominance=options.dominance) if star else collapse(problem)
        reduction = Reduction(build_graph(problem, kept, None if star else "none"))
        states = reduction.solve()
        if states is None:
            if reduction.guesses == 0:  # whether there is a plan does not depend on how conversions are shared
                return no_plan(problem, kept, options, solver=NAME, started=started)
            return nothing_found(solver=NAME, started=started, bound=lower_bound(problem, options))
        choice = [candidates[s] for candidates, s in zip(kept, states, strict=False)]
        unshared = problem.sharing == "none" or all(len(uses) < 2 for uses in problem.uses)
        if reduction.guesses == 0 and (star or unshared):
            return proven(problem, choice, solver=NAME, started=started)
        return priced(problem, choice, solver=NAME, started=started, bound=lower_bound(problem, options))


class Reduction:
    """A graph that shrinks variable by variable; ``guesses`` counts uses of RN."""

    def __init__(self, graph: FactorGraph) -> None:
        graph = graph.detached()
        self.guesses = 0
        self._cost: list[FloatArray] = [u.copy() for u in graph.unary]
        self._tables: list[dict[int, FloatArray]] = [{} for _ in graph.unary]
        for (i, j), table in sorted(graph.pairs.items()):
            self._tables[i][j], self._tables[j][i] = table, table.T
        self._gone: list[tuple[int, FloatArray, dict[int, FloatArray]]] = []
        """Eliminated variables with their costs and tables, for the way back."""

    def solve(self) -> list[int] | None:
        """One state for each variable, or None at a dead end."""
        self._few = [(len(near), v) for v, near in enumerate(self._tables) if len(near) <= 2]
        self._many = [(-len(near), v) for v, near in enumerate(self._tables) if len(near) > 2]
        heapq.heapify(self._few)
        heapq.heapify(self._many)
        left = set(range(len(self._cost)))
        while left:
            v = self._next(left)
            left.discard(v)
            guess = len(self._tables[v]) > 2
            if not (self._guess(v) if guess else self._eliminate(v)):
                return None
        return self._read_back()

    def _next(self, left: set[int]) -> int:
        """The variable of the lowest degree up to 2, else the one of the highest; the first among equals."""
        while self._few:
            degree, v = heapq.heappop(self._few)
            if v in left and degree == len(self._tables[v]):
                return v
        while True:
            degree, v = heapq.heappop(self._many)
            if v in left and -degree == len(self._tables[v]):
                return v

    def _detach(self, v: int) -> dict[int, FloatArray]:
        """Cut a variable off; its tables."""
        tables, self._tables[v] = self._tables[v], {}
        for u in tables:
            del self._tables[u][v]
        return tables

    def _requeue(self, touched: dict[int, FloatArray]) -> None:
        for u in touched:
            degree = len(self._tables[u])
            if degree <= 2:
                heapq.heappush(self._few, (degree, u))
            else:
                heapq.heappush(self._many, (-degree, u))

    def _eliminate(self, v: int) -> bool:
        """R0, RI, RII; False if no state is left."""
        tables = self._detach(v)
        self._gone.append((v, self._cost[v], tables))
        if not np.isfinite(self._cost[v]).any():
            return False
        if len(tables) == 1:
            ((u, table),) = tables.items()
            self._cost[u] = self._cost[u] + (self._cost[v][:, None] + table).min(axis=0)
        elif len(tables) == 2:
            (a, to_a), (b, to_b) = tables.items()
            message = (self._cost[v][:, None, None] + to_a[:, :, None] + to_b[:, None, :]).min(axis=0)
            both = self._tables[a][b] + message if b in self._tables[a] else message
            self._tables[a][b], self._tables[b][a] = both, both.T
        self._requeue(tables)
        return True

    def _guess(self, v: int) -> bool:
        """RN: the state that is best with each neighbour's best answer to it."""
        tables = self._detach(v)
        total = self._cost[v].copy()
        for u, table in tables.items():
            total += (table + self._cost[u]).min(axis=1)
        state = int(total.argmin())
        if not np.isfinite(total[state]):
            # No state of v fits: proven only if nothing was guessed before.
            return False
        self.guesses += 1
        for u, table in tables.items():
            self._cost[u] = self._cost[u] + table[state]
        alone: FloatArray = np.full(len(total), np.inf)
        alone[state] = 0.0
        self._gone.append((v, alone, {}))
        self._requeue(tables)
        return True

    def _read_back(self) -> list[int]:
        states = [0] * len(self._cost)
        for v, cost, tables in reversed(self._gone):
            for u, table in tables.items():
                cost = cost + table[:, states[u]]
            states[v] = int(cost.argmin())
        return states
