"""A selection, its exact price, and the checks anybody can repeat.

One summation defines the objective everywhere: ``math.fsum`` over the costs of the chosen routines and
of the listed conversions.  ``fsum`` rounds once and does not depend on order, so whoever adds the parts
of a solution again gets the same float, bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

import attrs
import numpy as np

from plait.passes.selection.columns import Indices
from plait.passes.selection.problem import Problem

Conversion: TypeAlias = tuple[int, int, int]
"""(value, from format, to format)."""

Status: TypeAlias = Literal["optimal", "feasible", "infeasible", "unknown"]


@attrs.frozen
class Solution:
    """What a solver answers.

    ``choice`` holds one routine index per layer and ``conversions`` are in executable order; both are
    empty when ``status`` is "infeasible" (proven: ``conflict`` names layers that can not be served
    together, or ``reason`` says which budget can not be kept) or "unknown" (nothing found, nothing proven),
    and ``cost`` is infinite then.  ``bound`` is
    a proven lower bound on every plan's cost up to rounding of the solver's sums (relative 1e-12), or
    None.  ``width`` is the largest number of neighbours a variable had when it was eliminated, in the
    elimination that gave the answer (of near-optimal states only, where the whole graph was too wide).
    """

    choice: tuple[int, ...]
    conversions: tuple[Conversion, ...]
    cost: float
    bound: float | None
    status: Status
    solver: str
    seconds: float = attrs.field(default=0.0, eq=False)
    width: int | None = None
    conflict: tuple[str, ...] = ()
    reason: str = ""

    @property
    def found(self) -> bool:
        """Whether there is a plan at all."""
        return self.status in ("optimal", "feasible")

    @property
    def gap(self) -> float | None:
        """How far the cost may be above the optimum, as a share of the cost; None without a bound."""
        if not self.found or self.bound is None:
            return None
        return (self.cost - self.bound) / self.cost if self.cost > 0 else 0.0

    def describe(self) -> str:
        """One line for people."""
        if self.status == "infeasible":
            if self.reason:
                return f"infeasible: {self.reason}"
            if not self.conflict:
                return "infeasible"
            return f"infeasible: no conversions serve {', '.join(self.conflict)} together"
        if not self.found:
            return f"{self.solver} found no plan and proved nothing"
        if self.status == "optimal" or self.gap is None:
            return f"{self.status}, cost {self.cost:.6g}"
        return f"{self.status}, cost {self.cost:.6g}, at most {100 * self.gap:.3g} % above the optimum"


def parts(problem: Problem, choice: Sequence[int], conversions: Iterable[Conversion]) -> list[float]:
    """Every summand of the objective: routine costs in layer order, then conversion costs."""
    summands = [problem.routines(i)[k].cost for i, k in enumerate(choice)]
    for value, source, target in conversions:
        summands.append(problem.adapts[problem.values[value].adapt].cost[source][target])
    return summands


def objective(problem: Problem, choice: Sequence[int], conversions: Iterable[Conversion]) -> float:
    """The objective of a plan: the correctly rounded sum of its parts, in ``problem.unit``."""
    return math.fsum(parts(problem, choice, conversions))


def wanted_formats(problem: Problem, choice: Sequence[int], value: int) -> tuple[int, ...]:
    """The format each use of a value asks for, in schedule order."""
    return tuple(problem.routines(i)[choice[i]].inputs[p] for i, p in problem.uses[value])


def source_format(problem: Problem, choice: Sequence[int], value: int) -> int:
    """The format in which the producer leaves a value."""
    layer, port = problem.producers[value]
    return problem.routines(layer)[choice[layer]].outputs[port]


def evaluate(problem: Problem, choice: Sequence[int]) -> tuple[float, tuple[Conversion, ...]]:
    """Cost of a choice with its cheapest conversions, in executable order.

    The cost is infinite, without conversions, when a wanted format can not be reached.
    """
    columns = problem.columns
    picked: Indices = np.asarray(choice, dtype=np.intc)
    found: list[Conversion] = []
    summands = columns.costs(picked).tolist()
    sources, wishes = columns.sources(picked), columns.wishes(picked)
    converted = np.unique(columns.use_values[wishes != sources[columns.use_values]]).tolist()
    starts, asked = columns.use_starts.tolist(), wishes.tolist()
    known: dict[tuple[object, ...], tuple[tuple[tuple[int, int], ...], list[float]] | None] = {}
    for value, adapt, source in zip(
        converted, columns.adapts[converted].tolist(), sources[converted].tolist(), strict=True
    ):
        wanted = asked[starts[value] : starts[value + 1]]
        key = (adapt, source, *wanted)
        if key not in known:
            known[key] = _priced_plan(problem, adapt, source, wanted)
        plan = known[key]
        if plan is None:
            return math.inf, ()
        found += [(value, a, b) for a, b in plan[0]]
        summands += plan[1]
    return math.fsum(summands), tuple(found)


def _priced_plan(
    problem: Problem, adapt: int, source: int, wanted: Sequence[int]
) -> tuple[tuple[tuple[int, int], ...], list[float]] | None:
    """The cheapest conversions of a value and their costs; None if there are none."""
    steps = problem.adapts[adapt].planner.plan(source, wanted, problem.sharing)
    return None if steps is None else (steps, [problem.adapts[adapt].cost[a][b] for a, b in steps])


def check(problem: Problem, solution: Solution, *, tolerance: float = 0.0) -> tuple[str, ...]:
    """Complaints about a solution; empty when it is a valid plan whose parts sum to its cost.

    ``tolerance`` is how far, relative to the cost, the claimed cost and bound may be off: nothing for
    solutions of our own, which sum up as ``objective`` does.
    """
    if not solution.found:
        return ("it has a choice although it found no plan",) if solution.choice else ()
    if complaints := _check_ranges(problem, solution):
        return complaints
    complaints = _check_conversions(problem, solution)
    total = objective(problem, solution.choice, solution.conversions)
    room = tolerance * max(1.0, total)
    if not abs(total - solution.cost) <= room:
        complaints += (f"it claims cost {solution.cost!r}, its parts sum to {total!r}",)
    if solution.bound is not None and solution.bound > solution.cost + room:
        complaints += (f"its bound {solution.bound!r} is above its cost {solution.cost!r}",)
    return complaints + _check_budgets(problem, solution)


def _check_ranges(problem: Problem, solution: Solution) -> tuple[str, ...]:
    if len(solution.choice) != len(problem.layers):
        return (f"it chooses for {len(solution.choice)} layers, the problem has {len(problem.layers)}",)
    for i, k in enumerate(solution.choice):
        if not 0 <= k < len(problem.routines(i)):
            return (f"{problem.layer_label(i)}: no routine {k}, there are {len(problem.routines(i))}",)
    values, formats = len(problem.values), len(problem.formats)
    for value, source, target in solution.conversions:
        if not (0 <= value < values and 0 <= source < formats and 0 <= target < formats):
            return (f"conversion ({value}, {source}, {target}) is out of range",)
    return ()


def _check_conversions(problem: Problem, solution: Solution) -> tuple[str, ...]:
    per_value: dict[int, list[tuple[int, int]]] = {}
    for value, source, target in solution.conversions:
        per_value.setdefault(value, []).append((source, target))
    complaints: list[str] = []
    for value in range(len(problem.values)):
        complaints += _check_value(problem, solution, value, per_value.get(value, []))
    return tuple(complaints)


def _check_budgets(problem: Problem, solution: Solution) -> tuple[str, ...]:
    if not problem.budgets:
        return ()
    from plait.passes.selection.budgets.usage import keeps, usage

    found = usage(problem, solution.choice, solution.conversions)
    return tuple(
        f"budget {b.resource}/{b.kind}: it uses {used:.9g}, the limit is {b.limit:.9g}"
        for b, used in zip(problem.budgets, found, strict=True)
        if not keeps(b, used)
    )


def _check_value(problem: Problem, solution: Solution, value: int, steps: list[tuple[int, int]]) -> list[str]:
    source = source_format(problem, solution.choice, value)
    wanted = wanted_formats(problem, solution.choice, value)
    if problem.sharing == "tree":
        return _check_tree(problem, value, source, wanted, steps)
    goal = list(wanted) if problem.sharing == "none" else list(set(wanted))
    goal = sorted(g for g in goal if g != source)
    if sorted(_chain_ends(source, steps)) != goal:
        return [f"value {value}: its chains of conversions do not end in the wanted formats {goal}"]
    return []


def _check_tree(
    problem: Problem, value: int, source: int, wanted: tuple[int, ...], steps: list[tuple[int, int]]
) -> list[str]:
    have, complaints = {source}, []
    for start, end in steps:
        if start not in have:
            complaints.append(f"value {value}: conversion from {problem.formats[start].name} before it exists")
        if end in have:
            complaints.append(f"value {value}: {problem.formats[end].name} is made twice")
        have.add(end)
    for g in sorted(set(wanted) - have):
        complaints.append(f"value {value}: {problem.formats[g].name} is wanted but never made")
    return complaints


def _chain_ends(source: int, steps: list[tuple[int, int]]) -> list[int]:
    """Where the chains end that start at ``source`` and follow one another; -1 for a broken chain."""
    ends: list[int] = []
    for start, end in steps:
        if start == source:
            ends.append(end)
        elif ends and ends[-1] == start:
            ends[-1] = end
        else:
            return [-1]
    return ends
