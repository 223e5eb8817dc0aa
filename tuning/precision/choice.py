"""Solving the joint problem: the fastest choice of precisions within a budget of loss."""

from __future__ import annotations

import math
from collections.abc import Mapping

import attrs

from plait.backends.errors import RoutineError
from plait.backends.profiling.job import Job, Result
from plait.ir.diagnostics import Diagnostic
from plait.passes.selection import solver
from plait.passes.selection.build import build_problem
from plait.passes.selection.problem import Budget
from plait.passes.selection.solution import Solution
from plait.tuning.precision.joint import LOSS, JointCosts, JointEntries, Losses


@attrs.frozen
class Choice:
    """The precision of each layer that is not to compute in float32, by the name of its first result."""

    precisions: Mapping[str, str]
    predicted_us: float
    loss: float
    """The sum of what the layers lose, each alone."""
    budget: float
    solution: Solution = attrs.field(repr=False)


class Joint:
    """The joint problem of a network, to be solved for one budget after the other.

    Raises:
        RoutineError: P403, a layer has no routine.
    """

    def __init__(self, entries: JointEntries, results: Mapping[Job, Result], losses: Losses) -> None:
        self.losses = losses
        # Tolerances of solvers are made for numbers about 1.
        self.unit = _greatest(losses)
        scaled = {name: {p: loss / self.unit for p, loss in some.items()} for name, some in losses.items()}
        costs = JointCosts(entries, results, scaled)
        self.built = build_problem(entries.twins.module.main, costs, through=costs.through)
        bare = [layer for layer, found in self.built.candidates.items() if not found]
        if bare:
            raise RoutineError([Diagnostic("P403", f"no routine can run {layer.describe()}") for layer in bare])

    @property
    def most(self) -> float:
        """The greatest loss that a choice can have, by the sum."""
        options = self.built.candidates.values()
        most = (max((c.resources.get(LOSS, 0.0) for c in found), default=0.0) for found in options)
        return math.fsum(most) * self.unit

    def solve(self, budget: float = math.inf) -> Choice:
        """The fastest choice whose losses add up to no more than a budget.

        Raises:
            RoutineError: P403, no conversions make the routines fit.
        """
        problem = self.built.problem
        if budget < self.most:
            problem = attrs.evolve(problem, budgets=(Budget(LOSS, "sum", budget / self.unit),))
        found = solver("exact")(problem)
        if not found.found:
            raise RoutineError(Diagnostic("P403", f"no plan: {found.describe()}"))
        precisions: dict[str, str] = {}
        lost = []
        for i, picked in enumerate(found.choice):
            layer, candidate = self.built.layers[i], self.built.candidate(i, picked)
            if layer is not None and candidate is not None and LOSS in candidate.resources:
                precisions[layer.results[0].name] = candidate.context
                lost.append(self.losses[layer.results[0].name][candidate.context])
        return Choice(precisions, found.cost, math.fsum(lost), budget, found)


def _greatest(losses: Losses) -> float:
    """The greatest finite loss; 1 where there is none."""
    found = [loss for some in losses.values() for loss in some.values() if math.isfinite(loss)]
    return max(found, default=0.0) or 1.0
