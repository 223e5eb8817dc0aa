"""The N best plans that differ in at least one layer, in order.

Lawler's partition (Management Science 18, 1972) with min-marginals (Yanover and Weiss, NIPS 2003): the plans are split
into spaces, each given by states that are fixed and states that are forbidden, and known by its best plan.  The
min-marginals of a space tell its second best plan: the least of them over all states that the best plan does not use.
The space with the cheapest second best plan is split by that state: where it is fixed, that plan is the best; where it
is forbidden, the old one still is.

Only states that a plan within some gap of the optimum can have take part.  When the N-th plan found lies within the
gap, no plan that was left out is better; else the gap is widened.
"""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Iterator
from typing import Literal, TypeAlias

import attrs
import numpy as np
import numpy.typing as npt

from plait.passes.selection._minsum import BucketTree
from plait.passes.selection.build_graph import build_graph
from plait.passes.selection.columns import FloatArray, Indices, Starts
from plait.passes.selection.contraction import starts_of, unchanged
from plait.passes.selection.elimination import TooWideError, bounded_order
from plait.passes.selection.factor_graph import FactorGraph
from plait.passes.selection.marginals import StateCosts, pruned, state_costs
from plait.passes.selection.options import SolveOptions
from plait.passes.selection.ordering import Order, find_order
from plait.passes.selection.problem import Problem, refuse_budgets
from plait.passes.selection.reductions import Kept, collapse
from plait.passes.selection.solution import Solution, evaluate
from plait.passes.selection.solvers import exact
from plait.passes.selection.solvers.common import priced

NAME = "exact"
Distinct: TypeAlias = Literal["routines", "formats"]
"""What makes two plans different: any routine, or the formats of some layer (of each signature the cheapest)."""

_WIDER = 4.0
_ROUNDING = 1e-9
_EASY_LOG2, _MOST_LOG2 = 17.0, 21.0
"""log2 of all table entries above which states are pruned first, and above which ranking would take too long."""


@attrs.frozen
class Ranking:
    """Plans in order of cost.

    ``proven``: no other plan is better than the last.  ``complete``: there is no other plan at all.
    """

    solutions: tuple[Solution, ...]
    proven: bool
    complete: bool


def n_best(
    problem: Problem, n: int, options: SolveOptions = SolveOptions(), *, distinct: Distinct = "routines"
) -> Ranking:
    """Up to ``n`` plans, the best first; of equal cost in order of their choices.

    Where the optimum cannot be proven the ranking holds the best plan known, and is not proven.
    """
    refuse_budgets(problem, NAME)
    started = time.perf_counter()
    best = exact.solve(problem, options)
    if best.status != "optimal" or n <= 1:
        found = (best,) if best.found and n > 0 else ()
        return Ranking(found, best.status in ("optimal", "infeasible"), best.status == "infeasible")
    losses = _losses(problem, best, options, distinct)
    room = _ROUNDING * best.cost
    gap, too_wide = _first_gap(losses, n), math.inf
    choices = [(best.cost, best.choice)]
    while gap < too_wide:
        kept = tuple(tuple(np.flatnonzero(loss <= gap + room).tolist()) for loss in losses)
        try:
            choices = _ranked(problem, kept, n, best.cost + gap + room, options)
        except TooWideError:
            too_wide, gap = gap, gap / _WIDER
            if gap <= room:
                break
            continue
        whole = all(len(k) == int(np.isfinite(loss).sum()) for k, loss in zip(kept, losses, strict=True))
        if whole or (len(choices) == n and choices[-1][0] <= best.cost + gap + room):
            return _ranking(problem, choices, best, started, True, len(choices) < n)
        gap = choices[-1][0] - best.cost if len(choices) == n else _WIDER * gap
    return _ranking(problem, choices, best, started, False, False)


def _losses(problem: Problem, best: Solution, options: SolveOptions, distinct: Distinct) -> list[FloatArray]:
    """Per layer and routine how much more than the best plan one with it costs at least; infinite where not wanted."""
    kept = collapse(problem)
    costs = state_costs(build_graph(problem, kept), len(problem.layers), options)
    return [_layer_losses(problem, best, i, kept, costs, distinct) for i in range(len(problem.layers))]


def _layer_losses(
    problem: Problem, best: Solution, layer: int, kept: Kept, costs: StateCosts, distinct: Distinct
) -> FloatArray:
    routines = problem.routines(layer)
    found = np.full(len(routines), math.inf)
    least = dict(zip(kept[layer], costs.costs[layer].tolist(), strict=True))
    stand_in = {routines[k].signature: k for k in kept[layer]}
    for k, routine in enumerate(routines):
        same = stand_in[routine.signature]
        if k == same or distinct == "routines":
            found[k] = max(least[same] - best.cost, 0.0) + routine.cost - routines[same].cost
    return found


