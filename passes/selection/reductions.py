"""Candidates that no best plan needs: signature collapse and dominance by imitation.

Both keep indices into the original tables, so undoing them is no work: a choice among the kept routines
is a choice of the original problem.  Correctness arguments are in ``docs/design/selection.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from plait.passes.selection.columns import FloatArray, Indices, combined, numbered
from plait.passes.selection.problem import Problem, Routine

Kept: TypeAlias = tuple[tuple[int, ...], ...]
"""Per layer, the indices of the routines still in play, ascending."""


def collapse(problem: Problem) -> Kept:
    """Per layer, the cheapest routine of every signature; the first one among equally cheap ones."""
    tables = problem.columns.tables
    per_table = {t: _cheapest(problem.tables[t].routines) for t in np.unique(tables).tolist()}
    return tuple(map(per_table.__getitem__, tables.tolist()))


def _cheapest(routines: Sequence[Routine]) -> tuple[int, ...]:
    found: dict[tuple[tuple[int, ...], tuple[int, ...]], int] = {}
    for k, routine in enumerate(routines):
        best = found.setdefault(routine.signature, k)
        if routine.cost < routines[best].cost:
            found[routine.signature] = k
    return tuple(sorted(found.values()))


def classes(problem: Problem, kept: Kept) -> tuple[Indices, list[tuple[int, tuple[int, ...]]]]:
    """Layers that agree in table and kept routines: the class of every layer; table and routines of every class."""
    keys = list(zip(problem.columns.tables.tolist(), kept, strict=True))
    number = {key: n for n, key in enumerate(dict.fromkeys(keys))}
    return np.fromiter(map(number.__getitem__, keys), np.intc, len(keys)), list(number)


def undominated(problem: Problem, kept: Kept) -> Kept:
    """Drop every routine that another one plus conversions replaces at no extra cost, in any plan."""
    where, number = _contexts(problem, classes(problem, kept)[0])
    survivors = [_survivors(problem, i, kept[i]) for i in where.tolist()]
    return tuple(map(survivors.__getitem__, number.tolist()))


def reduce(problem: Problem, *, dominance: bool = True) -> Kept:
    """Signature collapse, then (if wanted) dominance."""
    kept = collapse(problem)
    return undominated(problem, kept) if dominance else kept


def _contexts(problem: Problem, number: Indices) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Layers by all that dominance depends on: one of each kind, and the kind of every layer."""
    columns = problem.columns
    reads, makes = columns.inputs.lengths, columns.outputs.lengths
    into, out = _port_contexts(problem)
    kinds = np.zeros(len(number), dtype=np.int64)
    first: list[int] = []
    shapes = combined(reads, makes)
    for shape in np.unique(shapes).tolist():
        layers = np.flatnonzero(shapes == shape)
        ports = [into[columns.inputs.items[columns.inputs.starts[layers] + p]] for p in range(int(reads[layers[0]]))]
        ports += [out[columns.outputs.items[columns.outputs.starts[layers] + q]] for q in range(int(makes[layers[0]]))]
        where, kind = numbered(combined(number[layers], *ports))
        kinds[layers] = kind + len(first)
        first += layers[where].tolist()
    return np.array(first, dtype=np.int64), kinds


def _port_contexts(problem: Problem) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """For every value all that the replacement cost of a reader and of the producer depends on, as numbers."""
    columns = problem.columns
    uses = columns.use_counts
    if problem.sharing == "tree":
        return combined(columns.adapts), combined(columns.adapts, np.minimum(uses, 1))
    out = combined(columns.adapts, uses)
    if problem.sharing == "none":
        return out, out
    return combined(columns.adapts, uses, columns.tables[columns.producers], columns.producer_ports), out


def _producible(problem: Problem, value: int) -> tuple[int, ...]:
    """Formats in which any routine of the producer leaves the value."""
    columns = problem.columns
    table = problem.tables[columns.tables[columns.producers[value]]].columns
    return tuple(np.unique(table.outputs[columns.producer_ports[value]]).tolist())


def _wanting_cost(problem: Problem, value: int) -> FloatArray:
    """``[f, g]``: most that the conversions of a value can rise when one use wants ``g`` instead of ``f``.

    ``f`` is still wanted at worst.  Under tree sharing ``g`` can be made from the copy in ``f``, with one
    use or unshared chains the chain is prolonged.  Under star sharing with more uses a new chain starts at
    the producer's format, whichever it is.
    """
    distance = problem.planner(value).distance
    if problem.sharing != "star" or int(problem.columns.use_counts[value]) == 1:
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
    uses = int(problem.columns.use_counts[value])
    if uses == 0:
        return np.zeros_like(distance)
    return distance if problem.sharing == "tree" else distance * uses


def _survivors(problem: Problem, layer: int, kept: tuple[int, ...]) -> tuple[int, ...]:
    """The routines of one layer after dominance; of two that imitate each other the first stays."""
    spec, table = problem.layers[layer], problem.tables[problem.layers[layer].table].columns
    picked = list(kept)
    cost = table.costs[picked]
    imitation: FloatArray = np.broadcast_to(cost, (len(kept), len(kept))).copy()
    for p, v in enumerate(spec.inputs):
        f = table.inputs[p][picked]
        imitation += _wanting_cost(problem, v)[np.ix_(f, f)]
    for q, v in enumerate(spec.outputs):
        f = table.outputs[q][picked]
        imitation += _leaving_cost(problem, v)[np.ix_(f, f)].T
    beaten: npt.NDArray[np.bool_] = imitation <= cost[:, None]
    np.fill_diagonal(beaten, False)
    alive = np.ones(len(kept), dtype=bool)
    for a in sorted(range(len(kept)), key=lambda a: (-cost[a], -a)):
        if bool((beaten[a] & alive).any()):
            alive[a] = False
    return tuple(k for k, keep in zip(kept, alive, strict=True) if keep)
