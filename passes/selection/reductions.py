"""Candidates that no best plan needs: signature collapse and dominance by imitation.

Both keep indices into the original tables, so undoing them is no work: a choice among the kept routines
is a choice of the original problem.  Correctness arguments are in ``docs/design/selection.md``.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from plait.passes.selection.conversion import FloatArray
from plait.passes.selection.problem import Problem

Kept: TypeAlias = tuple[tuple[int, ...], ...]
"""Per layer, the indices of the routines still in play, ascending."""


def collapse(problem: Problem) -> Kept:
    """Per layer, the cheapest routine of every signature; the first one among equally cheap ones."""
    per_table: dict[int, tuple[int, ...]] = {}
    for layer in problem.layers:
        if layer.table not in per_table:
            cheapest: dict[tuple[tuple[int, ...], tuple[int, ...]], int] = {}
            routines = problem.tables[layer.table].routines
            for k, routine in enumerate(routines):
                best = cheapest.setdefault(routine.signature, k)
                if routine.cost < routines[best].cost:
                    cheapest[routine.signature] = k
            per_table[layer.table] = tuple(sorted(cheapest.values()))
    return tuple(per_table[layer.table] for layer in problem.layers)


def undominated(problem: Problem, kept: Kept) -> Kept:
    """Drop every routine that another one plus conversions replaces at no extra cost, in any plan."""
    shared: dict[tuple[object, ...], tuple[int, ...]] = {}
    result = []
    for i, layer in enumerate(problem.layers):
        key = (layer.table, kept[i], *(_context(problem, v, "in") for v in layer.inputs))
        key += tuple(_context(problem, v, "out") for v in layer.outputs)
        if key not in shared:
            shared[key] = _survivors(problem, i, kept[i])
        result.append(shared[key])
    return tuple(result)


def reduce(problem: Problem, *, dominance: bool = True) -> Kept:
    """Signature collapse, then (if wanted) dominance."""
    kept = collapse(problem)
    return undominated(problem, kept) if dominance else kept


def _context(problem: Problem, value: int, side: str) -> tuple[object, ...]:
    """All that the replacement cost on a port depends on: layers that agree in it share the work."""
    uses = len(problem.uses[value])
    if problem.sharing == "tree":
        return problem.values[value].adapt, uses > 0
    sources = _producible(problem, value) if side == "in" and problem.sharing == "star" else ()
    return problem.values[value].adapt, uses, sources


def _producible(problem: Problem, value: int) -> tuple[int, ...]:
    """Formats in which any routine of the producer leaves the value."""
    layer, port = problem.producers[value]
    return tuple(sorted({r.outputs[port] for r in problem.routines(layer)}))


def _wanting_cost(problem: Problem, value: int) -> FloatArray:
    """``[f, g]``: most that the conversions of a value can rise when one use wants ``g`` instead of ``f``.

    ``f`` is still wanted at worst.  Under tree sharing ``g`` can be made from the copy in ``f``, with one
    use or unshared chains the chain is prolonged.  Under star sharing with more uses a new chain starts at
    the producer's format, whichever it is.
    """
    distance = problem.planner(value).distance
    if problem.sharing != "star" or len(problem.uses[value]) == 1:
        return distance
    rise = np.broadcast_to(distance[list(_producible(problem, value))].max(axis=0), distance.shape).copy()
    np.fill_diagonal(rise, 0.0)
    return rise


def _leaving_cost(problem: Problem, value: int) -> FloatArray:
    """``[g, f]``: most that the conversions can rise when the producer leaves ``g`` instead of ``f``.

    One chain from ``g`` to ``f`` restores the copy; under tree sharing it serves every use, otherwise it
    is paid once per use at worst, and nothing is paid for a value nobody reads.
    """
    distance = problem.planner(value).distance
    uses = len(problem.uses[value])
    if uses == 0:
        return np.zeros_like(distance)
    return distance if problem.sharing == "tree" else distance * uses


def _survivors(problem: Problem, layer: int, kept: tuple[int, ...]) -> tuple[int, ...]:
    """The routines of one layer after dominance; of two that imitate each other the first stays."""
    spec, routines = problem.layers[layer], problem.routines(layer)
    cost: FloatArray = np.array([routines[k].cost for k in kept])
    imitation: FloatArray = np.broadcast_to(cost, (len(kept), len(kept))).copy()
    for p, v in enumerate(spec.inputs):
        f = np.array([routines[k].inputs[p] for k in kept])
        imitation += _wanting_cost(problem, v)[np.ix_(f, f)]
    for q, v in enumerate(spec.outputs):
        f = np.array([routines[k].outputs[q] for k in kept])
        imitation += _leaving_cost(problem, v)[np.ix_(f, f)].T
    beaten: npt.NDArray[np.bool_] = imitation <= cost[:, None]
    np.fill_diagonal(beaten, False)
    alive = np.ones(len(kept), dtype=bool)
    for a in sorted(range(len(kept)), key=lambda a: (-cost[a], -a)):
        if bool((beaten[a] & alive).any()):
            alive[a] = False
    return tuple(k for k, keep in zip(kept, alive, strict=True) if keep)
