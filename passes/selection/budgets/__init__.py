"""Limits on resources: additive ones (energy, accuracy loss) and the peak of memory along the schedule.

    solution = solve_budgeted(problem)
    for cost, used, solution in pareto_front(problem, "energy", 9): ...

What is imported here is loaded when it is asked for: ``solution.check`` needs the rules of use only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plait.passes.selection.budgets.pareto import pareto_front
    from plait.passes.selection.budgets.solve import solve_budgeted

__all__ = ["pareto_front", "solve_budgeted"]


def __getattr__(name: str) -> Any:
    if name == "solve_budgeted":
        from plait.passes.selection.budgets.solve import solve_budgeted

        return solve_budgeted
    if name == "pareto_front":
        from plait.passes.selection.budgets.pareto import pareto_front

        return pareto_front
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
