"""Problems with other costs for the same routines."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
import numpy.typing as npt

from plait.passes.selection import Problem

Costs = npt.NDArray[np.float64]


def entries(problem: Problem) -> Costs:
    """The costs of all routines of all tables, table after table: one entry is one measurement."""
    return np.array([r.cost for table in problem.tables for r in table.routines])


def repriced(problem: Problem, costs: Costs) -> Problem:
    """The problem with other costs for the entries."""
    left = iter(costs.tolist())
    tables = tuple(
        attrs.evolve(table, routines=tuple(attrs.evolve(r, cost=next(left)) for r in table.routines))
        for table in problem.tables
    )
    return attrs.evolve(problem, tables=tables)


def used(problem: Problem, choice: Sequence[int]) -> list[int]:
    """The entries that a plan uses, in order, each once."""
    sizes = [len(table.routines) for table in problem.tables]
    starts = [0, *np.cumsum(sizes).tolist()]
    return sorted({starts[x.table] + k for x, k in zip(problem.layers, choice, strict=True)})
