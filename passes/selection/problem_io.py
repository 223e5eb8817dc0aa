"""JSON form of problems: ``routine-selection/1``. ``docs/selection-format.md`` tells what each field means.

    {"schema": "routine-selection/1", "name": ..., "seed": ..., "unit": "us", "sharing": "tree",
     "formats": [{"name", "device", "bytes"}],
     "adapts":  [{"cost": F x F, null = no direct conversion, "res": {resource: F x F}}],
     "values":  [{"adapt", "elements", "name"}],
     "tables":  [{"signature", "routines": [{"name", "in", "out", "cost", "std", "n", "res"}]}],
     "layers":  [{"name", "op", "table", "inputs", "outputs"}],
     "budgets": [{"resource", "kind", "limit"}]}

An instance is identified by the sha256 of its canonical text: keys sorted, no blanks, without the keys
that can not change an answer (``name``, ``origin``, ``best_known``).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from plait.ir.files import write_text
from plait.passes.selection import json_fields as fields
from plait.passes.selection.json_files import read_json
from plait.passes.selection.problem import (
    Adapts,
    Budget,
    Format,
    LayerSpec,
    Matrix,
    Problem,
    ProblemError,
    Routine,
    RoutineTable,
    ValueSpec,
)

SCHEMA = "routine-selection/1"
_NOT_HASHED = ("name", "origin", "best_known")


def canonical_digest(instance: Mapping[str, Any]) -> str:
    """sha256 (hex) of an instance's JSON object."""
    body = {key: value for key, value in instance.items() if key not in _NOT_HASHED}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def problem_digest(problem: Problem) -> str:
    """sha256 of the instance: of the file it was read from, else of the object it would be written as."""
    return problem.source_digest or canonical_digest(problem_to_json(problem))


def problem_to_json(problem: Problem) -> dict[str, Any]:
    """The problem as a JSON object."""
    body: dict[str, Any] = {
        "schema": SCHEMA,
        "name": problem.name,
        "unit": problem.unit,
        "sharing": problem.sharing,
    }
    if problem.seed is not None:
        body["seed"] = problem.seed
    body["formats"] = [{"name": f.name, "device": f.device, "bytes": f.bytes} for f in problem.formats]
    body["adapts"] = [
        _with_resources({"cost": _rows(a.cost)}, {k: _rows(m) for k, m in a.resources.items()}) for a in problem.adapts
    ]
    body["values"] = [
        {"adapt": v.adapt, "elements": v.elements} | ({"name": v.name} if v.name else {}) for v in problem.values
    ]
    body["tables"] = [
        {"signature": t.signature, "routines": [_routine_to_json(r) for r in t.routines]} for t in problem.tables
    ]
    body["layers"] = [
        {"name": x.name, "op": x.op, "table": x.table, "inputs": list(x.inputs), "outputs": list(x.outputs)}
        for x in problem.layers
    ]
    body["budgets"] = [{"resource": b.resource, "kind": b.kind, "limit": b.limit} for b in problem.budgets]
    return body


def _rows(matrix: Matrix) -> list[list[float | None]]:
    return [[x if math.isfinite(x) else None for x in row] for row in matrix]


def _with_resources(body: dict[str, Any], resources: Mapping[str, Any]) -> dict[str, Any]:
    return body | {"res": dict(resources)} if resources else body


def _routine_to_json(routine: Routine) -> dict[str, Any]:
    body: dict[str, Any] = {
        "name": routine.name,
        "in": list(routine.inputs),
        "out": list(routine.outputs),
        "cost": routine.cost,
    }
    if routine.std is not None:
        body["std"] = routine.std
    if routine.samples is not None:
        body["n"] = routine.samples
    return _with_resources(body, routine.resources)


def problem_from_json(body: Mapping[str, Any]) -> Problem:
    """The problem of a JSON object; ``ProblemError`` says which part is missing or malformed."""
    try:
        problem = _problem(fields.an_object(body))
    except fields.FieldError as error:
        raise ProblemError(str(error)) from None
    object.__setattr__(problem, "source_digest", canonical_digest(body))
    return problem


def _problem(body: Mapping[str, Any]) -> Problem:
    if fields.field(body, "schema") != SCHEMA:
        raise fields.FieldError("schema", f"is {body['schema']!r}, wanted {SCHEMA!r}")
    sharing: Any = fields.text(body, "sharing", "tree")
    return Problem(
        fields.entries(body, "formats", _format),
        fields.entries(body, "adapts", _adapts),
        fields.entries(body, "values", _value),
        fields.entries(body, "tables", _table),
        fields.entries(body, "layers", _layer),
        sharing,
        fields.text(body, "unit", "us"),
        name=fields.text(body, "name", ""),
        seed=None if body.get("seed") is None else fields.index(body, "seed"),
        budgets=fields.entries(body, "budgets", _budget, []),
    )


def _format(entry: Any) -> Format:
    body = fields.an_object(entry)
    return Format(fields.text(body, "name"), fields.index(body, "device", 0), fields.number(body, "bytes", 0))


def _adapts(entry: Any) -> Adapts:
    body = fields.an_object(entry)
    rows = fields.field(body, "cost")
    try:
        cost = fields.matrix(rows)
    except fields.FieldError as error:
        raise error.within("cost") from None
    return Adapts(cost, fields.mapping(body, "res", lambda _, rows: fields.matrix(rows)))


def _value(entry: Any) -> ValueSpec:
    body = fields.an_object(entry)
    return ValueSpec(fields.index(body, "adapt"), fields.index(body, "elements", 0), fields.text(body, "name", ""))


def _table(entry: Any) -> RoutineTable:
    body = fields.an_object(entry)
    return RoutineTable(fields.text(body, "signature"), fields.entries(body, "routines", _routine))


def _routine(entry: Any) -> Routine:
    body = fields.an_object(entry)
    return Routine(
        fields.text(body, "name", ""),
        fields.indices(body, "in"),
        fields.indices(body, "out"),
        float(fields.number(body, "cost")),
        None if body.get("std") is None else fields.number(body, "std"),
        None if body.get("n") is None else fields.index(body, "n"),
        fields.mapping(body, "res", fields.a_number) if "res" in body else {},
    )


def _layer(entry: Any) -> LayerSpec:
    body = fields.an_object(entry)
    return LayerSpec(
        fields.text(body, "name"),
        fields.index(body, "table"),
        fields.indices(body, "inputs"),
        fields.indices(body, "outputs"),
        fields.text(body, "op", ""),
    )


def _budget(entry: Any) -> Budget:
    body = fields.an_object(entry)
    return Budget(fields.text(body, "resource"), fields.text(body, "kind"), fields.number(body, "limit"))


def read_problem(path: str | Path) -> Problem:
    """The problem in a JSON file.

    Raises:
        SelectionFileError: P701, with line and column of what is not JSON, or the path of what is wrong.
        OSError: the file cannot be read.
    """
    return read_json(path, problem_from_json)


def write_problem(problem: Problem, path: str | Path) -> None:
    """Write a problem as compact JSON, atomically."""
    write_text(path, json.dumps(problem_to_json(problem), separators=(",", ":")) + "\n")
