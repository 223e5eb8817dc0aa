"""A problem with fewer routines for some layers, and the way back to the problem it was made from."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from plait.passes.selection.problem import LayerSpec, Problem, ProblemError, RoutineTable
from plait.passes.selection.solution import Solution, Status
from plait.passes.selection.solvers.common import cheap_bound


@attrs.frozen
class Restriction:
    """``problem`` keeps, of each layer of ``original``, the routines whose indices ``kept`` lists."""

    original: Problem
    problem: Problem
    kept: tuple[tuple[int, ...], ...]

    def widened(self, solution: Solution) -> Solution:
        """A solution of ``problem`` as one of ``original``.

        It is a plan there too, but the bound does not hold for plans with routines that were left out: what
        is left of it is the sum of the cheapest routines.  That a restricted problem is infeasible says
        nothing of the original.
        """
        if not solution.found:
            return attrs.evolve(solution, status="unknown", bound=cheap_bound(self.original))
        choice = tuple(kept[k] for kept, k in zip(self.kept, solution.choice, strict=True))
        bound = min(cheap_bound(self.original), solution.cost)
        status: Status = "optimal" if bound == solution.cost else "feasible"
        return attrs.evolve(solution, choice=choice, status=status, bound=bound)


def restrict(problem: Problem, kept: Sequence[Sequence[int]]) -> Restriction:
    """Keep, for each layer, the routines of these indices; layers that share a table and keep the same still share.

    Raises:
        ProblemError: a layer keeps none.
    """
    numbers: dict[tuple[int, tuple[int, ...]], int] = {}
    tables: list[RoutineTable] = []
    layers: list[LayerSpec] = []
    for i, layer in enumerate(problem.layers):
        if not kept[i]:
            raise ProblemError(f"{problem.layer_label(i)}: no routine is left")
        key = (layer.table, tuple(kept[i]))
        if key not in numbers:
            numbers[key] = len(tables)
            table = problem.tables[layer.table]
            tables.append(attrs.evolve(table, routines=tuple(table.routines[k] for k in key[1])))
        layers.append(attrs.evolve(layer, table=numbers[key]))
    smaller = attrs.evolve(problem, tables=tuple(tables), layers=tuple(layers))
    return Restriction(problem, smaller, tuple(map(tuple, kept)))
