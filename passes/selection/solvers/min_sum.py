"""Loopy min-sum: messages along the tables of the factor graph, as if it were a tree, and plans read off from them.

A message from a variable to another holds for each state of the other what the rest behind the first costs at least, as
far as the messages that have come there tell (Pearl 1988; max-product in the language of probabilities). Messages go
forwards and backwards through the variables; damping, a share of the old message in the new one, keeps them from
swinging. After each round a plan is read off variable by variable, each in view of those already decided. On a tree
two sweeps without damping give the optimum; elsewhere nothing is promised.
"""

from __future__ import annotations

import math
import time

import attrs
import numpy as np

from plait.passes.selection.build_graph import build_graph
from plait.passes.selection.conversion import FloatArray
from plait.passes.selection.factor_graph import FactorGraph
from plait.passes.selection.options import SolveOptions
from plait.passes.selection.problem import Problem, refuse_budgets
from plait.passes.selection.reductions import reduce
from plait.passes.selection.solution import Solution, evaluate
from plait.passes.selection.solvers.bounds import lower_bound
from plait.passes.selection.solvers.common import nothing_found, priced
from plait.passes.selection.solvers.exact import chosen
from plait.passes.selection.solvers.option_values import number, whole

NAME = "min_sum"
_SETTLED = 1e-9


@attrs.frozen
class MinSum:
    """Loopy min-sum belief propagation with damping, a plan read off after each round; exact on trees undamped."""

    rounds: int = attrs.field(default=40, validator=whole(1))
    """Most sweeps forwards and backwards."""
    damping: float = attrs.field(default=0.3, validator=number(0, 0.99))
    """Share of the old message in the new one."""

    def __call__(self, problem: Problem, options: SolveOptions = SolveOptions()) -> Solution:
        """The best plan of all rounds; "unknown" when none of them could be run."""
        refuse_budgets(problem, NAME)
        started, bound = time.perf_counter(), lower_bound(problem, options)
        kept = reduce(problem, dominance=options.dominance)
        messages = _Messages(build_graph(problem, kept))
        best, cost = None, math.inf
        for _ in range(self.rounds):
            moved = messages.sweep(self.damping)
            choice = chosen(kept, tuple(messages.decode()))
            now = evaluate(problem, choice)[0]
            if now < cost:
                best, cost = choice, now
            if moved < _SETTLED:
                break
        if best is None:
            return nothing_found(solver=NAME, started=started, bound=bound)
        return priced(problem, best, solver=NAME, started=started, bound=bound)


class _Messages:
    """The messages of a graph; ``[v][u]`` is the one from ``u`` to ``v``, zero for its best state."""

    def __init__(self, graph: FactorGraph) -> None:
        graph = graph.detached()
        self._unary = graph.unary
        self._tables: list[dict[int, FloatArray]] = [{} for _ in graph.unary]
        for (i, j), table in sorted(graph.pairs.items()):
            self._tables[i][j], self._tables[j][i] = table, table.T
        # Messages must be finite to be subtracted again: what is forbidden costs more than any plan.
        largest = sum(_largest(u) for u in graph.unary) + sum(_largest(t) for t in graph.pairs.values())
        self._forbidden = 2.0 * largest + 1.0
        self._soft = [{u: np.minimum(t, self._forbidden) for u, t in near.items()} for near in self._tables]
        self._inbox = [
            {u: np.zeros(len(own)) for u in near} for own, near in zip(self._unary, self._tables, strict=True)
        ]

    def sweep(self, damping: float) -> float:
        """Send all messages forwards, then backwards; the largest change, as a share of the largest costs."""
        count, moved = len(self._unary), 0.0
        for v in range(count):
            moved = max(moved, self._send(v, [u for u in self._soft[v] if u > v], damping))
        for v in reversed(range(count)):
            moved = max(moved, self._send(v, [u for u in self._soft[v] if u < v], damping))
        return moved / self._forbidden

    def _send(self, v: int, targets: list[int], damping: float) -> float:
        if not targets:
            return 0.0
        belief, moved = np.minimum(self._unary[v], self._forbidden), 0.0
        for message in self._inbox[v].values():
            belief = belief + message
        for u in targets:
            new: FloatArray = (self._soft[v][u] + (belief - self._inbox[v][u])[:, None]).min(axis=0)
            new = np.minimum(new - new.min(), self._forbidden)
            old = self._inbox[u][v]
            new = damping * old + (1.0 - damping) * new
            moved = max(moved, float(abs(new - old).max()))
            self._inbox[u][v] = new
        return moved

    def decode(self) -> list[int]:
        """States variable by variable: exact tables to those decided, messages from the others."""
        states: list[int] = []
        for v, own in enumerate(self._unary):
            total = own
            for u, table in self._tables[v].items():
                total = total + (table[:, states[u]] if u < v else self._inbox[v][u])
            states.append(int(total.argmin()))
        return states


def _largest(array: FloatArray) -> float:
    """The largest finite entry."""
    return float(np.where(np.isfinite(array), array, 0.0).max(initial=0.0))