def _first_gap(losses: list[FloatArray], n: int) -> float:
    """A guess of how far the N-th plan lies above the best: the N-th smallest loss of a routine."""
    everything = np.sort(np.concatenate([loss[np.isfinite(loss)] for loss in losses]))
    alternatives = everything[len(losses) :]
    if len(alternatives) == 0:
        return 0.0
    positive = alternatives[alternatives > 0]
    least = float(positive[0]) if len(positive) else 0.0
    return max(float(alternatives[min(n, len(alternatives)) - 1]), least)


def _ranked(
    problem: Problem, kept: Kept, n: int, most: float, options: SolveOptions
) -> list[tuple[float, tuple[int, ...]]]:
    """Cost and choice of the ``n`` best plans over the kept routines, in order; those above ``most`` may be missing."""
    graph, layers = build_graph(problem, kept), len(problem.layers)
    small = unchanged(graph)
    if find_order(graph.sizes, graph.ties(), tries=1).total > _EASY_LOG2:
        small = pruned(graph, layers, most)
    order = bounded_order(small.graph, table_limit=options.table_limit, tries=options.order_tries)
    if order.total > _MOST_LOG2:
        raise TooWideError(order)
    found = []
    for states in _Spaces(small.graph, order, np.flatnonzero(small.variables < layers)).plans(n):
        full = small.expand(states)[:layers].tolist()
        choice = tuple(candidates[s] for candidates, s in zip(kept, full, strict=True))
        found.append((evaluate(problem, choice)[0], choice))
    return sorted(found)


def _ranking(
    problem: Problem,
    choices: list[tuple[float, tuple[int, ...]]],
    best: Solution,
    started: float,
    proven: bool,
    complete: bool,
) -> Ranking:
    assert best.bound is not None
    return Ranking(
        tuple(priced(problem, c, solver=NAME, started=started, bound=best.bound, width=best.width) for _, c in choices),
        proven,
        complete,
    )


@attrs.frozen(eq=False)
class _Space:
    """A set of assignments: own costs with forbidden states infinite, the best one, and what the second best is.

    The second best costs ``second``; ``state`` of ``variable`` is where it differs from the best.
    """

    costs: FloatArray
    states: Indices
    second: float
    variable: int
    state: int


class _Spaces:
    """The spaces of the assignments of a graph, which ``telling`` variables tell apart."""

    def __init__(self, graph: FactorGraph, order: Order, telling: npt.NDArray[np.intp]) -> None:
        self.graph = graph
        self.order = order
        self.starts: Starts = starts_of(graph.sizes)
        self.owners = np.repeat(np.arange(len(graph.sizes)), graph.sizes)
        self.mute = ~np.isin(self.owners, telling)

    def plans(self, n: int) -> Iterator[Indices]:
        """States of up to ``n`` assignments, the best first."""
        first = self.space(np.concatenate(self.graph.unary))
        if first is None:
            return
        yield first.states
        heap = [(first.second, 0, first)]
        for number in range(1, n):
            second, _, space = heapq.heappop(heap)
            if math.isinf(second):
                return
            fixed, without = self.split(space)
            for part, key in ((fixed, 2 * number), (without, 2 * number - 1)):
                assert part is not None
                heapq.heappush(heap, (part.second, key, part))
            assert fixed is not None
            yield fixed.states

    def split(self, space: _Space) -> tuple[_Space | None, _Space | None]:
        """The space where the state of its second best plan is fixed, and the one where it is forbidden."""
        start, end = self.starts[space.variable], self.starts[space.variable + 1]
        fixed, without = space.costs.copy(), space.costs.copy()
        fixed[start:end] = np.inf
        fixed[start + space.state] = space.costs[start + space.state]
        without[start + space.state] = np.inf
        return self.space(fixed), self.space(without, space.states)

    def space(self, costs: FloatArray, states: Indices | None = None) -> _Space | None:
        """The space of these own costs; ``states`` is its best plan where known.  None if it is empty."""
        graph = self.graph
        tree = BucketTree(
            graph.sizes,
            self.starts[:-1] + len(graph.entries),
            graph.ends,
            graph.table_at,
            np.concatenate([graph.entries, costs]),
            self.order.variables,
            True,
        )
        tree.forward(len(self.order.variables))
        if not np.isfinite(tree.constant):
            return None
        if states is None:
            states = np.zeros(len(graph.sizes), dtype=np.intc)
            tree.decode(states)
        least = tree.marginals()
        least[self.mute] = np.inf
        least[self.starts[:-1] + states] = np.inf
        where = int(np.argmin(least)) if len(least) else -1
        if where < 0 or math.isinf(least[where]):
            return _Space(costs, states, math.inf, -1, -1)
        variable = int(self.owners[where])
        return _Space(costs, states, float(least[where]), variable, int(where - self.starts[variable]))
