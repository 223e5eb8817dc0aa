"""One format for the whole network, for every format in turn; the best of these plans.

A layer that has routines with the format on all its ports takes the cheapest of them.  Any other layer
(graph inputs and outputs, operators without such a routine) takes what costs least with the conversions
of its inputs and the way back from its outputs to the format.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from plait.passes.selection.options import SolveOptions
from plait.passes.selection.problem import Problem, Routine, refuse_budgets
from plait.passes.selection.reductions import collapse
from plait.passes.selection.solution import Solution, evaluate
from plait.passes.selection.solvers.bounds import lower_bound
from plait.passes.selection.solvers.common import priced
from plait.passes.selection.solvers.partial import PartialPlan

NAME = "single_format"


def solve(problem: Problem, options: SolveOptions = SolveOptions()) -> Solution:
    """One format for the whole network where routines allow it, the best one."""
    refuse_budgets(problem, NAME)
    started = time.perf_counter()
    plans = [uniform_choice(problem, f) for f in range(len(problem.formats))]
    choice = min(plans, key=lambda plan: evaluate(problem, plan)[0])
    return priced(problem, choice, solver=NAME, started=started, bound=lower_bound(problem, options))


def uniform_choice(problem: Problem, format: int) -> Sequence[int]:
    """The plan that keeps to one format where it can."""
    plan = PartialPlan(problem)
    for i, candidates in enumerate(collapse(problem)):
        routines = problem.routines(i)
        pure = [k for k in candidates if {*routines[k].inputs, *routines[k].outputs} == {format}]
        if pure:
            costs = {k: routines[k].cost for k in pure}
        else:
            costs = {k: plan.extra(routines[k]) + _way_back(problem, i, routines[k], format) for k in candidates}
        plan.choose(min(costs, key=costs.__getitem__))
    return plan.choice


def _way_back(problem: Problem, layer: int, routine: Routine, format: int) -> float:
    """Cost of bringing the outputs of a layer to the format."""
    outputs = zip(problem.layers[layer].outputs, routine.outputs, strict=True)
    return math.fsum(float(problem.planner(v).distance[f, format]) for v, f in outputs)
