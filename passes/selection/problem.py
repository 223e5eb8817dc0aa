"""The routine-selection problem as pure data.

A problem is a graph of layers in schedule order.  Every layer names a table of routines (equal layers
share one table: one entry, one measurement); a routine fixes the format of each input and output port
and has a cost.  Every value names the cost matrix of its conversions.  Graph inputs and outputs are
layers like any other, so that a fixed boundary format is a table with one routine.

Formats, adapts, values and tables are referred to by index.  Costs are in ``Problem.unit``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from typing import TypeAlias

import attrs

from plait.passes.selection.conversion import SHARING_MODES, ConversionPlanner, Sharing

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


def validate(problem: Problem) -> None:
    """Raise ``ProblemError`` unless every index, arity and cost of the problem makes sense."""
    if problem.sharing not in SHARING_MODES:
        raise ProblemError(f"sharing is {problem.sharing!r}, wanted one of {', '.join(SHARING_MODES)}")
    _check_formats(problem)
    for number, adapts in enumerate(problem.adapts):
        for field, matrix in [("cost", adapts.cost), *adapts.resources.items()]:
            _check_matrix(f"adapts {number}: {field}", matrix, len(problem.formats))
    for number, value in enumerate(problem.values):
        if not 0 <= value.adapt < len(problem.adapts):
            raise ProblemError(f"value {number}: adapt is {value.adapt}, there are {len(problem.adapts)} adapts")
    for table in problem.tables:
        _check_table(table, len(problem.formats))
    _check_layers(problem)
    for budget in problem.budgets:
        if budget.kind not in ("sum", "peak"):
            raise ProblemError(f"budget on {budget.resource}: kind is {budget.kind!r}, wanted sum or peak")
        if budget.kind == "peak" and budget.resource != "memory":
            raise ProblemError(f"budget on {budget.resource}: peak budgets are for memory")


def _check_formats(problem: Problem) -> None:
    names = [f.name for f in problem.formats]
    doubled = sorted({n for n in names if names.count(n) > 1})
    if doubled:
        raise ProblemError(f"formats: the name {doubled[0]!r} is used more than once")


def _check_matrix(where: str, matrix: Matrix, size: int) -> None:
    if len(matrix) != size or any(len(row) != size for row in matrix):
        raise ProblemError(f"{where} must be {size} x {size}, one row and column per format")
    for f, row in enumerate(matrix):
        for g, cost in enumerate(row):
            if math.isnan(cost) or cost < 0:
                raise ProblemError(f"{where} from format {f} to {g} is {cost}, wanted a number >= 0 or none")
        if row[f] != 0:
            raise ProblemError(f"{where} from format {f} to itself is {row[f]}, wanted 0")


def _check_table(table: RoutineTable, formats: int) -> None:
    for routine in table.routines:
        where = f"table {table.signature!r}, routine {routine.name!r}"
        if not (math.isfinite(routine.cost) and routine.cost >= 0):
            raise ProblemError(f"{where}: cost is {routine.cost}, wanted a finite number >= 0")
        for side, ports in (("input", routine.inputs), ("output", routine.outputs)):
            for port, f in enumerate(ports):
                if not 0 <= f < formats:
                    raise ProblemError(f"{where}: {side} {port} has format {f}, there are {formats} formats")


def _check_layers(problem: Problem) -> None:
    made: dict[int, int] = {}
    checked: set[tuple[int, int, int]] = set()
    for i, layer in enumerate(problem.layers):
        where = problem.layer_label(i)
        if not 0 <= layer.table < len(problem.tables):
            raise ProblemError(f"{where}: table is {layer.table}, there are {len(problem.tables)} tables")
        for v in layer.inputs:
            if v not in made:
                raise ProblemError(f"{where}: input value {v} is not made by an earlier layer")
        for v in layer.outputs:
            if not 0 <= v < len(problem.values):
                raise ProblemError(f"{where}: output value {v} is unknown, there are {len(problem.values)} values")
            if v in made:
                raise ProblemError(f"{where}: output value {v} is already made by {problem.layer_label(made[v])}")
            made[v] = i
        shape = (layer.table, len(layer.inputs), len(layer.outputs))
        if shape not in checked:
            checked.add(shape)
            _check_arity(where, layer, problem.tables[layer.table])
    for v in range(len(problem.values)):
        if v not in made:
            raise ProblemError(f"value {v}: no layer makes it")


def _check_arity(where: str, layer: LayerSpec, table: RoutineTable) -> None:
    if not table.routines:
        raise ProblemError(f"{where}: table {table.signature!r} has no routine")
    for routine in table.routines:
        for side, have, want in (
            ("input", routine.inputs, layer.inputs),
            ("output", routine.outputs, layer.outputs),
        ):
            if len(have) != len(want):
                raise ProblemError(
                    f"{where}: routine {routine.name!r} of table {table.signature!r} has {len(have)} "
                    f"{side} formats, the layer has {len(want)} {side}s"
                )
