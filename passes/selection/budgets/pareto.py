"""What a resource costs: plans between the cheapest and the most frugal."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from plait.passes.selection.budgets.solve import solve_budgeted
from plait.passes.selection.budgets.usage import usage
from plait.passes.selection.options import SolveOptions
from plait.passes.selection.problem import Budget, Problem
from plait.passes.selection.solution import Solution

_HALVINGS = 12


def pareto_front(
    problem: Problem, resource: str, points: int = 9, options: SolveOptions = SolveOptions()
) -> list[tuple[float, float, Solution]]:
    """Up to ``points`` plans as (cost, used, solution), of growing cost and falling use; no one beats another.

    The limits asked for lie evenly between the use of the cheapest plan and the least use.  ``memory`` means its peak
    along the schedule, any other resource its sum.  Budgets of the problem on other resources are kept.

    Raises:
        ValueError: ``points`` is below 2.
    """
    if points < 2:
        raise ValueError(f"a front has at least 2 points, not {points}")
    others = tuple(b for b in problem.budgets if b.resource != resource)
    kind = "peak" if resource == "memory" else "sum"

    def limited(limit: float) -> Problem:
        return attrs.evolve(problem, budgets=(*others, Budget(resource, kind, limit)))

    def solved(limit: float) -> tuple[float, float, Solution] | None:
        found = solve_budgeted(limited(limit), options)
        if not found.found:
            return None
        return found.cost, usage(limited(limit), found.choice, found.conversions)[-1], found

    cheapest = solved(1e300)
    if cheapest is None:
        return []
    most = cheapest[1]
    least = _least_use(limited, most, options)
    limits = [least + (most - least) * n / (points - 1) for n in range(points - 1)]
    found = [cheapest, *(point for limit in reversed(limits) if (point := solved(limit)) is not None)]
    return _front(found)


def _least_use(limited: Callable[[float], Problem], most: float, options: SolveOptions) -> float:
    """The smallest limit found that some plan keeps: by halving, with all costs zero."""
    low, high = 0.0, most
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        found = solve_budgeted(_costless(limited(middle)), options)
        if found.found:
            high = min(middle, usage(limited(middle), found.choice, found.conversions)[-1])
        else:
            low = middle
        if high <= low:
            break
    return high


def _costless(problem: Problem) -> Problem:
    tables = (attrs.evolve(t, routines=tuple(attrs.evolve(r, cost=0.0) for r in t.routines)) for t in problem.tables)
    adapts = (
        attrs.evolve(a, cost=tuple(tuple(c if c == float("inf") else 0.0 for c in row) for row in a.cost))
        for a in problem.adapts
    )
    return attrs.evolve(problem, tables=tuple(tables), adapts=tuple(adapts))


def _front(points: list[tuple[float, float, Solution]]) -> list[tuple[float, float, Solution]]:
    """The points that no other one beats, by growing cost; of equal ones the first."""
    found: list[tuple[float, float, Solution]] = []
    for point in sorted(points, key=lambda p: (p[0], p[1])):
        if not found or point[1] < found[-1][1]:
            found.append(point)
    return found
