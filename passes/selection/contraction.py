"""Graphs of the same optimum with fewer states or variables, and the way back from their states.

A :class:`Smaller` graph stands for another one: every assignment of the smaller graph is the best part of one of the
other with the same objective, up to ``constant``, and a best one comes from a best one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from plait.passes.selection._dual import restrict, supported
from plait.passes.selection._minsum import BucketTree
from plait.passes.selection.columns import FloatArray, Indices, Lists, Starts
from plait.passes.selection.factor_graph import FactorGraph
from plait.passes.selection.ordering import few_neighbours

BoolArray = npt.NDArray[np.bool_]
_CONTRACTED = 2


@attrs.frozen(eq=False)
class Smaller:
    """A graph, what its objective lacks, and the states of the graph it stands for, given its own.

    ``variables`` are the numbers that its variables have there.
    """

    graph: FactorGraph
    constant: float
    expand: Callable[[Indices], Indices]
    variables: Indices

    def then(self, step: Smaller) -> Smaller:
        """The graph that ``step`` made of this one's."""
        return Smaller(
            step.graph,
            self.constant + step.constant,
            lambda states: self.expand(step.expand(states)),
            self.variables[step.variables],
        )


def unchanged(graph: FactorGraph) -> Smaller:
    """The graph itself."""
    return Smaller(graph, 0.0, lambda states: states, np.arange(len(graph.sizes), dtype=np.intc))


def contracted(graph: FactorGraph, layers: int | None = None, *, neighbours: int = _CONTRACTED) -> Smaller:
    """The graph without the variables that can be eliminated at no more than two neighbours (or fewer) each.

    What is left over is over pairs again; a cycle or a tree is left with nothing.  Set variables (from number
    ``layers`` on) are put beside the first layer they are tied to: message passing follows the numbers.
    """
    gone = np.zeros(0, dtype=np.intc)
    if neighbours >= 0:
        gone = few_neighbours(graph.sizes, graph.ties(), neighbours)
    if len(gone) == 0 and layers is None:
        return unchanged(graph)
    count = len(graph.sizes)
    staying = np.setdiff1d(np.arange(count, dtype=np.intc), gone)
    staying = staying[np.argsort(_place(graph, layers if layers is not None else count)[staying], kind="stable")]
    tree = BucketTree(
        graph.sizes,
        graph.cost_at,
        graph.ends,
        graph.table_at,
        graph.entries,
        np.concatenate([gone, staying]).astype(np.intc),
        False,
    )
    tree.forward(len(gone))

    def expand(states: Indices) -> Indices:
        full = np.zeros(count, dtype=np.intc)
        full[staying] = states
        tree.decode(full)
        return full

    return Smaller(_rest(graph, staying, tree), tree.constant, expand, staying)


def _place(graph: FactorGraph, layers: int) -> Starts:
    """Where a variable stands among the layers: sets beside the first layer they are tied to."""
    place = np.arange(len(graph.sizes), dtype=np.int64)
    place[layers:] = len(graph.sizes)
    for side in (0, 1):
        np.minimum.at(
            place, graph.ends[:, side], np.where(graph.ends[:, side] < layers, len(place), graph.ends[:, 1 - side])
        )
    return place


def _rest(graph: FactorGraph, staying: Indices, tree: BucketTree) -> FactorGraph:
    """The graph of the variables that stay, with the tables that the others left."""
    number = np.full(len(graph.sizes), -1, dtype=np.int64)
    number[staying] = np.arange(len(staying))
    unary = [graph.unary[v] for v in staying.tolist()]
    pairs: dict[tuple[int, int], FloatArray] = {}

    def add(i: int, j: int, table: FloatArray) -> None:
        key, table = ((i, j), table) if i < j else ((j, i), table.T)
        pairs[key] = pairs[key] + table if key in pairs else table

    for (i, j), table in graph.pairs.items():
        if table.size == 1:
            continue  # part of the constant
        if number[i] >= 0 and number[j] >= 0:
            add(int(number[i]), int(number[j]), table)
        elif number[i] >= 0 and graph.sizes[j] == 1:
            unary[number[i]] = unary[number[i]] + table[:, 0]
        elif number[j] >= 0 and graph.sizes[i] == 1:
            unary[number[j]] = unary[number[j]] + table[0]
    for scope, table in tree.residual():
        if len(scope) == 1:
            unary[number[scope[0]]] = unary[number[scope[0]]] + table
        else:
            add(int(number[scope[0]]), int(number[scope[1]]), table)
    return FactorGraph.of(unary, dict(sorted(pairs.items())))


def restricted(graph: FactorGraph, alive: BoolArray) -> Smaller:
    """The graph over the states marked in ``alive``, which has one mark per state, variable after variable."""
    owner = np.repeat(np.arange(len(graph.sizes)), graph.sizes)
    marks = starts_of(graph.sizes)
    keep = (np.flatnonzero(alive) - marks[owner[alive]]).astype(np.intc)
    sizes = np.bincount(owner[alive], minlength=len(graph.sizes)).astype(np.intc)
    keep_starts = starts_of(sizes)
    areas = sizes[graph.ends].astype(np.int64).prod(axis=1)
    table_to = keep_starts[-1] + starts_of(areas)
    entries = np.zeros(int(table_to[-1]) + 1)
    restrict(
        graph.sizes,
        graph.cost_at,
        graph.ends,
        graph.table_at,
        graph.entries,
        keep_starts,
        keep,
        keep_starts,
        table_to,
        entries,
    )
    smaller = FactorGraph(sizes, keep_starts[:-1], graph.ends, table_to[:-1], entries)
    variables = np.arange(len(sizes), dtype=np.intc)
    return Smaller(smaller, 0.0, lambda states: keep[keep_starts[:-1] + states], variables)


def consistent(graph: FactorGraph, alive: BoolArray | None = None) -> BoolArray:
    """Marks of the states left when each must have a finite partner in every table (arc consistency).

    ``alive`` marks those to start from.
    """
    marks: npt.NDArray[np.int8] = np.ones(int(graph.sizes.sum()) + 1, dtype=np.int8)
    if alive is not None:
        marks[:-1] = alive
    near = incident(graph)
    supported(
        graph.sizes,
        graph.cost_at,
        graph.ends,
        graph.table_at,
        graph.entries,
        near.starts,
        near.items,
        starts_of(graph.sizes),
        marks,
    )
    left: BoolArray = marks[:-1] != 0
    return left


def emptied(graph: FactorGraph, alive: BoolArray) -> bool:
    """Whether some variable has no state marked."""
    return bool((np.add.reduceat(np.append(alive, False), starts_of(graph.sizes)[:-1]) == 0).any())


def incident(graph: FactorGraph) -> Lists:
    """For every variable the numbers of its pairs."""
    number = np.tile(np.arange(len(graph.ends), dtype=np.intc), 2)
    ends = graph.ends.T.ravel()
    return Lists(starts_of(np.bincount(ends, minlength=len(graph.sizes))), number[np.argsort(ends, kind="stable")])


def starts_of(lengths: npt.NDArray[np.integer[Any]]) -> Starts:
    """Where runs of these lengths start when they follow one another, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
