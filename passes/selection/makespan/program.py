"""The plan whose busiest device works least, as an integer program (SciPy's HiGHS): a bound no mixture of plans meets.

The work of each device is a resource, the largest of them the objective.
"""

from __future__ import annotations

import math

import attrs

from plait.passes.selection.copies import pareto_routines, ways_of_values
from plait.passes.selection.ilp import IlpResult, Program, available
from plait.passes.selection.makespan.timeline import Transfers, device_of
from plait.passes.selection.problem import Adapts, Budget, Matrix, Problem, RoutineTable, TooManyFormatsError


def least_load(problem: Problem, transfers: Transfers, most: float, time_limit: float) -> IlpResult | None:
    """The program's answer, in ``bound`` a bound on the makespan of all plans, one of which is done by ``most``.

    None where there is no SciPy, one device, another sharing mode than ``tree``, or too many formats.
    """
    devices = sorted({f.device for f in problem.formats})
    if not available() or len(devices) < 2 or problem.sharing != "tree":
        return None
    stated = _with_work(problem, devices, transfers)
    kept = pareto_routines(stated)
    try:
        ways = ways_of_values(stated, kept)
    except TooManyFormatsError:
        return None
    # A hair of room for the program's tolerances.
    return Program(stated, kept, ways, largest=most * (1 + 1e-6)).solve(time_limit)


def _with_work(problem: Problem, devices: list[int], transfers: Transfers) -> Problem:
    """The problem with the work of each device as a resource and nothing else."""
    tables = []
    for table in problem.tables:
        routines = (attrs.evolve(r, resources={_work(device_of(problem, r)): r.cost}) for r in table.routines)
        tables.append(RoutineTable(table.signature, tuple(routines)))
    adapts = tuple(
        Adapts(a.cost, {_work(d): _conversions(problem, a.cost, d, transfers) for d in devices}) for a in problem.adapts
    )
    # The limits stand for the objective.
    budgets = tuple(Budget(_work(d), "sum", 1.0) for d in devices)
    return attrs.evolve(problem, tables=tuple(tables), adapts=adapts, budgets=budgets)


def _work(device: int) -> str:
    return f"work of device {device}"


def _conversions(problem: Problem, cost: Matrix, device: int, transfers: Transfers) -> Matrix:
    """How long each conversion keeps a device busy."""

    def busy(f: int, g: int) -> float:
        ends = {problem.formats[f].device, problem.formats[g].device}
        keeps = device in ends and (len(ends) == 1 or transfers == "both")
        return cost[f][g] if keeps and math.isfinite(cost[f][g]) else 0.0

    count = range(len(cost))
    return tuple(tuple(busy(f, g) for g in count) for f in count)
