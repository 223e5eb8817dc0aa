"""From a problem and its kept routines to a factor graph.

Layers that agree in table and kept routines are of one *class*; what depends on classes and conversion costs alone is
made once and shared by all layers and values that agree in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from plait.passes.selection.columns import FloatArray, Indices, Starts, combined, numbered
from plait.passes.selection.conversion import MAX_TERMINALS, Sharing
from plait.passes.selection.factor_graph import Arena, FactorGraph, IntArray
from plait.passes.selection.problem import Problem, TooManyFormatsError
from plait.passes.selection.reductions import Kept, classes

MAX_SETS = 1 << 12
"""Most sets of formats that a value's variable may have as states."""


def build_graph(problem: Problem, kept: Kept, sharing: Sharing | None = None, *, relaxed: bool = False) -> FactorGraph:
    """Variables 0..n-1 are the layers, states in the order of ``kept``; set variables follow.

    ``sharing`` replaces the problem's own mode.  A value that may be wanted in too many sets of formats is an error or,
    with ``relaxed``, is priced from below: each use pays its share of its own shortest chain, as if all uses shared it.
    """
    return _Builder(problem, kept, sharing or problem.sharing, relaxed).build()


class _Builder:
    def __init__(self, problem: Problem, kept: Kept, sharing: Sharing, relaxed: bool) -> None:
        self.problem = problem
        self.columns = problem.columns
        self.sharing = sharing
        self.relaxed = relaxed
        self.arena = Arena()
        self.classes, kinds = classes(problem, kept)
        self.tables = [problem.tables[t].columns for t, _ in kinds]
        self.kept = [np.array(candidates, dtype=np.intp) for _, candidates in kinds]
        self.sets: dict[tuple[object, ...], tuple[int, Starts] | None] = {}
        self.members: dict[tuple[object, ...], int] = {}

    def build(self) -> FactorGraph:
        costs = [self.arena.add(t.costs[k]) for t, k in zip(self.tables, self.kept, strict=True)]
        sizes = np.array([len(k) for k in self.kept], dtype=np.intc)
        shared = (self.columns.use_counts > 1) & (self.sharing != "none")
        spread = np.ones(len(shared), dtype=np.int64)
        if self.relaxed:
            for value in np.flatnonzero(shared).tolist():
                if self.set_of(value) is None:
                    shared[value], spread[value] = False, self.columns.use_counts[value]
        ends, table_at = self.plain(~shared, spread)
        set_sizes, set_ends, set_tables = self.shared(np.flatnonzero(shared))
        no_cost = self.arena.add(np.zeros(max(set_sizes, default=0)))
        return FactorGraph(
            np.concatenate([sizes[self.classes], np.array(set_sizes, dtype=np.intc)]),
            np.concatenate(
                [np.array(costs, dtype=np.int64)[self.classes], np.full(len(set_sizes), no_cost, dtype=np.int64)]
            ),
            np.concatenate([ends, set_ends]),
            np.concatenate([table_at, set_tables]),
            self.arena.entries(),
        )

    def wanted(self, number: int, port: int) -> Indices:
        """The format that every kept routine of a class wants on an input."""
        formats: Indices = self.tables[number].inputs[port][self.kept[number]]
        return formats

    def left(self, number: int, port: int) -> Indices:
        """The format in which every kept routine of a class leaves an output."""
        formats: Indices = self.tables[number].outputs[port][self.kept[number]]
        return formats

    def plain(self, values: npt.NDArray[np.bool_], spread: Starts) -> tuple[Indices, Starts]:
        """Pairs and tables of values whose uses pay separately: the shortest conversions over ``spread[value]``."""
        columns = self.columns
        uses = np.flatnonzero(values[columns.use_values])
        value, reader = columns.use_values[uses], columns.use_layers[uses]
        maker = columns.producers[value]
        rows = (
            columns.adapts[value],
            self.classes[maker],
            columns.producer_ports[value],
            self.classes[reader],
            columns.use_ports[uses],
            spread[value],
        )
        where, number = numbered(combined(*rows))
        starts = np.empty(len(where), dtype=np.int64)
        kinds = zip(*(r[where].tolist() for r in rows), strict=True)
        for kind, (adapt, source, out, target, port, share) in enumerate(kinds):
            distance = self.problem.adapts[adapt].planner.distance
            grid = np.ix_(self.left(source, out), self.wanted(target, port))
            starts[kind] = self.arena.add(distance[grid] / share)
        return np.stack([maker, reader], axis=1), starts[number]

    def shared(self, values: IntArray) -> tuple[list[int], Indices, Starts]:
        """State counts of the set variables of some values, and their pairs and tables."""
        columns = self.columns
        sizes: list[int] = []
        tables: list[Starts] = []
        layers = len(self.classes)
        for value in values.tolist():
            found = self.set_of(value)
            if found is None:
                producer = self.problem.layer_label(self.problem.producers[value][0])
                raise TooManyFormatsError(
                    f"value {value}, made by {producer}, may be wanted in too many sets of formats; shared conversions "
                    f"are exact for up to {MAX_SETS} sets of up to {MAX_TERMINALS} formats"
                )
            sizes.append(found[0])
            tables.append(found[1])
        counts = columns.use_counts[values]
        number = np.arange(layers, layers + len(values), dtype=np.intc)
        readers = columns.use_layers[np.isin(columns.use_values, values)]
        first = np.cumsum(counts + 1) - counts - 1
        partner: Indices = np.empty(int(counts.sum()) + len(values), dtype=np.intc)
        is_maker = np.zeros(len(partner), dtype=bool)
        is_maker[first] = True
        partner[is_maker] = columns.producers[values]
        partner[~is_maker] = readers
        ends = np.stack([partner, np.repeat(number, counts + 1)], axis=1)
        return sizes, ends, np.concatenate([*tables, np.zeros(0, dtype=np.int64)])

    @cached_property
    def reads(self) -> list[tuple[int, int]]:
        """Class and port of every use."""
        columns = self.columns
        return list(zip(self.classes[columns.use_layers].tolist(), columns.use_ports.tolist(), strict=True))

    def set_of(self, value: int) -> tuple[int, Starts] | None:
        """What ``make_set`` says of a value."""
        starts, columns = self.columns.use_starts, self.columns
        uses = tuple(self.reads[starts[value] : starts[value + 1]])
        maker = int(self.classes[columns.producers[value]])
        key = (int(columns.adapts[value]), maker, int(columns.producer_ports[value]), uses)
        if key not in self.sets:
            self.sets[key] = self.make_set(*key)
        return self.sets[key]

    def make_set(self, adapt: int, maker: int, out: int, uses: Sequence[tuple[int, int]]) -> tuple[int, Starts] | None:
        """Number of states of a set variable, and its tables: the producer's first, then one for each use.

        None if there are too many sets.
        """
        wishes = {use: self.wanted(*use) for use in uses}
        terminals = np.unique(np.concatenate(list(wishes.values())))
        if len(terminals) > MAX_TERMINALS:
            return None
        masks = {use: 1 << np.searchsorted(terminals, wish) for use, wish in wishes.items()}
        sets = useful_sets(len(terminals), len(uses), [int(np.bitwise_or.reduce(m)) for m in masks.values()])
        if len(sets) > MAX_SETS:
            return None
        price = self.problem.adapts[adapt].planner.cost_table(terminals.tolist(), self.sharing)
        tables = [self.arena.add(price[np.ix_(sets, self.left(maker, out))].T)]
        for use in uses:
            key = (use, sets.tobytes(), terminals.tobytes())
            if key not in self.members:
                held: FloatArray = np.where(masks[use][:, None] & sets[None, :], 0.0, np.inf)
                self.members[key] = self.arena.add(held)
            tables.append(self.members[key])
        return len(sets), np.array(tables, dtype=np.int64)


def useful_sets(count: int, uses: int, wishes: Sequence[int]) -> IntArray:
    """Bit sets, by size, that hold something for every use and no more formats than there are uses."""
    sets = np.arange(1, 1 << count, dtype=np.intp)
    size: IntArray = np.sum([(sets >> b) & 1 for b in range(count)], axis=0)
    useful = size <= uses
    for wish in set(wishes):
        useful &= (sets & wish) != 0
    found: IntArray = sets[useful][np.argsort(size[useful], kind="stable")]
    return found
