"""The chain recursion of layout planners, in layer order, each layer looking back at its first input alone.

NeoCPU (Liu et al., USENIX ATC 2019, arXiv 1809.02697) chooses a layout for each convolution by dynamic programming over
the network in topological order, with the conversion between two layers as the cost of a step; TVM's graph tuner grew
out of it. Both are made for networks that are nearly chains. A join takes its layouts from its first input only, as in
that tuner, so here too:

* a layer looks back at the layer of its first input. Conversions of its other inputs are not seen while choosing;
* a branch that enters a join elsewhere is a chain of its own, which ends where it is best for itself;
* a layer that several look back at is as the last of them wants it: the others chose for one that is not there;
* conversions are counted by edge, though uses of one value share them.
"""

from __future__ import annotations

from plait.passes.selection.options import SolveOptions
from plait.passes.selection.problem import Problem, refuse_budgets
from plait.passes.selection.solution import Solution
from plait.passes.selection.solvers.recursion import no_forks, solve_by_recursion, sources_of

NAME = "chain_dp"


def solve(problem: Problem, options: SolveOptions = SolveOptions()) -> Solution:
    """Dynamic programming in layer order along first inputs, as layout planners do (NeoCPU); exact on chains."""
    refuse_budgets(problem, NAME)
    sources = sources_of(problem)
    exact = no_forks(problem) and all(len(s) <= 1 for s in sources)
    first = [s[:1] for s in sources]
    return solve_by_recursion(problem, options, name=NAME, sources=first, exact=exact)
