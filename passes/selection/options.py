"""What a caller may set for a solver, and what every solver is."""

from __future__ import annotations

from typing import Protocol

import attrs

from plait.passes.selection.elimination import DEFAULT_TABLE_LIMIT
from plait.passes.selection.problem import Problem
from plait.passes.selection.solution import Solution


@attrs.frozen
class SolveOptions:
    """Limits and switches; every solver reads those that concern it.

    ``table_limit``   entries of the largest elimination table (8 bytes each)
    ``order_tries``   elimination orders tried when the first one is not small
    ``dominance``     drop routines that another one plus conversions imitates
    ``dual_sweeps``   most sweeps of the dual bound where elimination is too wide
    ``bound_sweeps``  sweeps of the dual bound for heuristics; 0: their bound is the sum of the cheapest routines
    ``brute_limit``   assignments brute force agrees to try
    ``time_limit``    seconds that solvers may take which improve on a plan, or prove it, for long
    ``state_limit``   states that are alive at once in a search in schedule order
    """

    table_limit: int = DEFAULT_TABLE_LIMIT
    order_tries: int = 12
    dominance: bool = True
    dual_sweeps: int = 1000
    bound_sweeps: int = 0
    brute_limit: int = 200_000
    time_limit: float = 60.0
    state_limit: int = 200_000


class Solver(Protocol):
    """A way to select routines.  Its answer always carries a proven bound, and is deterministic."""

    def __call__(self, problem: Problem, options: SolveOptions = ...) -> Solution:
        """Select one routine per layer."""
