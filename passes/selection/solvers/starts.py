"""Where local searches start: the best plan of the one-pass heuristics."""

from __future__ import annotations

import attrs

from plait.passes.selection.options import SolveOptions
from plait.passes.selection.problem import Problem
from plait.passes.selection.solvers import greedy, single_format


def start_plan(problem: Problem, options: SolveOptions) -> tuple[int, ...] | None:
    """The cheaper plan of ``greedy`` and ``single_format``; None if both end without one."""
    options = attrs.evolve(options, bound_sweeps=0)
    found = [s for s in (greedy.solve(problem, options), single_format.solve(problem, options)) if s.found]
    return min(found, key=lambda s: s.cost).choice if found else None
