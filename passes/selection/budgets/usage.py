"""What a plan uses of a budgeted resource, by the rules of the format.

``sum``   the routines' use plus that of the conversions run.
``peak``  of memory: every copy of a value lives from the step that makes the value to its last reader's step
          and takes ``elements * bytes`` of its format; a step adds its routine's own memory as workspace.
          The largest step counts.  (Conservative: a copy is counted before it is made and after its last use.)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from plait.passes.selection.problem import Budget, Problem
from plait.passes.selection.solution import Conversion

TOLERANCE = 1e-9
"""How far above its limit, relative and absolute, a sum of floats still counts as kept."""


def keeps(budget: Budget, used: float) -> bool:
    """Whether a use is within the limit, up to rounding."""
    return used <= allowed(budget)


def allowed(budget: Budget) -> float:
    """The limit with the room for rounding."""
    return budget.limit + TOLERANCE * abs(budget.limit) + TOLERANCE


def usage(problem: Problem, choice: Sequence[int], conversions: Iterable[Conversion]) -> tuple[float, ...]:
    """Use of each of the problem's budgets, in their order."""
    conversions = tuple(conversions)
    return tuple(used(problem, b.resource, b.kind, choice, conversions) for b in problem.budgets)


def used(problem: Problem, resource: str, kind: str, choice: Sequence[int], conversions: Sequence[Conversion]) -> float:
    """Use of one resource by a plan."""
    if kind == "peak":
        return max(memory_by_step(problem, choice, conversions), default=0.0)
    summands = [problem.routines(i)[k].resources.get(resource, 0.0) for i, k in enumerate(choice)]
    for value, source, target in conversions:
        matrix = problem.adapts[problem.values[value].adapt].resources.get(resource)
        if matrix is not None:
            summands.append(matrix[source][target])
    return math.fsum(summands)


def memory_by_step(problem: Problem, choice: Sequence[int], conversions: Iterable[Conversion]) -> list[float]:
    """Memory in use while each layer runs."""
    copies: list[list[int]] = [[] for _ in problem.values]
    for value, (layer, port) in enumerate(problem.producers):
        copies[value].append(problem.routines(layer)[choice[layer]].outputs[port])
    for value, _, target in conversions:
        copies[value].append(target)
    change = [0.0] * (len(problem.layers) + 1)
    for value, formats in enumerate(copies):
        first, last = lifetime(problem, value)
        size = problem.values[value].elements * sum(problem.formats[f].bytes for f in formats)
        change[first] += size
        change[last + 1] -= size
    steps, live = [], 0.0
    for i, k in enumerate(choice):
        live += change[i]
        steps.append(live + problem.routines(i)[k].resources.get("memory", 0.0))
    return steps


def lifetime(problem: Problem, value: int) -> tuple[int, int]:
    """First and last step in which a value takes memory: its producer's and its last reader's."""
    first = problem.producers[value][0]
    return first, max((i for i, _ in problem.uses[value]), default=first)
