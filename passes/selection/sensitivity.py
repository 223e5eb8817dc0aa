"""How firmly each layer's choice stands: what every routine would have to cost, and the best plan without the chosen.

The *min-marginal* of a routine is the least cost of a plan with it.  How far it lies above the optimum is how much
faster the routine must get on that layer to be chosen (its reduced cost); the least of those of a layer's other
routines is what the plan loses when the chosen one is forbidden, and how much slower the chosen one may get.  Dominated
routines count, since they are alternatives too.  Where a graph is too wide for min-marginals, they are bounded from
below.
"""

from __future__ import annotations

import math
from typing import Any

import attrs

from plait.passes.selection.build_graph import build_graph
from plait.passes.selection.elimination import TooWideError
from plait.passes.selection.marginals import StateCosts, min_marginals, state_costs
from plait.passes.selection.options import SolveOptions
from plait.passes.selection.problem import Problem, TooManyFormatsError, refuse_budgets
from plait.passes.selection.problem_io import problem_digest
from plait.passes.selection.reductions import Kept, reduce
from plait.passes.selection.solution import Solution

SENSITIVITY_SCHEMA = "routine-selection-sensitivity/1"


@attrs.frozen
class RoutineSensitivity:
    """The best plan with one routine on one layer.

    ``cost`` is what it costs and ``loss`` how much more than the given one, in ``problem.unit`` and up to rounding
    (relative 1e-12): the routine must get faster by more than this to be chosen.  Both are infinite where no plan has
    the routine, and lower bounds unless ``exact``.
    """

    routine: int
    cost: float
    loss: float
    exact: bool


@attrs.frozen
class LayerSensitivity:
    """One layer: the chosen routine, and all of them in order."""

    layer: int
    chosen: int
    routines: tuple[RoutineSensitivity, ...]

    @property
    def alternative(self) -> RoutineSensitivity | None:
        """The best other routine, what is taken when the chosen one is forbidden; None if no plan has another one."""
        others = [r for r in self.routines if r.routine != self.chosen and math.isfinite(r.cost)]
        return min(others, key=lambda r: (r.cost, not r.exact), default=None)

    @property
    def margin(self) -> float:
        """What the plan loses when the chosen routine is forbidden: how much slower it may get and stay chosen."""
        best = self.alternative
        return math.inf if best is None else best.loss


@attrs.frozen
class RunnerUp:
    """The best alternative for one layer.

    ``routine`` indexes the layer's candidates; None when there is no other one that any plan can use.
    ``cost`` is the objective of the best plan with it and ``loss`` what that plan costs more than the
    given one, in ``problem.unit``, up to rounding (relative 1e-12); infinite with ``routine`` None.
    """

    layer: int
    chosen: int
    routine: int | None
    cost: float
    loss: float


def sensitivity(
    problem: Problem, solution: Solution, options: SolveOptions = SolveOptions()
) -> tuple[LayerSensitivity, ...]:
    """Every layer of an optimal solution with all its routines.

    Where the graph with all signatures is too wide, what is known exactly without dominated routines is exact, the rest
    are bounds.
    """
    _demand_optimal(problem, solution)
    kept = reduce(problem, dominance=False)
    found = [_known(problem, solution, kept, _costs(problem, kept, options))]
    if not all(r.exact for layer in found[0] for r in layer.routines):
        kept = reduce(problem)
        costs = _costs(problem, kept, options)
        if costs is not None and costs.exact:
            found.append(_known(problem, solution, kept, costs))
    return tuple(
        attrs.evolve(layers[0], routines=tuple(map(_best_known, *(x.routines for x in layers))))
        for layers in zip(*found, strict=True)
    )


def runners_up(
    problem: Problem, solution: Solution, options: SolveOptions = SolveOptions()
) -> tuple[RunnerUp, ...] | None:
    """For every layer of an optimal solution its best alternative; None when that is too wide to compute.

    Where the graph with all signatures is too wide, dominated routines are left out of the alternatives.
    """
    _demand_optimal(problem, solution)
    for dominance in (False, True):
        kept = reduce(problem, dominance=dominance)
        try:
            costs = StateCosts(tuple(min_marginals(build_graph(problem, kept), options)), True)
        except (TooWideError, TooManyFormatsError):
            continue
        return tuple(_runner_up(layer) for layer in _known(problem, solution, kept, costs))
    return None


