"""Simulated annealing: random changes of one layer, worse ones too while it is hot, then plain descent."""

from __future__ import annotations

import math
import random
import time

import attrs

from plait.passes.selection.options import SolveOptions
from plait.passes.selection.problem import Problem, refuse_budgets
from plait.passes.selection.reductions import Kept, reduce
from plait.passes.selection.solution import Solution, evaluate
from plait.passes.selection.solvers.bounds import lower_bound
from plait.passes.selection.solvers.common import nothing_found, priced
from plait.passes.selection.solvers.coordinate_descent import descend, with_choice
from plait.passes.selection.solvers.local_plan import LocalPlan
from plait.passes.selection.solvers.option_values import number, whole
from plait.passes.selection.solvers.starts import start_plan

NAME = "annealing"


@attrs.frozen
class Annealing:
    """Random changes of one layer, accepted as Metropolis does while the temperature falls, then descent."""

    moves: int = attrs.field(default=20_000, validator=whole(0))
    """Changes to try."""
    seed: int = attrs.field(default=0, validator=whole(0))
    """Of the random numbers; equal seeds give equal plans."""
    heat: float = attrs.field(default=1.0, validator=number(0))
    """Temperature at the start, as a share of the mean cost of a layer; it falls to a thousandth of that."""

    def __call__(self, problem: Problem, options: SolveOptions = SolveOptions()) -> Solution:
        """The best plan seen, after descent; "unknown" when there is no plan to start from."""
        refuse_budgets(problem, NAME)
        started, bound = time.perf_counter(), lower_bound(problem, options)
        choice = start_plan(problem, options)
        if choice is None:
            return nothing_found(solver=NAME, started=started, bound=bound)
        kept = reduce(problem, dominance=options.dominance)
        both = with_choice(kept, choice)
        plan = LocalPlan(problem, both, self._cooled(problem, kept, both, choice))
        descend(plan, kept, len(kept))
        return priced(problem, plan.choice, solver=NAME, started=started, bound=bound)

    def _cooled(self, problem: Problem, kept: Kept, both: Kept, choice: tuple[int, ...]) -> tuple[int, ...]:
        """The best plan of the walk."""
        free = [layer for layer, candidates in enumerate(kept) if len(candidates) > 1]
        hot = self.heat * evaluate(problem, choice)[0] / max(1, len(choice))
        if not free or hot <= 0:
            return choice
        plan, rng = LocalPlan(problem, both, choice), random.Random(self.seed)
        best, now, lowest = choice, 0.0, 0.0
        for number_of_move in range(self.moves):
            temperature = hot * 1e-3 ** (number_of_move / self.moves)
            layer = free[rng.randrange(len(free))]
            routine = kept[layer][rng.randrange(len(kept[layer]))]
            change = plan.change(layer, routine)
            if change <= 0 or rng.random() < math.exp(-change / temperature):
                plan.move(layer, routine)
                now += change
                if now < lowest:
                    best, lowest = tuple(plan.choice), now
        return best
