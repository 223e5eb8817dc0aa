"""Lower bounds on the makespan: of one plan, and of all plans."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import attrs
import numpy as np

from plait.passes.selection.conversion import FloatArray
from plait.passes.selection.makespan.timeline import Timeline, Transfers, device_of
from plait.passes.selection.problem import Adapts, Problem, RoutineTable
from plait.passes.selection.solution import Solution

_ROUNDS = 24


def critical_path(timeline: Timeline) -> float:
    """The longest chain of tasks of a plan, each needing what the one before makes: no queue can be faster."""
    ends: list[float] = []
    for task in timeline.tasks:
        ends.append(max((ends[t] for t in task.waits), default=0.0) + task.end - task.start)
    return max(ends, default=0.0)


def makespan_bound(
    problem: Problem,
    solve: Callable[[Problem], Solution],
    transfers: Transfers = "both",
    seen: Callable[[Solution], object] = lambda solution: None,
) -> float:
    """A bound on the makespan of every plan: its longest chain, or the load of the busiest device.

    ``seen`` is told the plans met on the way, which spread the load.
    """
    return max(longest_chain(problem), balanced_load(problem, solve, transfers, seen))


def longest_chain(problem: Problem) -> float:
    """The earliest end of the last layer, if every layer could choose anew what the ones before it do."""
    copies: list[FloatArray] = []
    latest = 0.0
    for i, layer in enumerate(problem.layers):
        ends = []
        for routine in problem.routines(i):
            ready = [float(copies[v][f]) for v, f in zip(layer.inputs, routine.inputs, strict=True)]
            ends.append(max(ready, default=0.0) + routine.cost)
        latest = max(latest, min(ends))
        for q, v in enumerate(layer.outputs):
            left: FloatArray = np.full(len(problem.formats), math.inf)
            for end, routine in zip(ends, problem.routines(i), strict=True):
                left[routine.outputs[q]] = min(left[routine.outputs[q]], end)
            copies += [left] * (v + 1 - len(copies))
            copies[v] = (left[:, None] + problem.planner(v).distance).min(axis=0)
    return latest


def balanced_load(
    problem: Problem,
    solve: Callable[[Problem], Solution],
    transfers: Transfers,
    seen: Callable[[Solution], object] = lambda solution: None,
) -> float:
    """The busiest device works at least as long as any weighted mean of all devices.

    With weights that sum to one, the least weighted load over all plans is a selection problem without queues; the
    weights that give the largest one are sought by subgradients.
    """
    devices = sorted({f.device for f in problem.formats})
    weights: FloatArray = np.full(len(devices), 1.0 / max(1, len(devices)))
    best, bound, share, idle = weights, -math.inf, 1.0, 0
    for _ in range(_ROUNDS if len(devices) > 1 else 1):
        found = solve(weighted(problem, dict(zip(devices, weights.tolist(), strict=True)), transfers))
        if not found.found:
            return math.inf if found.status == "infeasible" else bound
        seen(found)
        assert found.bound is not None
        if found.bound > bound:
            bound, best, idle = found.bound, weights, 0
        else:
            idle += 1
            if idle == 3:
                share, idle = share / 2, 0
        loads = device_loads(problem, found, devices, transfers)
        spread = float(loads.max() - loads.min())
        if spread <= 0:
            break
        # More weight to devices that work longer than the mean.
        step = share * (loads - loads.mean()) / spread / len(devices)
        weights = np.maximum(best + step, 0.0)
        weights = weights / weights.sum()
    return max(bound, 0.0)


def device_loads(problem: Problem, solution: Solution, devices: Sequence[int], transfers: Transfers) -> FloatArray:
    """How long each device works for a plan."""
    load = dict.fromkeys(devices, 0.0)
    for i, k in enumerate(solution.choice):
        routine = problem.routines(i)[k]
        load[device_of(problem, routine)] = load.get(device_of(problem, routine), 0.0) + routine.cost
    for value, source, target in solution.conversions:
        cost = problem.adapts[problem.values[value].adapt].cost[source][target]
        ends = {problem.formats[source].device, problem.formats[target].device}
        if len(ends) == 1 or transfers == "both":
            for device in ends:
                load[device] += cost
    return np.array([load[d] for d in devices])


def weighted(problem: Problem, weights: dict[int, float], transfers: Transfers) -> Problem:
    """The problem whose costs are the weighted times of the devices that are kept busy."""
    tables = []
    for table in problem.tables:
        routines = (
            attrs.evolve(r, cost=r.cost * weights.get(device_of(problem, r), 0.0), resources={}) for r in table.routines
        )
        tables.append(RoutineTable(table.signature, tuple(routines)))
    of = [weights[f.device] for f in problem.formats]
    rates: FloatArray = np.add.outer(of, of)
    for f, a in enumerate(problem.formats):
        for g, b in enumerate(problem.formats):
            if a.device == b.device:
                rates[f, g] = of[f]
            elif transfers == "neither":
                rates[f, g] = 0.0
    adapts = []
    for entry in problem.adapts:
        cost = np.array(entry.cost, dtype=float).reshape(len(entry.cost), -1)
        finite = np.isfinite(cost)
        adapts.append(Adapts(tuple(map(tuple, np.where(finite, np.where(finite, cost, 0.0) * rates, cost).tolist()))))
    return attrs.evolve(problem, tables=tuple(tables), adapts=tuple(adapts), budgets=())
