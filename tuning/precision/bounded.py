"""The fastest mix of precisions that loses no more than a bound, and the front of time against loss.

The sum of what layers lose alone is an estimate; so the plan for a budget of that sum is made, its loss measured by
the metric that counts, and the budget changed until the loss is within the bound. In the end the plan takes turns with
those of one precision that keep the bound too: what is kept is never slower than they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from plait.tuning.precision.choice import Choice
from plait.tuning.precision.plans import Planner, PrecisionPlan, fastest
from plait.tuning.precision.twins import PRECISIONS

REPAIRS = 8
"""Most plans whose loss is measured on the way to the bound, after that without a budget."""
_CLOSE = 0.01
"""By which share a plan has to be faster to be worth another measurement of loss."""
_NEXT = 0.95
"""How much of the budget is taken that keeps the bound if the loss grows with the sum of losses."""
_NEAR = 1.25
"""Plans that are predicted to take so many times as long as the best race no others for the same precisions."""


@attrs.frozen(eq=False)
class Bounded:
    """The plan that was chosen, and the others that it was chosen from.

    Args:
        plan: what is kept: the fastest of `finalists`.
        finalists: plans that keep the bound and took turns: the mixed one, if it is none of the others, and those of
            one precision.
        outside: plans of one precision that do not keep it.
        tried: plans in the order in which their loss was measured.
        free: the precisions of layers that would be fastest without a bound.
    """

    max_loss: float
    plan: PrecisionPlan
    finalists: tuple[PrecisionPlan, ...]
    outside: tuple[PrecisionPlan, ...]
    tried: tuple[PrecisionPlan, ...]
    free: Choice

    def to_json(self) -> dict[str, Any]:
        """As JSON data, schema `bounded-precision/1`."""
        return {
            "schema": "bounded-precision/1",
            "max_loss": self.max_loss,
            "plan": self.plan.to_json(),
            "finalists": [plan.to_json() for plan in self.finalists],
            "outside": [plan.to_json() for plan in self.outside],
            "tried": [plan.to_json() for plan in self.tried],
            "free": dict(self.free.precisions),
        }


def tune_bounded(planner: Planner, precisions: Sequence[str], max_loss: float) -> Bounded:
    """Choose precision and routine of each layer.

    Args:
        precisions: those that layers may have; float32 is always one of them.
        max_loss: by the metric of the planner. The float network keeps every bound.

    Raises:
        RoutineError: P403, a layer has no routine.
    """
    free = planner.joint.solve()
    mixed = repaired(planner, free, max_loss)
    pure = [planner.pure(p) for p in dict.fromkeys((PRECISIONS[0], *precisions))]
    inside = [p for p in pure if p.loss <= max_loss or not p.precisions]
    outside = tuple(p for p in pure if p not in inside)
    others = [mixed] if all(p.precisions != mixed.precisions for p in inside) else []
    finalists = planner.timed(_finished(planner, [*others, *inside], max_loss))
    return Bounded(max_loss, fastest(finalists), tuple(finalists), outside, tuple(planner.tried), free)


def _finished(planner: Planner, plans: Sequence[PrecisionPlan], max_loss: float) -> list[PrecisionPlan]:
    """Plans ready to be kept. Those that are far behind are not looked at again."""
    near = _NEAR * min(p.tuned.report.predicted_us for p in plans)
    return [planner.finished(p, max_loss) if p.tuned.report.predicted_us <= near else p for p in plans]


def repaired(planner: Planner, free: Choice, max_loss: float) -> PrecisionPlan:
    """The fastest plan found whose measured loss is within a bound; in the end all floats.

    Budgets are looked for between one whose plan keeps the bound and one whose plan does not, until what lies between
    can be hardly any faster than the best plan so far: no choice below a budget is faster than that for the budget.

    Args:
        free: the choice without a budget.
    """
    above = planner.plan(free)
    if above.loss <= max_loss:
        return above
    best: PrecisionPlan | None = None
    low, high, least_us = 0.0, above.summed, free.predicted_us
    nearest = above
    for _ in range(REPAIRS):
        budget = _budget(nearest, max_loss, low, high)
        choice = planner.joint.solve(budget)
        plan = planner.plan(choice)
        if plan.loss <= max_loss:
            low, best, nearest = budget, plan, plan
        else:
            # No plan with less of it is found between its sum and the budget.
            high, least_us, nearest = min(budget, plan.summed), choice.predicted_us, plan
        found_us = math.inf if best is None else best.predicted_us or math.inf
        if high <= low * (1 + _CLOSE) or found_us <= least_us * (1 + _CLOSE):
            break
    return best or planner.plan(planner.joint.solve(0.0))


def _budget(nearest: PrecisionPlan, max_loss: float, low: float, high: float) -> float:
    """The budget to try between two others: that of the bound, if the loss of the plan that was tried last grows with
    its sum of losses; the middle where that says nothing."""
    if 0 < nearest.loss < math.inf and nearest.summed > 0:
        found = _NEXT * nearest.summed * max_loss / nearest.loss
        if low * (1 + _CLOSE) < found < high * (1 - _CLOSE):
            return found
    return math.sqrt(low * high) if low > 0 else high / 8


@attrs.frozen(eq=False)
class FrontPlan:
    """A plan on the front, or one that another beats in time and loss."""

    plan: PrecisionPlan
    dominated: bool

    def to_json(self) -> dict[str, Any]:
        """As JSON data."""
        return {**self.plan.to_json(), "dominated": self.dominated}


def tune_front(planner: Planner, count: int) -> tuple[FrontPlan, ...]:
    """Plans from all floats to the fastest, with measured times and losses, from the fastest on.

    Args:
        count: of budgets, at least 2; equal plans stand once.

    Raises:
        RoutineError: P403, a layer has no routine.
        ValueError: `count` is below 2.
    """
    if count < 2:
        raise ValueError(f"a front has at least 2 points, not {count}")
    found: dict[frozenset[tuple[str, str]], PrecisionPlan] = {}
    for choice in _spread(planner, count):
        found.setdefault(frozenset(choice.precisions.items()), planner.plan(choice))
    plans = sorted(planner.timed(list(found.values())), key=lambda p: (p.time_us, p.loss))
    return tuple(
        FrontPlan(plan, any(p.loss <= plan.loss and p is not plan for p in plans[:i])) for i, plan in enumerate(plans)
    )


def _spread(planner: Planner, count: int) -> Iterator[Choice]:
    """Choices for budgets in equal ratios, between what the most robust layer loses and what the fastest plan does."""
    free = planner.joint.solve()
    yield free
    losses = [planner.losses[name][precision] for name, precision in free.precisions.items()]
    positive = [loss for loss in losses if loss > 0]
    if positive:
        least, most = min(positive), free.loss
        for i in range(count - 2, 0, -1):
            yield planner.joint.solve(least * (most / least) ** (i / (count - 1)))
    yield planner.joint.solve(0.0)
