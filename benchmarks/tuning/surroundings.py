"""What other plans a network could have: its selection problem with every variant of every routine, and what is known
of the costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import attrs
import numpy as np
import numpy.typing as npt

from plait.backends.profiling.database import ProfileDatabase
from plait.backends.profiling.job import Job
from plait.backends.profiling.profiler import WorkerProfiler
from plait.ir import Module
from plait.passes.selection.apply import apply_solution
from plait.passes.selection.build import build_problem
from plait.passes.selection.problem import Problem
from plait.passes.selection.restrict import restrict
from plait.passes.selection.solution import Conversion, Solution
from plait.passes.selection.solvers import solver
from plait.tuning.api import known_limits
from plait.tuning.bounds import Roof, python_step_us
from plait.tuning.costs import SlotCosts
from plait.tuning.entries import Entries
from plait.tuning.select import roofline_bounds
from plait.tuning.template import Priced, Template

Costs = npt.NDArray[np.float64]


@attrs.frozen
class Plan:
    """Routines by their numbers in the template, and conversions."""

    choice: tuple[int, ...]
    conversions: tuple[Conversion, ...]


@attrs.frozen(eq=False)
class Surroundings:
    """Plans of a network.

    Args:
        module: optimised.
        costs: microseconds of each entry: measured, or what it takes at least; infinite for those that fail.
    """

    module: Module
    template: Template
    source: SlotCosts
    costs: Costs

    @staticmethod
    def known_to(path: Path, module: Module, threads: int, state: str) -> Surroundings:
        """With what a profile database knows; bounds for the rest."""
        template, source = Template.of(Entries(module.main, threads=threads, state=state))
        with ProfileDatabase(path) as database, WorkerProfiler(database) as profiler:
            known = profiler.known(source.jobs)
            least = roofline_bounds(lambda n: Roof(known_limits(database, n), python_step_us()), profiler)
            bounds: Mapping[Job, float] = least(source.entries)
        costs = [bounds.get(job, 0.0) for job in source.jobs]
        for entry, job in enumerate(source.jobs):
            if job in known:
                costs[entry] = known[job].cost_us if known[job].ok else math.inf
        return Surroundings(module, template, source, np.array(costs))

    @cached_property
    def priced(self) -> Priced:
        """The problem with what is known."""
        found = self.template.price(self.costs.tolist())
        assert found is not None, "the network has been tuned"
        return found

    @cached_property
    def best(self) -> Solution:
        """The best plan of that problem."""
        return solver("exact")(self.priced.problem)

    def plan(self, priced: Priced, solution: Solution) -> Plan:
        """A solution of a priced problem as a plan."""
        layers = priced.problem.layers
        choice = tuple(priced.kept[layer.table][k] for layer, k in zip(layers, solution.choice, strict=True))
        return Plan(choice, solution.conversions)

    def best_under(self, costs: Costs) -> Plan:
        """The best plan if entries had these costs."""
        priced = self.template.price(costs.tolist())
        assert priced is not None
        return self.plan(priced, solver("exact")(priced.problem))

    def best_with(self, forced: Mapping[int, int]) -> Plan | None:
        """The best plan with these routines (of `priced`) on these layers; None if there is none."""
        problem = self.priced.problem
        kept = [[forced[i]] if i in forced else range(len(problem.routines(i))) for i in range(len(problem.layers))]
        restriction = restrict(problem, kept)
        solution = solver("exact")(restriction.problem)
        return self.plan(self.priced, restriction.widened(solution)) if solution.found else None

    def predicted_us(self, plan: Plan) -> float:
        """The sum of the costs that are known."""
        problem, slots = self.template.problem, self.template.table_slots
        used = [slots[layer.table][k] for layer, k in zip(problem.layers, plan.choice, strict=True)]
        used += [int(adapt_cost(problem, conversion)) for conversion in plan.conversions]
        found = (self.template.slots[s] for s in used)
        return math.fsum(self.costs[s.entry] * s.share for s in found if s.share)

    def module_of(self, plan: Plan) -> Module:
        """The network with the routines of a plan."""
        copy = self.module.clone()
        twin = self.source.for_copy(copy.main)
        solution = attrs.evolve(self.best, choice=plan.choice, conversions=plan.conversions)
        apply_solution(build_problem(copy.main, twin), solution, twin)
        for layer in copy.main:
            layer.cost_us = None
        return copy


def adapt_cost(problem: Problem, conversion: Conversion) -> float:
    """What a conversion of a value costs in a problem."""
    value, source, target = conversion
    return problem.adapts[problem.values[value].adapt].cost[source][target]


def routines_of(module: Module) -> tuple[str, ...]:
    """What tells plans of one network apart: the routines of all layers in order, conversions included."""
    return tuple(f"{layer.results[0].name} {layer.via}" for layer in module.main)


def forcing(module: Module) -> Sequence[str]:
    """Patterns that leave tuning no choice but this plan's routines; conversions follow from them."""
    vias = [layer.via or "" for layer in module.main if layer.op != "adapt"]
    return [f"{via if via.endswith(']') else via + '[]'}@{i}" for i, via in enumerate(vias)]
