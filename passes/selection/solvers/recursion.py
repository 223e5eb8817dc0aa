"""What the dynamic programs of the literature share: a table for each layer, filled in schedule order.

They price conversions by edge, each use its own chain (``none`` sharing), whatever the mode of the problem is. What
they choose is priced in the mode of the problem afterwards.
"""

from __future__ import annotations

import time

import numpy as np

from plait.passes.selection.build_graph import build_graph
from plait.passes.selection.conversion import FloatArray
from plait.passes.selection.factor_graph import FactorGraph, IntArray
from plait.passes.selection.options import SolveOptions
from plait.passes.selection.problem import Problem
from plait.passes.selection.reductions import collapse
from plait.passes.selection.solution import Solution
from plait.passes.selection.solvers.bounds import lower_bound
from plait.passes.selection.solvers.common import no_plan, nothing_found, priced, proven


def solve_by_recursion(
    problem: Problem, options: SolveOptions, *, name: str, sources: list[list[int]], exact: bool
) -> Solution:
    """The plan of the recursion over the given sources of each layer.

    Args:
        name: of the solver.
        sources: for each layer the layers before it that its table looks back at.
        exact: whether the recursion is exact for this problem: then its answer is proven.
    """
    started, kept = time.perf_counter(), collapse(problem)
    states = trace(build_graph(problem, kept, "none"), sources)
    if states is None:
        if exact:
            return no_plan(problem, kept, options, solver=name, started=started)
        return nothing_found(solver=name, started=started, bound=lower_bound(problem, options))
    choice = [candidates[s] for candidates, s in zip(kept, states, strict=True)]
    if exact:
        return proven(problem, choice, solver=name, started=started)
    return priced(problem, choice, solver=name, started=started, bound=lower_bound(problem, options))


def trace(graph: FactorGraph, sources: list[list[int]]) -> list[int] | None:
    """The state of each layer, read back from the last one; None where a table has no finite entry.

    ``best[v][r] = cost(v, r) + sum over sources u of min over r' of best[u][r'] + conversions(u, r', v, r)``.
    A layer takes the state that the last layer that looks back at it wants, and one that none looks back at its best.
    """
    best: list[FloatArray] = []
    wanted: list[dict[int, IntArray]] = []
    for v, own in enumerate(graph.unary):
        total, back = own, {}
        for u in sources[v]:
            paths = best[u][:, None] + graph.pairs[u, v]
            back[u] = paths.argmin(axis=0)
            total = total + paths.min(axis=0)
        if not np.isfinite(total).any():
            return None
        # Paths through a fork are counted once for each way; without this numbers would double block by block.
        best.append(total - total.min())
        wanted.append(back)
    states: list[int | None] = [None] * len(best)
    for v in reversed(range(len(best))):
        state = states[v]
        if state is None:
            state = states[v] = int(best[v].argmin())
        for u, back_pointers in wanted[v].items():
            if states[u] is None:
                states[u] = int(back_pointers[state])
    return [s for s in states if s is not None]


def sources_of(problem: Problem) -> list[list[int]]:
    """For each layer the layers that make its inputs, in the order of its ports, each once."""
    return [list(dict.fromkeys(problem.producers[v][0] for v in layer.inputs)) for layer in problem.layers]


def no_forks(problem: Problem) -> bool:
    """Whether every layer serves one layer at most, and no two uses share conversions."""
    if problem.sharing != "none" and any(len(uses) > 1 for uses in problem.uses):
        return False
    readers = [{i for v in layer.outputs for i, _ in problem.uses[v]} for layer in problem.layers]
    return all(len(r) <= 1 for r in readers)
