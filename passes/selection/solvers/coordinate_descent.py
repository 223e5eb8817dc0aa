"""Layer by layer the routine that makes the whole plan cheapest, the others fixed, until no change helps."""

from __future__ import annotations

import time

import attrs

from plait.passes.selection.options import SolveOptions
from plait.passes.selection.problem import Problem, refuse_budgets
from plait.passes.selection.reductions import Kept, reduce
from plait.passes.selection.solution import Solution
from plait.passes.selection.solvers.bounds import lower_bound
from plait.passes.selection.solvers.common import nothing_found, priced
from plait.passes.selection.solvers.local_plan import LocalPlan
from plait.passes.selection.solvers.option_values import whole
from plait.passes.selection.solvers.starts import start_plan

NAME = "coordinate_descent"
_LEAST_GAIN = 1e-9
"""Share of a routine's cost below which a gain may be rounding, so that no plan comes round again."""


@attrs.frozen
class CoordinateDescent:
    """One layer at a time, from the best one-pass plan, until no single change helps (iterated conditional modes)."""

    passes: int = attrs.field(default=100, validator=whole(1))
    """Most times through all layers."""

    def __call__(self, problem: Problem, options: SolveOptions = SolveOptions()) -> Solution:
        """A plan that no change of one layer improves; "unknown" when there is no plan to start from."""
        refuse_budgets(problem, NAME)
        started, bound = time.perf_counter(), lower_bound(problem, options)
        choice = start_plan(problem, options)
        if choice is None:
            return nothing_found(solver=NAME, started=started, bound=bound)
        kept = reduce(problem, dominance=options.dominance)
        plan = LocalPlan(problem, with_choice(kept, choice), choice)
        descend(plan, kept, self.passes)
        return priced(problem, plan.choice, solver=NAME, started=started, bound=bound)


def with_choice(kept: Kept, choice: tuple[int, ...]) -> Kept:
    """The routines kept and those of a plan."""
    return tuple(k if c in k else tuple(sorted((*k, c))) for k, c in zip(kept, choice, strict=True))


def descend(plan: LocalPlan, kept: Kept, passes: int) -> None:
    """Improve a plan, in schedule order and back; the first one among equally good routines."""
    order = list(range(len(kept)))
    for _ in range(passes):
        changed = False
        for layer in order:
            gains = [(plan.change(layer, k), k) for k in kept[layer] if k != plan.choice[layer]]
            best, routine = min(gains, default=(0.0, 0))
            if best < -_LEAST_GAIN * plan.scale(layer):
                plan.move(layer, routine)
                changed = True
        if not changed:
            return
        order.reverse()
