"""Ways to make the copies of values where only the cost counts, in every sharing mode.

They have no steps: the conversions follow from the routines (``solution.evaluate``).
"""

from __future__ import annotations

import itertools
import math

import attrs

from plait.passes.selection.conversion import MAX_TERMINALS
from plait.passes.selection.copies import Way
from plait.passes.selection.problem import LayerSpec, Problem, RoutineTable, TooManyFormatsError, ValueSpec
from plait.passes.selection.reductions import Kept


def cheapest_ways(problem: Problem, kept: Kept) -> list[list[Way]]:
    """For every value, the price of each set of formats that its uses may want, from each source.

    Under ``none`` no value may have more than one use (``unshared``).

    Raises:
        TooManyFormatsError: a value with several uses may be wanted in more formats than trees are exact for.
    """
    return [_ways(problem, kept, value) for value in range(len(problem.values))]


def _ways(problem: Problem, kept: Kept, value: int) -> list[Way]:
    layer, port = problem.producers[value]
    sources = sorted({problem.routines(layer)[k].outputs[port] for k in kept[layer]})
    wishes = [{problem.routines(i)[k].inputs[p] for k in kept[i]} for i, p in problem.uses[value]]
    if not wishes:
        return [Way(s, 0, 0.0, (), ()) for s in sources]
    planner = problem.planner(value)
    terminals = sorted(set().union(*wishes))
    if len(wishes) == 1:
        distance = planner.distance
        return [
            Way(s, 1 << g, float(distance[s, g]), (), ())
            for s, g in itertools.product(sources, terminals)
            if math.isfinite(distance[s, g])
        ]
    assert problem.sharing != "none"
    if len(terminals) > MAX_TERMINALS:
        label = problem.layer_label(layer)
        raise TooManyFormatsError(f"value {value}, made by {label}, may be wanted in {len(terminals)} formats")
    price = planner.cost_table(terminals, problem.sharing)
    found = []
    for size in range(1, min(len(terminals), len(wishes)) + 1):
        for members in itertools.combinations(range(len(terminals)), size):
            formats = {terminals[m] for m in members}
            if not all(formats & wish for wish in wishes):
                continue
            mask = sum(1 << m for m in members)
            copies = sum(1 << f for f in formats)
            found += [Way(s, copies, float(price[mask, s]), (), ()) for s in sources if math.isfinite(price[mask, s])]
    return found


def unshared(problem: Problem) -> Problem:
    """A problem under ``none`` with an output port of its own for every use of a value; its plans cost the same."""
    tables: dict[tuple[int, tuple[int, ...]], int] = {}
    made: list[RoutineTable] = []
    values: list[ValueSpec] = []
    layers: list[LayerSpec] = []
    copy_of: dict[tuple[int, int, int], int] = {}
    for i, layer in enumerate(problem.layers):
        counts = tuple(max(1, len(problem.uses[v])) for v in layer.outputs)
        key = (layer.table, counts)
        if key not in tables:
            tables[key] = len(made)
            made.append(_repeated(problem.tables[layer.table], counts))
        outputs: list[int] = []
        for v in layer.outputs:
            for use in problem.uses[v] or ((-1, -1),):
                copy_of[v, *use] = len(values)
                outputs.append(len(values))
                values.append(problem.values[v])
        inputs = tuple(copy_of[v, i, p] for p, v in enumerate(layer.inputs))
        layers.append(attrs.evolve(layer, table=tables[key], inputs=inputs, outputs=tuple(outputs)))
    return attrs.evolve(problem, values=tuple(values), tables=tuple(made), layers=tuple(layers))


def _repeated(table: RoutineTable, counts: tuple[int, ...]) -> RoutineTable:
    """A table whose output ports are repeated."""
    routines = []
    for routine in table.routines:
        outputs = [f for f, n in zip(routine.outputs, counts, strict=True) for _ in range(n)]
        routines.append(attrs.evolve(routine, outputs=tuple(outputs)))
    return attrs.evolve(table, routines=tuple(routines))
