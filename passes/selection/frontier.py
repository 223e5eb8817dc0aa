"""Exact selection in schedule order: dynamic programming over the values that are alive (frontier DP).

A state says, for each live value, in which copies it exists (which wanted formats, and how much memory).  A layer
turns states into new ones: its inputs must have the formats that its routine takes, its outputs get a way to be
made, and what has no reader left is forgotten.  States that agree are one, the cheapest stays.  The number of
states grows with the number of live values (the pathwidth of the graph in this order), not with the layers.

Memory along the schedule is known in every state, so a limit on its peak is exact here: states above it go.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Literal, TypeAlias

import attrs
import numpy as np
import numpy.typing as npt

from plait.passes.selection.budgets.usage import allowed
from plait.passes.selection.conversion import FloatArray
from plait.passes.selection.copies import Way
from plait.passes.selection.problem import Problem
from plait.passes.selection.reductions import Kept
from plait.passes.selection.solution import Conversion

Ints: TypeAlias = npt.NDArray[np.int64]
Beam: TypeAlias = Literal["cost", "memory"]
"""What the states have least of that are kept when there are too many."""


_GROWTH = 16
"""How many times more states than allowed a layer may have before equal ones become one."""


class TooManyStatesError(Exception):
    """More states than allowed are alive at once, or the time is over; never with a beam, which leaves some out."""


@attrs.frozen
class FrontierResult:
    """The best plan; with ``choice`` None there is none, and ``stuck`` is the layer that no state passes.

    ``complete`` tells whether no state was left out (else the plan is feasible and no more).
    """

    cost: float
    choice: tuple[int, ...] | None
    conversions: tuple[Conversion, ...]
    width: int
    complete: bool
    stuck: int | None = None


@attrs.frozen(eq=False)
class _Layer:
    """How the states after a layer came about: from which state, by which routine, with which way per output."""

    parent: Ints
    routine: Ints
    ways: tuple[Ints, ...]


@attrs.define(eq=False)
class _States:
    """A column for each live value (number of its state), and for each state the cost so far."""

    columns: dict[int, Ints]
    cost: FloatArray

    def take(self, rows: Ints) -> dict[int, Ints]:
        return {v: column[rows] for v, column in self.columns.items()}


class Frontier:
    """The dynamic program of a problem over some routines and ways (``copies.py``)."""

    def __init__(
        self,
        problem: Problem,
        kept: Kept,
        ways: Sequence[list[Way]],
        *,
        limit: int,
        beam: Beam | None = None,
        deadline: float = math.inf,
    ) -> None:
        self.problem, self.kept, self.ways = problem, kept, ways
        self.limit, self.beam, self.deadline = limit, beam, deadline
        peaks = [allowed(b) for b in problem.budgets if b.kind == "peak"]
        self.memory = min(peaks, default=math.inf)
        self.costs = [np.array([w.cost for w in row]) for row in ways]
        self.copies = [np.array([w.copies for w in row], dtype=np.int64) for row in ways]
        self.sources = [np.array([w.source for w in row], dtype=np.int64) for row in ways]
        self.sizes = [np.array([w.size for w in row]) for row in ways]
        self.uses_left = [len(uses) for uses in problem.uses]
        self.complete = True
        self.width = 0

    def run(self) -> FrontierResult:
        """Go through the schedule."""
        states = _States({}, np.zeros(1))
        history: list[_Layer] = []
        for i in range(len(self.problem.layers)):
            states, made = self._step(i, states)
            if not len(states.cost):
                return FrontierResult(math.inf, None, (), self.width, self.complete, i)
            history.append(made)
        best = int(np.argmin(states.cost))
        return self._trace(history, best, float(states.cost[best]))

    def _step(self, i: int, states: _States) -> tuple[_States, _Layer]:
        layer = self.problem.layers[i]
        parts: list[tuple[Ints, Ints, FloatArray, tuple[Ints, ...]]] = []
        for k in self.kept[i]:
            if (part := self._extend(i, k, states)) is not None:
                parts.append(part)
            if self.beam is None and sum(len(p[0]) for p in parts) > _GROWTH * self.limit:
                raise TooManyStatesError(f"layer {i} has too many states")
        empty = np.zeros(0, dtype=np.int64)
        parents = np.concatenate([p[0] for p in parts]) if parts else empty
        routines = np.concatenate([p[1] for p in parts]) if parts else empty
        cost = np.concatenate([p[2] for p in parts]) if parts else np.zeros(0)
        made = tuple(np.concatenate([p[3][q] for p in parts]) if parts else empty for q in range(len(layer.outputs)))
        columns = states.take(parents) | dict(zip(layer.outputs, made, strict=True))
        self.width = max(self.width, len(columns))
        for v in layer.inputs:
            self.uses_left[v] -= 1
        columns = {v: self._merged(v, column) for v, column in columns.items() if self.uses_left[v]}
        rows = self._distinct(columns, cost)
        after = _States({v: column[rows] for v, column in columns.items()}, cost[rows])
        return after, _Layer(parents[rows], routines[rows], tuple(m[rows] for m in made))

    def _extend(self, i: int, k: int, states: _States) -> tuple[Ints, Ints, FloatArray, tuple[Ints, ...]] | None:
        """The states after a layer with one of its routines: parent, routine, cost, way of each output."""
        layer, routine = self.problem.layers[i], self.problem.routines(i)[k]
        fits = np.ones(len(states.cost), dtype=bool)
        for v, f in zip(layer.inputs, routine.inputs, strict=True):
            fits &= (self.copies[v][states.columns[v]] >> f & 1).astype(bool)
        rows = np.flatnonzero(fits)
        made: list[Ints] = []
        cost = states.cost[rows] + routine.cost
        for v, f in zip(layer.outputs, routine.outputs, strict=True):
            options = np.flatnonzero(self.sources[v] == f)
            if not len(options):
                return None
            if len(rows) * len(options) > _GROWTH * self.limit:
                kept = self._fewer(i, cost, max(1, _GROWTH * self.limit // len(options)))
                rows, cost, made = rows[kept], cost[kept], [m[kept] for m in made]
            count = len(rows)
            rows, made = np.repeat(rows, len(options)), [np.repeat(m, len(options)) for m in made]
            made.append(np.tile(options, count))
            cost = np.repeat(cost, len(options)) + self.costs[v][made[-1]]
        if math.isfinite(self.memory):
            used = np.full(len(rows), float(routine.resources.get("memory", 0.0)))
            for v, column in states.columns.items():
                used += self.sizes[v][column[rows]]
            for v, column in zip(layer.outputs, made, strict=True):
                used += self.sizes[v][column]
            keep = np.flatnonzero(used <= self.memory)
            rows, cost, made = rows[keep], cost[keep], [m[keep] for m in made]
        if self.beam is None and time.perf_counter() > self.deadline:
            raise TooManyStatesError("the time is over")
        return rows, np.full(len(rows), k, dtype=np.int64), cost, tuple(made)

    def _fewer(self, i: int, cost: FloatArray, limit: int) -> Ints:
        """The cheapest states in their order, where all of them with all ways of a value would be too many."""
        if self.beam is None:
            raise TooManyStatesError(f"layer {i} has too many states with one routine")
        self.complete = False
        kept: Ints = np.sort(np.argsort(cost, kind="stable")[:limit])
        return kept

    def _merged(self, v: int, column: Ints) -> Ints:
        """States of a value that its remaining readers cannot tell apart become the first of them."""
        layer_uses = self.problem.uses[v][-self.uses_left[v] :]
        wanted = 0
        for i, p in layer_uses:
            for k in self.kept[i]:
                wanted |= 1 << self.problem.routines(i)[k].inputs[p]
        seen: dict[tuple[int, float], int] = {}
        counted = math.isfinite(self.memory)
        representative = [
            seen.setdefault((int(c) & wanted, float(s) if counted else 0.0), n)
            for n, (c, s) in enumerate(zip(self.copies[v], self.sizes[v], strict=True))
        ]
        return np.array(representative, dtype=np.int64)[column]

    def _distinct(self, columns: dict[int, Ints], cost: FloatArray) -> Ints:
        """One row per state, the cheapest and first; the best ones only, if there are too many."""
        rows: Ints
        if not len(cost):
            return np.zeros(0, dtype=np.int64)
        if not columns:
            return np.array([np.argmin(cost)], dtype=np.int64)
        keys = _numbered(columns, len(cost))
        order = np.lexsort((np.arange(len(cost)), cost, keys))
        first = np.ones(len(order), dtype=bool)
        first[1:] = keys[order[1:]] != keys[order[:-1]]
        rows = order[first].astype(np.int64)
        if len(rows) > self.limit:
            if self.beam is None:
                raise TooManyStatesError(f"{len(rows)} states are alive at once")
            self.complete = False
            rank = cost if self.beam == "cost" else self._held(columns, len(cost))
            rows = rows[np.argsort(rank[rows], kind="stable")[: self.limit]]
        return rows

    def _held(self, columns: dict[int, Ints], count: int) -> FloatArray:
        """Memory of the live values of each state."""
        held: FloatArray = np.zeros(count)
        for v, column in columns.items():
            held += self.sizes[v][column]
        return held

    def _trace(self, history: list[_Layer], state: int, cost: float) -> FrontierResult:
        choice: list[int] = []
        way_of: dict[int, int] = {}
        for i in reversed(range(len(history))):
            layer = history[i]
            choice.append(int(layer.routine[state]))
            for v, made in zip(self.problem.layers[i].outputs, layer.ways, strict=True):
                way_of[v] = int(made[state])
            state = int(layer.parent[state])
        conversions = tuple((v, a, b) for v in sorted(way_of) for a, b in self.ways[v][way_of[v]].steps)
        return FrontierResult(cost, tuple(reversed(choice)), conversions, self.width, self.complete)


def _numbered(columns: dict[int, Ints], count: int) -> Ints:
    """A number for each row, equal where all columns are."""
    keys = np.zeros(count, dtype=np.int64)
    for column in columns.values():
        span = int(column.max()) + 1
        if int(keys.max(initial=0)) > (1 << 62) // max(span, 1):
            keys = np.unique(keys, return_inverse=True)[1].astype(np.int64)
        keys = keys * span + column
    return keys
