"""Problems as flat arrays: what the loops over many layers read instead of Python objects."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from plait.passes.selection.problem import LayerSpec, Routine, RoutineTable, ValueSpec

Indices: TypeAlias = npt.NDArray[np.intc]
Starts: TypeAlias = npt.NDArray[np.int64]
FloatArray: TypeAlias = npt.NDArray[np.float64]


@attrs.frozen(eq=False)
class Lists:
    """Many short lists of numbers, one after another: list ``i`` is ``items[starts[i]:starts[i + 1]]``."""

    starts: Starts
    items: Indices

    @classmethod
    def of(cls, lists: Sequence[Sequence[int]]) -> Lists:
        """The lists, copied."""
        starts = np.zeros(len(lists) + 1, dtype=np.int64)
        np.cumsum(np.fromiter(map(len, lists), np.int64, len(lists)), out=starts[1:])
        return cls(starts, np.fromiter(itertools.chain.from_iterable(lists), np.intc, int(starts[-1])))

    @property
    def lengths(self) -> Starts:
        """Length of every list."""
        return np.diff(self.starts)

    def owners(self) -> Indices:
        """For every item the number of its list."""
        return np.repeat(np.arange(len(self.starts) - 1, dtype=np.intc), self.lengths)

    def places(self) -> Indices:
        """For every item its place in its list."""
        return (np.arange(len(self.items)) - np.repeat(self.starts[:-1], self.lengths)).astype(np.intc)


@attrs.frozen(eq=False)
class TableColumns:
    """The routines of a table: cost ``[routine]``, formats of inputs and outputs ``[port, routine]``."""

    costs: FloatArray
    inputs: Indices
    outputs: Indices

    @classmethod
    def of(cls, routines: Sequence[Routine]) -> TableColumns:
        """The columns of routines that agree in their numbers of ports."""
        return cls(
            np.fromiter((r.cost for r in routines), np.float64, len(routines)),
            _by_port([r.inputs for r in routines]),
            _by_port([r.outputs for r in routines]),
        )


def _by_port(ports: list[tuple[int, ...]]) -> Indices:
    return np.array(ports, dtype=np.intc).reshape(len(ports), -1).T.copy()


@attrs.frozen(eq=False)
class RoutineColumns:
    """The routines of all tables, one table after another.

    Table ``t`` has ``counts[t]`` routines; their costs start at ``costs[cost_at[t]]``, and the formats of port ``p`` at
    ``inputs[in_at[t] + p * counts[t]]``, of output ``q`` likewise.
    """

    counts: Starts
    cost_at: Starts
    costs: FloatArray
    in_at: Starts
    inputs: Indices
    out_at: Starts
    outputs: Indices

    @classmethod
    def of(cls, tables: Sequence[RoutineTable]) -> RoutineColumns:
        """The columns of the tables of a valid problem."""
        columns = [t.columns for t in tables]
        cost_at, costs = _joined([c.costs for c in columns], np.float64)
        in_at, inputs = _joined([c.inputs for c in columns], np.intc)
        out_at, outputs = _joined([c.outputs for c in columns], np.intc)
        counts = np.array([len(t.routines) for t in tables], dtype=np.int64)
        return cls(counts, cost_at, costs, in_at, inputs, out_at, outputs)


def _joined(parts: Sequence[npt.NDArray[Any]], kind: npt.DTypeLike) -> tuple[Starts, npt.NDArray[Any]]:
    starts = np.cumsum([0, *(p.size for p in parts)], dtype=np.int64)[:-1]
    return starts, np.concatenate([*(p.ravel() for p in parts), np.zeros(0, dtype=kind)])


@attrs.frozen(eq=False)
class Columns:
    """Layers and values of a problem.

    ``tables[layer]``; ``inputs`` and ``outputs`` list the values of every layer; ``adapts[value]``; the port that makes
    a value is ``(producers[value], producer_ports[value])``; uses are in order of values, then of the schedule: use
    ``u`` reads value ``use_values[u]`` on port ``use_ports[u]`` of layer ``use_layers[u]``, and those of a value start
    at ``use_starts[value]``.
    """

    tables: Indices
    inputs: Lists
    outputs: Lists
    adapts: Indices
    producers: Indices
    producer_ports: Indices
    use_starts: Starts
    use_values: Indices
    use_layers: Indices
    use_ports: Indices
    routines: RoutineColumns

    @property
    def use_counts(self) -> Starts:
        """How many ports read each value."""
        return np.diff(self.use_starts)

    def costs(self, choice: Indices) -> FloatArray:
        """Cost of the chosen routine of every layer."""
        costs: FloatArray = self.routines.costs[self.routines.cost_at[self.tables] + choice]
        return costs

    def sources(self, choice: Indices) -> Indices:
        """For every value the format in which the chosen routine leaves it."""
        table = self.tables[self.producers]
        at = self.routines.out_at[table] + self.producer_ports * self.routines.counts[table]
        formats: Indices = self.routines.outputs[at + choice[self.producers]]
        return formats

    def wishes(self, choice: Indices) -> Indices:
        """For every use the format that the chosen routine wants."""
        table = self.tables[self.use_layers]
        at = self.routines.in_at[table] + self.use_ports * self.routines.counts[table]
        formats: Indices = self.routines.inputs[at + choice[self.use_layers]]
        return formats

    @classmethod
    def of(cls, layers: Sequence[LayerSpec], values: Sequence[ValueSpec], tables: Sequence[RoutineTable]) -> Columns:
        """The columns of a valid problem."""
        inputs, outputs = Lists.of([x.inputs for x in layers]), Lists.of([x.outputs for x in layers])
        producers, ports = np.zeros((2, len(values)), dtype=np.intc)
        producers[outputs.items], ports[outputs.items] = outputs.owners(), outputs.places()
        by_value = np.argsort(inputs.items, kind="stable")
        use_values = inputs.items[by_value]
        starts = np.searchsorted(use_values, np.arange(len(values) + 1)).astype(np.int64)
        return cls(
            _column((x.table for x in layers), len(layers)),
            inputs,
            outputs,
            _column((v.adapt for v in values), len(values)),
            producers,
            ports,
            starts,
            use_values,
            inputs.owners()[by_value],
            inputs.places()[by_value],
            RoutineColumns.of(tables),
        )


def _column(numbers: Iterable[int], count: int) -> Indices:
    return np.fromiter(numbers, np.intc, count)


def numbered(codes: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """``(where, number)``: where each distinct code is first seen, and for every code the number of its kind.

    Kinds are numbered in order of first sight.
    """
    _, where, number = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(where)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return where[order].astype(np.int64), rank[number.ravel()]


def combined(*columns: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.int64]:
    """One number for every row of the columns, equal where the rows are."""
    codes = np.zeros(len(columns[0]), dtype=np.int64)
    room = 1
    for column in columns:
        span = int(column.max(initial=0)) + 1
        if room * span >= 1 << 62:
            codes = np.unique(codes, return_inverse=True)[1].ravel().astype(np.int64)
            room = len(codes)
        codes = codes * span + column
        room *= span
    return codes
