"""Large neighbourhood search: one connected region after the other is solved exactly, the rest fixed.

Freeing scattered layers hardly helps, since each is held by its fixed neighbours; a connected region can change its
format as a whole.
"""

from __future__ import annotations

import random
import time

import attrs

from plait.passes.selection.build_graph import build_graph
from plait.passes.selection.elimination import Elimination, TooWideError, eliminate
from plait.passes.selection.options import SolveOptions
from plait.passes.selection.problem import Problem, refuse_budgets
from plait.passes.selection.reductions import Kept, reduce
from plait.passes.selection.solution import Solution, evaluate
from plait.passes.selection.solvers.bounds import lower_bound
from plait.passes.selection.solvers.common import no_plan, nothing_found, priced, proven
from plait.passes.selection.solvers.coordinate_descent import with_choice
from plait.passes.selection.solvers.exact import chosen
from plait.passes.selection.solvers.option_values import whole
from plait.passes.selection.solvers.regions import Regions, grow, layer_neighbours
from plait.passes.selection.solvers.starts import start_plan

NAME = "lns"
_LEAST_GAIN = 1e-9


@attrs.frozen
class Lns:
    """Connected regions re-solved exactly by elimination, the rest fixed; exact when a region is the whole network."""

    size: int = attrs.field(default=40, validator=whole(1))
    """Layers of a region."""
    passes: int = attrs.field(default=4, validator=whole(1))
    """Most times that every layer comes to lie in some region."""
    seed: int = attrs.field(default=0, validator=whole(0))
    """Of the order and shape of regions; equal seeds give equal plans."""

    def __call__(self, problem: Problem, options: SolveOptions = SolveOptions()) -> Solution:
        """The plan that no region improved any more, or in the time; "unknown" when there is none to start from."""
        refuse_budgets(problem, NAME)
        started = time.perf_counter()
        kept = reduce(problem, dominance=options.dominance)
        if self.size >= len(kept):
            found = _solve(Regions(build_graph(problem, kept), len(kept)), range(len(kept)), [], options)
            if found is not None and found.states is None:
                return no_plan(problem, kept, options, solver=NAME, started=started)
            if found is not None and found.states is not None:
                choice = chosen(kept, found.states)
                return proven(problem, choice, solver=NAME, started=started, width=found.order.width)
        start = start_plan(problem, options)
        if start is None:
            return nothing_found(solver=NAME, started=started, bound=lower_bound(problem, options))
        best = self._search(problem, with_choice(kept, start), start, options, started + options.time_limit)
        return priced(problem, best, solver=NAME, started=started, bound=lower_bound(problem, options))

    def _search(
        self, problem: Problem, kept: Kept, start: tuple[int, ...], options: SolveOptions, deadline: float
    ) -> tuple[int, ...]:
        """The plan after all passes, or after the first that improved nothing."""
        regions, near = Regions(build_graph(problem, kept), len(kept)), layer_neighbours(problem)
        rng, best, cost = random.Random(self.seed), start, evaluate(problem, start)[0]
        states = [candidates.index(k) for candidates, k in zip(kept, start, strict=True)]
        for _ in range(self.passes):
            self._pass(regions, near, states, rng, options, deadline)
            choice = chosen(kept, tuple(states))
            before, cost = cost, evaluate(problem, choice)[0]
            if cost < before:
                best = choice
            if not cost < before * (1 - _LEAST_GAIN):
                break
        return best

    def _pass(
        self,
        regions: Regions,
        near: list[list[int]],
        states: list[int],
        rng: random.Random,
        options: SolveOptions,
        deadline: float,
    ) -> None:
        """Solve regions around layers in random order until each was in one or the time is over; changes ``states``."""
        order, seen = list(range(len(near))), set[int]()
        rng.shuffle(order)
        for layer in order:
            size = 0 if layer in seen else self.size
            while size and time.perf_counter() < deadline:
                region = grow(near, layer, size, rng)
                found = _solve(regions, region, states, options)
                if found is not None:
                    break
                size //= 2
            else:
                continue
            seen |= {*region}
            for v, state in zip(region, found.states or (), strict=False):
                states[v] = state


def _solve(regions: Regions, region: range | list[int], states: list[int], options: SolveOptions) -> Elimination | None:
    """The best states of a region; None if it is too wide."""
    try:
        return eliminate(regions.part(region, states), table_limit=options.table_limit, tries=options.order_tries)
    except TooWideError:
        return None
