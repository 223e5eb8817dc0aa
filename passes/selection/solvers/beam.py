"""The network in schedule order, keeping the cheapest states of its frontier.

A state is what the rest of the network sees of the layers so far: for each value still to be read the format that it
was left in and, where uses share conversions, the formats that were wanted of it. Of plans with equal states the
cheapest is kept, and of states the ``width`` cheapest. With all states kept this is exact dynamic programming over
the frontier.

What is dropped bounds the optimum: a plan that begins like a dropped state costs at least what the state does and the
cheapest routines of the layers to come.
"""

from __future__ import annotations

import math
import time
from typing import TypeAlias

import attrs

from plait.passes.selection.options import SolveOptions
from plait.passes.selection.problem import Problem, refuse_budgets
from plait.passes.selection.reductions import Kept, reduce
from plait.passes.selection.solution import Solution
from plait.passes.selection.solvers.bounds import lower_bound
from plait.passes.selection.solvers.common import no_plan, nothing_found, priced, proven
from plait.passes.selection.solvers.option_values import whole
from plait.passes.selection.solvers.value_prices import value_prices

NAME = "beam"

Copies: TypeAlias = tuple[int, int]
"""The format that a value was left in, and the bit mask of those wanted of it so far (0 where not shared)."""
State: TypeAlias = tuple[Copies, ...]


@attrs.frozen
class Beam:
    """Layer by layer, keeping the cheapest states of the frontier; exact when none had to be dropped."""

    width: int = attrs.field(default=128, validator=whole(0))
    """States to keep after each layer; 0 keeps all."""

    def __call__(self, problem: Problem, options: SolveOptions = SolveOptions()) -> Solution:
        """The best plan kept, with the bound of what was dropped; "unknown" when all that was kept ran dry."""
        refuse_budgets(problem, NAME)
        started = time.perf_counter()
        kept = reduce(problem, dominance=options.dominance)
        sweep = _Sweep(problem, kept, self.width)
        for layer in range(len(kept)):
            sweep.step(layer)
        complete = math.isinf(sweep.dropped)
        if not sweep.states:
            if complete:
                return no_plan(problem, kept, options, solver=NAME, started=started)
            return nothing_found(solver=NAME, started=started, bound=max(lower_bound(problem, options), sweep.dropped))
        if complete:
            return proven(problem, sweep.choice(), solver=NAME, started=started)
        bound = max(lower_bound(problem, options), min(sweep.dropped, min(sweep.states.values())[0]))
        return priced(problem, sweep.choice(), solver=NAME, started=started, bound=bound)


class _Sweep:
    """The states after some layers, and how each was reached."""

    def __init__(self, problem: Problem, kept: Kept, width: int) -> None:
        self.problem, self.kept, self.width = problem, kept, width
        self.dropped = math.inf
        """What a plan costs at least that begins like a dropped state."""
        self.states: dict[State, tuple[float, int]] = {(): (0.0, -1)}
        """State -> (cost, number of its last step)."""
        self._prices = value_prices(problem, kept)
        self._live: list[int] = []
        self._steps: list[tuple[int, int]] = []
        """(number of the step before, routine)."""
        cheapest = [min(problem.routines(i)[k].cost for k in candidates) for i, candidates in enumerate(kept)]
        self._rest = _tails(cheapest)
        self._last = [uses[-1][0] if uses else -1 for uses in problem.uses]

    def step(self, layer: int) -> None:
        """Decide a layer in every state."""
        spec = self.problem.layers[layer]
        read = tuple(dict.fromkeys(spec.inputs))
        at = [self._live.index(v) for v in read]
        stay = [p for p, v in enumerate(self._live) if v not in read]
        on = [v for v in read if self._last[v] > layer]
        made = [q for q, v in enumerate(spec.outputs) if self.problem.uses[v]]
        self._live = [self._live[p] for p in stay] + on + [spec.outputs[q] for q in made]
        memory: dict[State, list[tuple[float, State, int]]] = {}
        found: dict[State, tuple[float, int, int]] = {}
        for state, (cost, step) in self.states.items():
            seen = tuple([state[p] for p in at])
            if seen not in memory:
                memory[seen] = self._extensions(layer, dict(zip(read, seen, strict=True)), on, made)
            untouched = tuple([state[p] for p in stay])
            for extra, tail, routine in memory[seen]:
                key, total = untouched + tail, cost + extra
                if key not in found or total < found[key][0]:
                    found[key] = total, step, routine
        self._keep(layer, found)

    def _extensions(
        self, layer: int, copies: dict[int, Copies], on: list[int], made: list[int]
    ) -> list[tuple[float, State, int]]:
        """(cost, new copies, routine) for each routine that can take the inputs as they are."""
        spec, extensions = self.problem.layers[layer], []
        for k in self.kept[layer]:
            routine = self.problem.routines(layer)[k]
            cost, after = routine.cost, dict(copies)
            for v, f in zip(spec.inputs, routine.inputs, strict=True):
                extra, after[v] = self._want(v, after[v], f)
                cost += extra
            if math.isfinite(cost):
                tail = tuple([after[v] for v in on] + [(routine.outputs[q], 0) for q in made])
                extensions.append((cost, tail, k))
        return extensions

    def _want(self, value: int, copies: Copies, format: int) -> tuple[float, Copies]:
        """What one more wish costs, and the copies then."""
        price, (source, mask) = self._prices[value], copies
        if not price.shared:
            return price.of(source, (format,)), copies
        wider = mask | price.bit[format]
        after = price.set_cost(source, wider)
        return (after - price.set_cost(source, mask) if math.isfinite(after) else math.inf), (source, wider)

    def _keep(self, layer: int, found: dict[State, tuple[float, int, int]]) -> None:
        """The cheapest states; the first ones among equally cheap ones."""
        order = list(found.items())
        if self.width and len(order) > self.width:
            order.sort(key=lambda item: item[1][0])
            self.dropped = min(self.dropped, order[self.width][1][0] + self._rest[layer])
            order = order[: self.width]
        self.states = {}
        for key, (cost, step, routine) in order:
            self.states[key] = cost, len(self._steps)
            self._steps.append((step, routine))

    def choice(self) -> list[int]:
        """The cheapest plan, once all layers are decided."""
        step = min(self.states.values())[1]
        routines = []
        while step >= 0:
            step, routine = self._steps[step]
            routines.append(routine)
        return routines[::-1]


def _tails(costs: list[float]) -> list[float]:
    """For each place the sum of what follows it."""
    tails, total = [0.0] * len(costs), 0.0
    for i in reversed(range(len(costs))):
        tails[i] = total
        total += costs[i]
    return tails
