"""Exact minimisation of graphs that may be wide: elimination, or a dual bound and elimination of near-optimal states.

A graph whose tables are small is eliminated at once, a larger one after some search for a good order.  Where that would
take long: a plan that uses a state costs at least the dual bound plus the state's excess.  So when all states of excess
up to eps are searched exactly, and the best plan is within eps of the bound, that plan is optimal.  In between, states
whose excess is above the gap are dropped for good, and variables left with few neighbours are eliminated, which makes
the relaxation tighter.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import attrs
import numpy as np

from plait.passes.selection.columns import FloatArray, Indices
from plait.passes.selection.contraction import (
    BoolArray,
    Smaller,
    consistent,
    contracted,
    emptied,
    restricted,
    unchanged,
)
from plait.passes.selection.dual import Dual
from plait.passes.selection.elimination import TooWideError, eliminate
from plait.passes.selection.factor_graph import FactorGraph
from plait.passes.selection.ordering import Order, find_order

_SMALL, _EASY, _QUICK = 12.0, 19.0, 22.0
"""The first order is taken when log2 of its largest table, or of all together, is no more; no bound is worth its time
when the best order found needs no more than the last."""
_FIRST_EFFORT, _MORE_EFFORT, _MOST_EFFORT = 20.0, 3.0, 32.0
"""log2 of all table entries of a core: what is searched at first, and how that grows each time the bound stalls."""
_CORE_TRIES = 4
_ROUND, _LONGEST_ROUND = 12, 96
_STALL = 1e-5
_FIRST_CORE = 1e-7
_GROWTH = 16.0


@attrs.frozen
class WideResult:
    """Best states found (None if none), proven bound, whether the states are optimal, core width."""

    states: tuple[int, ...] | None
    bound: float
    proven: bool
    width: int | None


class WideSearch:
    """Alternates dual sweeps, removal of states that are too expensive, and core elimination.

    ``layers`` is the number of variables whose states make a plan, ``price`` the objective of one, infinite if it is
    none; the search ends when ``time.perf_counter()`` passes ``deadline``.
    """

    def __init__(
        self,
        graph: FactorGraph,
        layers: int,
        table_limit: int,
        price: Callable[[tuple[int, ...]], float],
        deadline: float = np.inf,
    ) -> None:
        self.whole = unchanged(graph)
        self.layers = layers
        self.table_limit = table_limit
        self.price = price
        self.deadline = deadline
        self.upper = np.inf
        self.states: tuple[int, ...] | None = None
        self.bound = -np.inf
        self.width: int | None = None
        self.effort = _FIRST_EFFORT

    def run(self, sweeps: int, tries: int = 12) -> WideResult:
        """Search until proven, until the bound stalls, or for the given number of sweeps."""
        graph = self.whole.graph
        order = find_order(graph.sizes, graph.ties(), tries=1)
        if (order.largest <= _SMALL or order.total <= _EASY) and self.eliminated(self.whole, order):
            return self.proven()
        smaller = self.tightened(self.whole, consistent(graph), self.layers)
        if smaller is None:
            return self.proven()
        order = find_order(smaller.graph.sizes, smaller.graph.ties(), tries=tries)
        if order.total <= _QUICK and self.eliminated(smaller, order):
            return self.proven()
        if self.search(smaller, sweeps) or (not self.late() and self.eliminated(smaller, order)):
            return self.proven()
        return WideResult(self.states, min(self.bound, self.upper), False, self.width)

    def eliminated(self, smaller: Smaller, order: Order) -> bool:
        """Whether plain elimination keeps to the limit; then it is done."""
        try:
            found = eliminate(smaller.graph, table_limit=self.table_limit, order=order)
        except TooWideError:
            return False
        self.width = max(order.width, 2 if smaller is not self.whole else 0)
        if found.states is not None:
            self.offer(smaller.expand(np.array(found.states, dtype=np.intc)))
            optimum = found.optimum + smaller.constant
            if not math.isclose(self.upper, optimum, rel_tol=1e-9, abs_tol=1e-9):
                raise AssertionError(f"elimination promised {optimum!r}, its choice costs {self.upper!r}")
        return True

    def search(self, smaller: Smaller | None, sweeps: int) -> bool:
        """Sweep, search cores, drop states; True when proven."""
        done, before, times = 0, -np.inf, _ROUND
        while smaller is not None:
            if len(smaller.graph.sizes) == 0:
                self.offer(smaller.expand(np.zeros(0, dtype=np.intc)))
                return True
            dual = Dual(smaller.graph)
            dual.sweep(times)
            done, times = done + times, min(2 * times, _LONGEST_ROUND)
            self.bound = max(self.bound, dual.bound() + smaller.constant)
            self.offer(smaller.expand(dual.round()))
            excess = dual.excesses()
            smaller = attrs.evolve(smaller, graph=dual.settled())
            if self.search_core(smaller, excess):
                return True
            if self.stalled(before):
                self.effort += _MORE_EFFORT
            if done >= sweeps or self.late() or self.effort > _MOST_EFFORT:
                return False
            before = self.bound
            smaller = self.tightened(smaller, excess <= self.slack())
        return True

    def proven(self) -> WideResult:
        """No plan is better than the best one found."""
        return WideResult(self.states, self.upper, True, self.width)

    def stalled(self, before: float) -> bool:
        """Whether the last round of sweeps closed too little of the gap to go on."""
        return self.bound - before <= _STALL * min(self.slack(), abs(self.bound))

    def late(self) -> bool:
        """Whether the time is over."""
        return time.perf_counter() > self.deadline

    def slack(self) -> float:
        """Gap between the best plan and the bound, with room for rounding."""
        return float(self.upper - self.bound + 1e-9 * abs(self.bound))

    def offer(self, states: Indices) -> None:
        """Take a plan if it is the best so far."""
        picked = tuple(states.tolist())
        cost = self.price(picked)
        if cost < self.upper:
            self.upper, self.states = cost, picked

    def tightened(self, smaller: Smaller, alive: BoolArray, layers: int | None = None) -> Smaller | None:
        """The graph over the states marked, without those that have no partner and variables of few neighbours.

        None if that leaves no plan.
        """
        alive = consistent(smaller.graph, alive)
        if emptied(smaller.graph, alive):
            return None
        smaller = smaller.then(restricted(smaller.graph, alive))
        smaller = smaller.then(contracted(smaller.graph, layers))
        alive = consistent(smaller.graph)
        if emptied(smaller.graph, alive):
            return None
        return smaller if alive.all() else smaller.then(restricted(smaller.graph, alive))

    def search_core(self, smaller: Smaller, excess: FloatArray) -> bool:
        """Search cores of growing excess; True when the best plan is proven optimal.

        Where a core is too wide, one between it and the last is searched for a better plan.
        """
        eps = min(self.slack(), _FIRST_CORE * abs(self.bound) + 1e-9)
        searched, last = 0.0, False
        while not self.late():
            try:
                self.solve_core(smaller, excess <= eps)
            except TooWideError:
                if last or searched == 0.0:
                    return False
                eps, last = math.sqrt(searched * eps), True
                continue
            if self.slack() <= eps:
                return True
            if not np.isfinite(self.upper) and eps > excess.max():
                return True  # all states were searched: there is no plan
            if last:
                return False
            searched, eps = eps, min(_GROWTH * eps, self.slack())
        return False

    def solve_core(self, smaller: Smaller, alive: BoolArray) -> None:
        """Offer the best plan over the marked states."""
        alive = consistent(smaller.graph, alive)
        if emptied(smaller.graph, alive):
            return
        core = restricted(smaller.graph, alive)
        order = find_order(core.graph.sizes, core.graph.ties(), tries=_CORE_TRIES)
        if order.total > self.effort:
            raise TooWideError(order)
        found = eliminate(core.graph, table_limit=self.table_limit, order=order)
        self.width = max(found.order.width, 2)
        if found.states is not None:
            self.offer(smaller.expand(core.expand(np.array(found.states, dtype=np.intc))))
