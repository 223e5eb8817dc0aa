"""The lower bound that heuristics put beside their plans."""

from __future__ import annotations

from plait.passes.selection.build_graph import build_graph
from plait.passes.selection.contraction import consistent, contracted, emptied, restricted
from plait.passes.selection.dual import Dual
from plait.passes.selection.options import SolveOptions
from plait.passes.selection.problem import Problem
from plait.passes.selection.reductions import reduce
from plait.passes.selection.solvers.common import cheap_bound


def lower_bound(problem: Problem, options: SolveOptions) -> float:
    """The sum of the cheapest routines, or with ``options.bound_sweeps`` the dual bound after so many sweeps."""
    cheap = cheap_bound(problem)
    return max(cheap, dual_bound(problem, options)) if options.bound_sweeps > 0 else cheap


def dual_bound(problem: Problem, options: SolveOptions) -> float:
    """The local polytope bound, or 0 for a problem of which that much shows that it is infeasible.

    Variables with few neighbours are eliminated first, so that the bound is the optimum where nothing else is left.
    """
    graph = build_graph(problem, reduce(problem, dominance=options.dominance))
    alive = consistent(graph)
    if emptied(graph, alive):
        return 0.0
    smaller = restricted(graph, alive)
    smaller = smaller.then(contracted(smaller.graph, len(problem.layers)))
    if len(smaller.graph.sizes) == 0:
        return smaller.constant
    alive = consistent(smaller.graph)
    if emptied(smaller.graph, alive):
        return 0.0
    smaller = smaller.then(restricted(smaller.graph, alive))
    dual = Dual(smaller.graph)
    dual.sweep(options.bound_sweeps)
    return dual.bound() + smaller.constant
