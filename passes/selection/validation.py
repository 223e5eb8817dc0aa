"""The rules of selection problems beyond their types.

Every complaint starts with the place, as a path in the JSON form (``layers[12].inputs[0]``), which is also
the attribute path of the problem in memory but for the short names ``in``, ``out`` and ``res``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from plait.passes.selection.conversion import SHARING_MODES
from plait.passes.selection.problem import LayerSpec, Matrix, Problem, ProblemError, Routine, RoutineTable

BUDGET_KINDS = ("sum", "peak")


def validate(problem: Problem) -> None:
    """Raise ``ProblemError`` unless every index, arity and cost of the problem makes sense."""
    if problem.sharing not in SHARING_MODES:
        raise ProblemError(f"sharing: is {problem.sharing!r}, wanted one of {', '.join(SHARING_MODES)}")
    _check_formats(problem)
    size = len(problem.formats)
    for number, adapts in enumerate(problem.adapts):
        _check_matrix(f"adapts[{number}].cost", adapts.cost, size)
        for resource, matrix in adapts.resources.items():
            _check_matrix(f"adapts[{number}].res.{resource}", matrix, size)
    for number, value in enumerate(problem.values):
        if not 0 <= value.adapt < len(problem.adapts):
            raise missing(f"values[{number}].adapt", "adapts", value.adapt, len(problem.adapts))
        if not value.elements >= 0:
            raise ProblemError(f"values[{number}].elements: is {value.elements}, wanted a number >= 0")
    for number, table in enumerate(problem.tables):
        _check_table(f"tables[{number}]", table, size)
    _check_layers(problem)
    _check_budgets(problem)


def missing(where: str, kind: str, index: int, count: int) -> ProblemError:
    """The complaint about an index that points to nothing."""
    return ProblemError(f"{where}: {kind} {index} does not exist (there are {count})")


def _check_formats(problem: Problem) -> None:
    seen: dict[str, int] = {}
    for number, format in enumerate(problem.formats):
        if format.name in seen:
            raise ProblemError(
                f"formats[{number}].name: {format.name!r} is also the name of format {seen[format.name]}"
            )
        seen[format.name] = number
        if not (format.bytes >= 0 and math.isfinite(format.bytes)):
            raise ProblemError(f"formats[{number}].bytes: is {format.bytes}, wanted a number >= 0")


def _check_matrix(where: str, matrix: Matrix, size: int) -> None:
    if len(matrix) != size:
        raise ProblemError(f"{where}: has {len(matrix)} rows, wanted {size}, one per format")
    for f, row in enumerate(matrix):
        if len(row) != size:
            raise ProblemError(f"{where}[{f}]: has {len(row)} entries, wanted {size}, one per format")
        for g, cost in enumerate(row):
            if not cost >= 0:
                raise ProblemError(f"{where}[{f}][{g}]: is {cost}, wanted a number >= 0 or null")
        if row[f] != 0:
            raise ProblemError(f"{where}[{f}][{f}]: is {row[f]}, wanted 0 from a format to itself")


def _check_table(where: str, table: RoutineTable, formats: int) -> None:
    for number, routine in enumerate(table.routines):
        place = f"{where}.routines[{number}]"
        if not (math.isfinite(routine.cost) and routine.cost >= 0):
            raise ProblemError(f"{place}.cost: is {routine.cost}, wanted a finite number >= 0")
        for side, ports in (("in", routine.inputs), ("out", routine.outputs)):
            for port, f in enumerate(ports):
                if not 0 <= f < formats:
                    raise missing(f"{place}.{side}[{port}]", "format", f, formats)
        if routine.resources:
            _check_resources(f"{place}.res", routine.resources)


def _check_resources(where: str, resources: Mapping[str, float]) -> None:
    for name, amount in resources.items():
        if not math.isfinite(amount):
            raise ProblemError(f"{where}.{name}: is {amount}, wanted a finite number")
        if name == "memory" and amount < 0:
            raise ProblemError(f"{where}.{name}: is {amount}, wanted a number >= 0")


def _check_layers(problem: Problem) -> None:
    made: dict[int, int] = {}
    checked: set[tuple[int, int, int]] = set()
    tables, values = len(problem.tables), len(problem.values)
    for i, layer in enumerate(problem.layers):
        if not 0 <= layer.table < tables:
            raise missing(f"layers[{i}].table", "table", layer.table, tables)
        for p, v in enumerate(layer.inputs):
            if v not in made:
                if not 0 <= v < values:
                    raise missing(f"layers[{i}].inputs[{p}]", "value", v, values)
                raise ProblemError(f"layers[{i}].inputs[{p}]: value {v} is not made by an earlier layer")
        for q, v in enumerate(layer.outputs):
            if not 0 <= v < values:
                raise missing(f"layers[{i}].outputs[{q}]", "value", v, values)
            if v in made:
                raise ProblemError(
                    f"layers[{i}].outputs[{q}]: value {v} is already made by {problem.layer_label(made[v])}"
                )
            made[v] = i
        shape = (layer.table, len(layer.inputs), len(layer.outputs))
        if shape not in checked:
            checked.add(shape)
            _check_arity(f"layers[{i}]", layer, problem.tables[layer.table])
    for v in range(values):
        if v not in made:
            raise ProblemError(f"values[{v}]: no layer makes it")


def _check_arity(where: str, layer: LayerSpec, table: RoutineTable) -> None:
    if not table.routines:
        raise ProblemError(f"{where}.table: table {layer.table} ({table.signature!r}) has no routine")
    for number, routine in enumerate(table.routines):
        for side, have, want in _sides(routine, layer):
            if have != want:
                raise ProblemError(
                    f"{where}: it has {want} {side}s, but routine {number} ({routine.name!r}) of table {layer.table} "
                    f"has formats for {have}"
                )


def _sides(routine: Routine, layer: LayerSpec) -> tuple[tuple[str, int, int], ...]:
    return (
        ("input", len(routine.inputs), len(layer.inputs)),
        ("output", len(routine.outputs), len(layer.outputs)),
    )


def _check_budgets(problem: Problem) -> None:
    for number, budget in enumerate(problem.budgets):
        where = f"budgets[{number}]"
        if budget.kind not in BUDGET_KINDS:
            raise ProblemError(f"{where}.kind: is {budget.kind!r}, wanted sum or peak")
        if budget.kind == "peak" and budget.resource != "memory":
            raise ProblemError(f"{where}.resource: is {budget.resource!r}, but peak budgets are for memory")
        if not math.isfinite(budget.limit):
            raise ProblemError(f"{where}.limit: is {budget.limit}, wanted a finite number")
