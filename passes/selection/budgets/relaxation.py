"""Lagrangian relaxation: budgets become prices, and what is left is a selection problem without budgets.

Every budget is a set of linear limits on routines taken and conversions run: one limit for a sum, one for each step
of the schedule for a peak.  With a price ``m[k] >= 0`` on each limit,

    L(m) = min over plans of  cost + sum over k of  m[k] * (used[k] - limit[k])

is a lower bound on the cost of every plan that keeps the limits (Everett 1963).  The minimum is over plans without
budgets, whose routines and conversions cost more by what they use; so one exact solution gives ``L(m)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import attrs
import numpy as np

from plait.passes.selection.budgets.usage import keeps, lifetime, memory_by_step, usage, used
from plait.passes.selection.conversion import FloatArray
from plait.passes.selection.problem import Adapts, LayerSpec, Matrix, Problem, Routine, RoutineTable, ValueSpec
from plait.passes.selection.solution import Conversion, Solution, objective


@attrs.frozen
class Plan:
    """A plan with what it costs, and whether it keeps every budget."""

    choice: tuple[int, ...]
    conversions: tuple[Conversion, ...]
    cost: float
    amounts: tuple[float, ...]
    kept: bool


@attrs.frozen
class Priced:
    """Outcome at some prices: the bound ``L`` and the plan behind it (None where there is no plan at all)."""

    bound: float
    plan: Plan | None
    solution: Solution


class Relaxation:
    """The relaxation of a problem; ``limits`` are those of its rows, in the order of the budgets."""

    def __init__(self, problem: Problem, solve: Callable[[Problem], Solution]) -> None:
        self.problem = problem
        self.free = attrs.evolve(problem, budgets=())
        self._solve = solve
        steps = len(problem.layers)
        self.rows = [(b, step) for b in problem.budgets for step in (range(steps) if b.kind == "peak" else (-1,))]
        self.limits: FloatArray = np.array([b.limit for b, _ in self.rows])
        self.peak = any(b.kind == "peak" for b in problem.budgets)
        self.best: Plan | None = None

    def at(self, prices: Sequence[float] | FloatArray, *, cost: float = 1.0) -> Priced:
        """The bound and plan at prices; with ``cost`` 0 only what is used counts, and the bound is one on that."""
        priced, shift = self._priced([float(p) for p in prices], cost)
        found = self._solve(priced)
        if not found.found:
            bound = math.inf if found.status == "infeasible" else -math.inf
            return Priced(bound, None, found)
        assert found.bound is not None
        plan = self.plan(found.choice, found.conversions)
        bound = found.bound + shift - float(np.dot(prices, self.limits))
        return Priced(bound, plan, found)

    def plan(self, choice: tuple[int, ...], conversions: tuple[Conversion, ...]) -> Plan:
        """A plan with its cost and uses; the cheapest that keeps all budgets is remembered as ``best``."""
        amounts = usage(self.problem, choice, conversions)
        kept = all(keeps(b, a) for b, a in zip(self.problem.budgets, amounts, strict=True))
        plan = Plan(choice, conversions, objective(self.problem, choice, conversions), amounts, kept)
        if kept and (self.best is None or plan.cost < self.best.cost):
            self.best = plan
        return plan

    def excess(self, plan: Plan) -> FloatArray:
        """How far each row is above its limit."""
        found: list[float] = []
        for budget in self.problem.budgets:
            if budget.kind == "peak":
                found += memory_by_step(self.problem, plan.choice, plan.conversions)
            else:
                found.append(used(self.problem, budget.resource, "sum", plan.choice, plan.conversions))
        return np.array(found) - self.limits

    def _priced(self, prices: list[float], cost: float) -> tuple[Problem, float]:
        """The problem at prices, and what has to be added to its costs (they may not be negative)."""
        rates: dict[str, float] = {}
        by_step = [0.0] * (len(self.problem.layers) + 1)
        for (budget, step), price in zip(self.rows, prices, strict=True):
            if step < 0:
                rates[budget.resource] = rates.get(budget.resource, 0.0) + price
            else:
                by_step[step] += price
        so_far = [0.0, *np.cumsum(by_step)]
        held = []
        for value in range(len(self.problem.values)):
            first, last = lifetime(self.problem, value)
            held.append((so_far[last + 1] - so_far[first]) * self.problem.values[value].elements)
        adapts, values = self._conversions(rates, held, cost)
        tables, layers, shift = self._routines(rates, by_step, held, cost)
        priced = attrs.evolve(self.free, adapts=adapts, values=values, tables=tables, layers=layers)
        return priced, shift

    def _conversions(
        self, rates: dict[str, float], held: list[float], cost: float
    ) -> tuple[tuple[Adapts, ...], tuple[ValueSpec, ...]]:
        numbers: dict[tuple[int, float], int] = {}
        adapts: list[Adapts] = []
        values = []
        for value, price in zip(self.problem.values, held, strict=True):
            key = (value.adapt, price)
            if key not in numbers:
                numbers[key] = len(adapts)
                adapts.append(Adapts(self._matrix(self.problem.adapts[value.adapt], rates, price, cost)))
            values.append(attrs.evolve(value, adapt=numbers[key]))
        return tuple(adapts), tuple(values)

    def _matrix(self, adapts: Adapts, rates: dict[str, float], held: float, cost: float) -> Matrix:
        total = np.array(adapts.cost, dtype=float).reshape(len(adapts.cost), -1)
        missing = ~np.isfinite(total)
        total = np.where(missing, 0.0, total) * cost
        for resource, rate in rates.items():
            if resource in adapts.resources:
                total = total + rate * np.where(missing, 0.0, np.array(adapts.resources[resource], dtype=float))
        total = total + held * np.array([f.bytes for f in self.problem.formats])[None, :]
        np.fill_diagonal(total, 0.0)
        total[missing] = math.inf
        return tuple(map(tuple, total.tolist()))

    def _routines(
        self, rates: dict[str, float], by_step: list[float], held: list[float], cost: float
    ) -> tuple[tuple[RoutineTable, ...], tuple[LayerSpec, ...], float]:
        numbers: dict[tuple[object, ...], int] = {}
        least: list[float] = []
        tables: list[RoutineTable] = []
        layers = []
        shift = []
        bytes_of = [f.bytes for f in self.problem.formats]
        for i, layer in enumerate(self.problem.layers):
            key = (layer.table, by_step[i], *(held[v] for v in layer.outputs))
            if key not in numbers:
                table = self.problem.tables[layer.table]
                costs = [
                    cost * r.cost
                    + math.fsum(rate * r.resources.get(name, 0.0) for name, rate in rates.items())
                    + by_step[i] * r.resources.get("memory", 0.0)
                    + math.fsum(held[v] * bytes_of[f] for v, f in zip(layer.outputs, r.outputs, strict=True))
                    for r in table.routines
                ]
                numbers[key] = len(tables)
                least.append(min(0.0, *costs))
                tables.append(_repriced(table, [c - least[-1] for c in costs]))
            layers.append(attrs.evolve(layer, table=numbers[key]))
            shift.append(least[numbers[key]])
        return tuple(tables), tuple(layers), math.fsum(shift)


def _repriced(table: RoutineTable, costs: Sequence[float]) -> RoutineTable:
    routines = zip(table.routines, costs, strict=True)
    return RoutineTable(table.signature, tuple(Routine(r.name, r.inputs, r.outputs, c) for r, c in routines))
