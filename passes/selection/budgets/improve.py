"""Local search on a plan that keeps its budgets, for where no exact method is at hand."""

from __future__ import annotations

import math

from plait.passes.selection.budgets.relaxation import Plan, Relaxation
from plait.passes.selection.copies import pareto_routines
from plait.passes.selection.solution import evaluate

_PRICED = 4_000
"""Most plans that are priced."""


def improve(relaxation: Relaxation) -> Plan | None:
    """The cheapest plan found by changing one layer at a time, budgets kept; None if there is nothing to start from."""
    problem, left = relaxation.problem, _PRICED
    kept = pareto_routines(problem)
    changed = True
    while changed and relaxation.best is not None:
        changed = False
        for i, candidates in enumerate(kept):
            for k in candidates:
                best = relaxation.best
                if k == best.choice[i]:
                    continue
                if left == 0:
                    return best
                left -= 1
                choice = (*best.choice[:i], k, *best.choice[i + 1 :])
                cost, conversions = evaluate(problem, choice)
                if math.isfinite(cost) and cost < best.cost:
                    relaxation.plan(choice, conversions)
                    changed = changed or relaxation.best is not best
    return relaxation.best
