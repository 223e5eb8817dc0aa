"""Plans that are done early: from plans of least sum and of balanced load, by changes along the critical chain."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator

import attrs

from plait.passes.selection.makespan.bounds import makespan_bound
from plait.passes.selection.makespan.program import least_load
from plait.passes.selection.makespan.timeline import Timeline, Transfers, device_of, simulate
from plait.passes.selection.options import SolveOptions
from plait.passes.selection.problem import Problem, refuse_budgets
from plait.passes.selection.reductions import Kept, collapse
from plait.passes.selection.solution import Conversion, Solution, evaluate

NAME = "makespan"
_SIMULATED = 2_000
_LONGEST_RUN = 16
_TOLERANCE = 1e-9


@attrs.frozen
class Scheduled:
    """A plan with its timeline.

    ``solution`` prices the plan as a sum, with the bound of the sum; ``bound`` is that of the makespan of all plans.
    Without a plan there is no timeline, and the bound is infinite where that is proven.
    """

    solution: Solution
    timeline: Timeline | None
    bound: float

    @property
    def optimal(self) -> bool:
        """Whether no plan can be done earlier, up to rounding."""
        return self.timeline is not None and self.timeline.makespan <= self.bound * (1 + 2 * _TOLERANCE)


def minimize_makespan(
    problem: Problem,
    options: SolveOptions = SolveOptions(),
    *,
    transfers: Transfers = "both",
    simulations: int = _SIMULATED,
) -> Scheduled:
    """A plan that is done early, by local search: no promise but the bound."""
    from plait.passes.selection.solvers import exact

    refuse_budgets(problem, NAME)
    started = time.perf_counter()
    cheapest = exact.solve(problem, options)
    if not cheapest.found:
        bound = math.inf if cheapest.status == "infeasible" else 0.0
        return Scheduled(attrs.evolve(cheapest, solver=NAME), None, bound)
    search = _Search(problem, transfers, simulations)
    search.offer(cheapest.choice)
    bound = makespan_bound(problem, lambda p: exact.solve(p, options), transfers, lambda s: search.offer(s.choice))
    search.climb(bound)
    assert search.best is not None
    spread = least_load(problem, transfers, search.best.timeline.makespan, options.time_limit)
    if spread is not None and spread.status != "infeasible":
        # Its bound is exact up to the program's tolerances.
        bound = max(bound, min(spread.bound * (1 - _TOLERANCE), search.best.timeline.makespan))
        if spread.choice and search.offer(spread.choice):
            search.climb(bound)
    best = search.best
    assert best is not None and cheapest.bound is not None
    solution = Solution(
        best.choice,
        best.conversions,
        best.cost,
        min(cheapest.bound, best.cost),
        "optimal" if best.cost <= cheapest.bound else "feasible",
        NAME,
        time.perf_counter() - started,
        cheapest.width,
    )
    return Scheduled(solution, best.timeline, bound)


@attrs.frozen
class _Plan:
    choice: tuple[int, ...]
    conversions: tuple[Conversion, ...]
    cost: float
    timeline: Timeline

    @property
    def key(self) -> tuple[float, float]:
        """Smaller is better: done earlier, then less work."""
        return self.timeline.makespan, self.cost


class _Search:
    def __init__(self, problem: Problem, transfers: Transfers, simulations: int) -> None:
        self.problem, self.transfers, self.left = problem, transfers, simulations
        self.kept: Kept = collapse(problem)
        self.devices = sorted({f.device for f in problem.formats})
        self.home = [self._cheapest_on(i) for i in range(len(problem.layers))]
        self.best: _Plan | None = None
        self.tried: set[tuple[int, ...]] = set()

    def _cheapest_on(self, layer: int) -> dict[int, int]:
        """For each device the cheapest routine of a layer that keeps to it with all ports."""
        found: dict[int, int] = {}
        for k in self.kept[layer]:
            routine = self.problem.routines(layer)[k]
            on = {self.problem.formats[f].device for f in (*routine.inputs, *routine.outputs)}
            device = device_of(self.problem, routine)
            if on <= {device} and (
                device not in found or routine.cost < self.problem.routines(layer)[found[device]].cost
            ):
                found[device] = k
        return found

    def offer(self, choice: tuple[int, ...]) -> bool:
        """Simulate a choice; whether it is better than the best so far, which it then becomes."""
        if choice in self.tried or self.left <= 0:
            return False
        self.tried.add(choice)
        self.left -= 1
        cost, conversions = evaluate(self.problem, choice)
        if not math.isfinite(cost):
            return False
        plan = _Plan(choice, conversions, cost, simulate(self.problem, choice, conversions, self.transfers))
        if self.best is None or plan.key < self.best.key:
            self.best = plan
            return True
        return False

    def climb(self, bound: float) -> None:
        """Take the first change that is better, until none is, the bound is met, or enough plans were simulated."""
        improved = True
        while improved and self.best is not None and self.best.timeline.makespan > bound and self.left > 0:
            improved = any(self.offer(choice) for choice in self._changes(self.best))

    def _changes(self, plan: _Plan) -> Iterator[tuple[int, ...]]:
        """Other routines for layers of the critical chain; then runs of layers about them to one device."""
        layers = critical_layers(plan.timeline)
        for i in layers:
            yield from (self._with(plan.choice, ((i, k),)) for k in self.kept[i] if k != plan.choice[i])
        count = len(self.problem.layers)
        length = 2
        while length <= min(_LONGEST_RUN, count):
            starts = sorted(
                {s for i in layers for s in (i, i - length // 2, i - length + 1) if 0 <= s <= count - length}
            )
            for start in starts:
                run = range(start, start + length)
                for device in self.devices:
                    yield self._with(plan.choice, ((i, self.home[i][device]) for i in run if device in self.home[i]))
            length *= 2

    def _with(self, choice: tuple[int, ...], changes: Iterable[tuple[int, int]]) -> tuple[int, ...]:
        changed = list(choice)
        for i, k in changes:
            changed[i] = k
        return tuple(changed)


def critical_layers(timeline: Timeline) -> list[int]:
    """Layers of a chain of tasks without a gap that ends last, and those whose values it converts, in order."""
    if not timeline.tasks:
        return []
    current = max(range(len(timeline.tasks)), key=lambda t: (timeline.tasks[t].end, -t))
    found: list[int] = []
    while True:
        task = timeline.tasks[current]
        if task.kind == "layer":
            found.append(task.index)
        before = [
            t
            for t, other in enumerate(timeline.tasks[:current])
            if other.end == task.start and (t in task.waits or set(other.devices) & set(task.devices))
        ]
        if not before:
            return sorted(found)
        current = before[-1]
