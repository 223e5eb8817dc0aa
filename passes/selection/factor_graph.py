"""The selection problem as a graph of variables and pairwise cost tables.

One variable per layer (its state: which kept routine) and, for every value that several ports read under
``star`` or ``tree`` sharing, one variable whose state is the *set of formats* the value is wanted in.
The producer is tied to the set by the price of making it, each consumer by "my format is in the set".
So the cost of shared conversions, a function of the producer and all consumers at once, becomes a star
of tables over two variables each.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, TypeAlias

import attrs
import numpy as np
import numpy.typing as npt

from plait.passes.selection.conversion import MAX_TERMINALS, FloatArray, Sharing
from plait.passes.selection.problem import Problem, TooManyFormatsError
from plait.passes.selection.reductions import Kept

IntArray: TypeAlias = npt.NDArray[np.integer[Any]]


@attrs.define
class FactorGraph:
    """Variables with their own costs, and tables over pairs ``(i, j)`` of them with ``i < j``.

    Infinite entries forbid states and combinations.  The objective is the sum of one entry of each.
    """

    unary: list[FloatArray] = attrs.field(factory=list)
    pairs: dict[tuple[int, int], FloatArray] = attrs.field(factory=dict)

    @property
    def sizes(self) -> list[int]:
        """Number of states of every variable."""
        return [len(u) for u in self.unary]

    def add_variable(self, costs: FloatArray) -> int:
        """A new variable; its number."""
        self.unary.append(costs)
        return len(self.unary) - 1

    def add_pair(self, i: int, j: int, table: FloatArray) -> None:
        """Add ``table[state of i, state of j]`` to the objective; a pair's tables are summed."""
        key, table = ((i, j), table) if i < j else ((j, i), table.T)
        self.pairs[key] = self.pairs[key] + table if key in self.pairs else table

    def neighbours(self) -> list[set[int]]:
        """For every variable, those it shares a table with."""
        found: list[set[int]] = [set() for _ in self.unary]
        for i, j in self.pairs:
            found[i].add(j)
            found[j].add(i)
        return found

    def restricted(self, states: Sequence[IntArray]) -> FactorGraph:
        """The same graph over the given states of every variable."""
        unary = [u[s] for u, s in zip(self.unary, states, strict=True)]
        return FactorGraph(unary, {(i, j): t[np.ix_(states[i], states[j])] for (i, j), t in self.pairs.items()})

    def detached(self) -> FactorGraph:
        """The same objective with no table on a variable of one state: they move to the partners' costs.

        Without it a table could have more axes than NumPy allows, most of length one.
        """
        graph = FactorGraph(list(self.unary))
        for (i, j), table in self.pairs.items():
            if table.shape[0] == 1:
                graph.unary[j] = graph.unary[j] + table[0]
            elif table.shape[1] == 1:
                graph.unary[i] = graph.unary[i] + table[:, 0]
            else:
                graph.pairs[i, j] = table
        return graph


def build_graph(problem: Problem, kept: Kept, sharing: Sharing | None = None) -> FactorGraph:
    """Variables 0..n-1 are the layers, states in the order of ``kept``; set variables follow.

    ``sharing`` replaces the problem's own mode.
    """
    mode = sharing or problem.sharing
    graph = FactorGraph()
    for i, candidates in enumerate(kept):
        routines = problem.routines(i)
        graph.add_variable(np.array([routines[k].cost for k in candidates]))
    for value in range(len(problem.values)):
        uses = problem.uses[value]
        if len(uses) > 1 and mode != "none":
            _add_shared(graph, problem, kept, value, mode)
        else:
            distance = problem.planner(value).distance
            source = _port_formats(problem, kept, problem.producers[value], "out")
            for use in uses:
                target = _port_formats(problem, kept, use, "in")
                graph.add_pair(problem.producers[value][0], use[0], distance[np.ix_(source, target)])
    return graph


def _port_formats(problem: Problem, kept: Kept, port: tuple[int, int], side: str) -> IntArray:
    """The format on one port under every kept routine of its layer."""
    layer, number = port
    routines = problem.routines(layer)
    ports = ((routines[k].inputs if side == "in" else routines[k].outputs) for k in kept[layer])
    return np.array([p[number] for p in ports], dtype=np.intp)


def _add_shared(graph: FactorGraph, problem: Problem, kept: Kept, value: int, sharing: Sharing) -> None:
    """The set variable of a value with several uses, and its tables."""
    uses = problem.uses[value]
    wishes = [_port_formats(problem, kept, use, "in") for use in uses]
    terminals = sorted({int(f) for wish in wishes for f in wish})
    if len(terminals) > MAX_TERMINALS:
        raise TooManyFormatsError(
            f"value {value}, made by {problem.layer_label(problem.producers[value][0])}, may be wanted in "
            f"{len(terminals)} formats; shared conversions are exact up to {MAX_TERMINALS}"
        )
    bit = {f: b for b, f in enumerate(terminals)}
    masks = [np.array([1 << bit[int(f)] for f in wish], dtype=np.intp) for wish in wishes]
    sets = _useful_sets(len(terminals), [int(np.bitwise_or.reduce(m)) for m in masks])
    variable = graph.add_variable(np.zeros(len(sets)))
    source = _port_formats(problem, kept, problem.producers[value], "out")
    price = problem.planner(value).cost_table(terminals, sharing)
    graph.add_pair(problem.producers[value][0], variable, price[np.ix_(sets, source)].T)
    for (layer, _), mask in zip(uses, masks, strict=True):
        graph.add_pair(variable, layer, np.where(sets[:, None] & mask[None, :], 0.0, np.inf))


def _useful_sets(count: int, wishes: Sequence[int]) -> IntArray:
    """Bit sets, by size, that hold something for every use and no more formats than there are uses."""
    found = []
    distinct = sorted(set(wishes))
    for size in range(1, min(count, len(wishes)) + 1):
        for members in itertools.combinations(range(count), size):
            mask = sum(1 << m for m in members)
            if all(mask & wish for wish in distinct):
                found.append(mask)
    return np.array(found, dtype=np.intp)
