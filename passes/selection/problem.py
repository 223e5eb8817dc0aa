"""The routine-selection problem as pure data.

A problem is a graph of layers in schedule order.  Every layer names a table of routines (equal layers
share one table: one entry, one measurement); a routine fixes the format of each input and output port
and has a cost.  Every value names the cost matrix of its conversions.  Graph inputs and outputs are
layers like any other, so that a fixed boundary format is a table with one routine.

Formats, adapts, values and tables are referred to by index.  Costs are in ``Problem.unit``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TypeAlias

import attrs

from plait.passes.selection.columns import Columns, TableColumns
from plait.passes.selection.conversion import ConversionPlanner, Sharing

Matrix: TypeAlias = tuple[tuple[float, ...], ...]
Port: TypeAlias = tuple[int, int]
"""(layer index, port index)."""


class ProblemError(ValueError):
    """A selection problem is malformed; the message names the layer, table or field."""


class TooManyFormatsError(ProblemError):
    """A value with several uses may be wanted in more formats than shared conversions are exact for."""


@attrs.frozen
class Format:
    """How a value is stored: an opaque name; ``device`` and ``bytes`` (per element) serve budgets only."""

    name: str
    device: int = 0
    bytes: float = 0


@attrs.frozen
class Adapts:
    """Conversion costs of one tensor size.

    ``cost[f][g]`` prices one direct conversion from format ``f`` to ``g``; infinity means none exists.
    """

    cost: Matrix
    resources: Mapping[str, Matrix] = attrs.field(factory=dict, hash=False)

    @cached_property
    def planner(self) -> ConversionPlanner:
        """Shortest chains and cheapest trees over ``cost``."""
        return ConversionPlanner(self.cost)


@attrs.frozen
class ValueSpec:
    """A tensor between layers: which ``Adapts`` price its conversions, and its size in elements."""

    adapt: int
    elements: int = 0
    name: str = ""


@attrs.frozen
class Routine:
    """One way to run a layer: format per input port, format per output port, cost.

    ``std`` and ``samples`` tell how the cost was measured; ``samples = 0`` marks a mere bound.
    """

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    cost: float
    std: float | None = None
    samples: int | None = None
    resources: Mapping[str, float] = attrs.field(factory=dict, hash=False)

    @property
    def signature(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """All that the rest of the network sees of the routine."""
        return self.inputs, self.outputs


@attrs.frozen
class RoutineTable:
    """The routines of all layers with one signature (operator, attributes, shapes)."""

    signature: str
    routines: tuple[Routine, ...]

    @cached_property
    def columns(self) -> TableColumns:
        """Costs and formats as arrays."""
        return TableColumns.of(self.routines)


@attrs.frozen
class LayerSpec:
    """A layer to be decided: its routine table and the values on its ports."""

    name: str
    table: int
    inputs: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()
    op: str = ""


@attrs.frozen
class Budget:
    """A limit on a resource: ``sum`` over the plan, or ``peak`` (memory only) over the schedule."""

    resource: str
    kind: str
    limit: float


@attrs.frozen
class Problem:
    """A validated selection problem; see the module's text.  ``source_digest`` is set by the reader."""

    formats: tuple[Format, ...]
    adapts: tuple[Adapts, ...]
    values: tuple[ValueSpec, ...]
    tables: tuple[RoutineTable, ...]
    layers: tuple[LayerSpec, ...]
    sharing: Sharing = "tree"
    unit: str = "us"
    name: str = attrs.field(default="", kw_only=True)
    seed: int | None = attrs.field(default=None, kw_only=True)
    budgets: tuple[Budget, ...] = attrs.field(default=(), kw_only=True)
    # Not an argument of __init__, so that attrs.evolve drops it: a changed problem is another instance.
    source_digest: str | None = attrs.field(default=None, init=False, eq=False)

    def __attrs_post_init__(self) -> None:
        from plait.passes.selection.validation import validate  # which knows this module

        validate(self)

    def routines(self, layer: int) -> tuple[Routine, ...]:
        """Candidates of a layer."""
        return self.tables[self.layers[layer].table].routines

    def planner(self, value: int) -> ConversionPlanner:
        """Conversions of a value."""
        return self.adapts[self.values[value].adapt].planner

    def layer_label(self, layer: int) -> str:
        """How messages call a layer: its number and name."""
        return f"layer {layer} ({self.layers[layer].name!r})"

    @cached_property
    def columns(self) -> Columns:
        """Layers and values as arrays."""
        return Columns.of(self.layers, self.values, self.tables)

    @cached_property
    def producers(self) -> tuple[Port, ...]:
        """The port that makes each value."""
        made = {v: (i, q) for i, layer in enumerate(self.layers) for q, v in enumerate(layer.outputs)}
        return tuple(made[v] for v in range(len(self.values)))

    @cached_property
    def uses(self) -> tuple[tuple[Port, ...], ...]:
        """The ports that read each value, in schedule order."""
        found: list[list[Port]] = [[] for _ in self.values]
        for i, layer in enumerate(self.layers):
            for p, v in enumerate(layer.inputs):
                found[v].append((i, p))
        return tuple(map(tuple, found))


def refuse_budgets(problem: Problem, solver: str) -> None:
    """Raise for a budgeted problem: for solvers that would silently ignore the budgets."""
    if problem.budgets:
        kinds = ", ".join(f"{b.resource}/{b.kind}" for b in problem.budgets)
        raise ProblemError(f"solver {solver!r} does not honour budgets ({kinds}); drop them or use another solver")