def _demand_optimal(problem: Problem, solution: Solution) -> None:
    refuse_budgets(problem, "sensitivity")
    if solution.status != "optimal":
        raise ValueError(f"runners-up are defined for an optimal solution, this one is {solution.status}")


def _costs(problem: Problem, kept: Kept, options: SolveOptions) -> StateCosts | None:
    """State costs of the graph of the kept routines; None where a value may be wanted in too many formats."""
    try:
        return state_costs(build_graph(problem, kept), len(problem.layers), options)
    except TooManyFormatsError:
        return None


def _known(problem: Problem, solution: Solution, kept: Kept, costs: StateCosts | None) -> tuple[LayerSensitivity, ...]:
    """What the costs of the kept routines tell of all routines."""
    return tuple(_layer(problem, solution, i, kept[i], costs) for i in range(len(problem.layers)))


def _layer(
    problem: Problem, solution: Solution, layer: int, kept: tuple[int, ...], costs: StateCosts | None
) -> LayerSensitivity:
    """A routine that was not kept costs as much more than the kept one of its signature as it costs alone."""
    routines, chosen = problem.routines(layer), solution.choice[layer]
    best = {} if costs is None else dict(zip((routines[k].signature for k in kept), kept, strict=True))
    least = {} if costs is None else dict(zip(kept, costs.costs[layer].tolist(), strict=True))
    found = []
    for k, routine in enumerate(routines):
        stand_in = best.get(routine.signature)
        cost, exact = solution.cost, False
        if routine.signature == routines[chosen].signature:
            cost, exact = solution.cost - routines[chosen].cost + routine.cost, True
        elif stand_in is not None and costs is not None:
            cost = least[stand_in] - routines[stand_in].cost + routine.cost
            exact = costs.exact or math.isinf(cost)
        if not exact:
            cost = max(cost, solution.cost)  # a lower bound; the optimum is one, too
        found.append(RoutineSensitivity(k, cost, cost - solution.cost, exact))
    return LayerSensitivity(layer, chosen, tuple(found))


def _best_known(first: RoutineSensitivity, *others: RoutineSensitivity) -> RoutineSensitivity:
    """What is exact, else the largest bound."""
    for other in others:
        if not first.exact and (other.exact or other.cost > first.cost):
            first = other
    return first


def _runner_up(layer: LayerSensitivity) -> RunnerUp:
    others = [r for r in layer.routines if r.routine != layer.chosen and r.exact and math.isfinite(r.cost)]
    best = min(others, key=lambda r: r.cost, default=None)
    if best is None:
        return RunnerUp(layer.layer, layer.chosen, None, math.inf, math.inf)
    return RunnerUp(layer.layer, layer.chosen, best.routine, best.cost, best.loss)


def sensitivity_to_json(problem: Problem, solution: Solution, layers: tuple[LayerSensitivity, ...]) -> dict[str, Any]:
    """The sensitivity as a JSON object; what is infinite is null."""
    return {
        "schema": SENSITIVITY_SCHEMA,
        "instance": problem_digest(problem),
        "unit": problem.unit,
        "cost": solution.cost,
        "layers": [_layer_to_json(problem, layer) for layer in layers],
    }


def _layer_to_json(problem: Problem, layer: LayerSensitivity) -> dict[str, Any]:
    best = layer.alternative
    return {
        "layer": layer.layer,
        "name": problem.layers[layer.layer].name,
        "chosen": layer.chosen,
        "alternative": None if best is None else best.routine,
        "margin": None if best is None else best.loss,
        "exact": best is None or best.exact,
        "routines": [
            {
                "name": problem.routines(layer.layer)[r.routine].name,
                "cost": r.cost if math.isfinite(r.cost) else None,
                "loss": r.loss if math.isfinite(r.cost) else None,
                "exact": r.exact,
            }
            for r in layer.routines
        ],
    }
