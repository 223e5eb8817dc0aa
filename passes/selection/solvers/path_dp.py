"""Dynamic programming over routines with conversions as costs of steps, as SoftNeuro has it.

SoftNeuro (Hilaga et al., arXiv 2110.06037) times every routine of every layer and finds the fastest path through the
graph of layers and routines, conversion ("adapt") layers included; the method is called DPRS there. How it treats
networks that branch is not public. This is the plain recursion on them: a layer adds up the best of all its inputs. So

* what lies before a fork is counted once for each way from it to the join, and the more so the more forks follow;
* the ways may assume different routines for the fork: it gets the one that the last layer to read from it wants;
* conversions are counted by edge, though uses of one value share them.
"""

from __future__ import annotations

from plait.passes.selection.options import SolveOptions
from plait.passes.selection.problem import Problem, refuse_budgets
from plait.passes.selection.solution import Solution
from plait.passes.selection.solvers.recursion import no_forks, solve_by_recursion, sources_of

NAME = "path_dp"


def solve(problem: Problem, options: SolveOptions = SolveOptions()) -> Solution:
    """Dynamic programming over routines, joins adding up their inputs (after SoftNeuro); exact without forks."""
    refuse_budgets(problem, NAME)
    return solve_by_recursion(problem, options, name=NAME, sources=sources_of(problem), exact=no_forks(problem))
