"""JSON form of problems (``routine-selection/1``) and solutions (``routine-selection-solution/1``).

    {"schema": "routine-selection/1", "name": ..., "seed": ..., "unit": "us", "sharing": "tree",
     "formats": [{"name", "device", "bytes"}],
     "adapts":  [{"cost": F x F, null = no direct conversion, "res": {resource: F x F}}],
     "values":  [{"adapt", "elements", "name"}],
     "tables":  [{"signature", "routines": [{"name", "in", "out", "cost", "std", "n", "res"}]}],
     "layers":  [{"name", "op", "table", "inputs", "outputs"}],
     "budgets": [{"resource", "kind", "limit"}]}

An instance is identified by the sha256 of its canonical text: keys sorted, no blanks, without the keys
that can not change an answer (``name``, ``origin``, ``best_known``).  A solution names its instance so.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

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
from plait.passes.selection.solution import Solution, evaluate

SCHEMA = "routine-selection/1"
SOLUTION_SCHEMA = "routine-selection-solution/1"
_NOT_HASHED = ("name", "origin", "best_known")

T = TypeVar("T")


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
    if not isinstance(body, Mapping):
        raise ProblemError(f"an instance is a JSON object, this is {type(body).__name__}")
    if body.get("schema") != SCHEMA:
        raise ProblemError(f"schema is {body.get('schema')!r}, wanted {SCHEMA!r}")
    problem = Problem(
        _each(body, "formats", lambda f: Format(f["name"], f.get("device", 0), f.get("bytes", 0))),
        _each(body, "adapts", _adapts_from_json),
        _each(body, "values", lambda v: ValueSpec(_index(v["adapt"]), v.get("elements", 0), v.get("name", ""))),
        _each(body, "tables", _table_from_json),
        _each(body, "layers", _layer_from_json),
        body.get("sharing", "tree"),
        body.get("unit", "us"),
        name=body.get("name", ""),
        seed=body.get("seed"),
        budgets=_each({"budgets": body.get("budgets", [])}, "budgets", _budget_from_json),
    )
    object.__setattr__(problem, "source_digest", canonical_digest(body))
    return problem


def _each(body: Mapping[str, Any], key: str, read: Callable[[Any], T]) -> tuple[T, ...]:
    """Read every entry of a list; errors name the list, the position and the field."""
    if not isinstance(body.get(key), list):
        raise ProblemError(f"{key}: wanted a list, found {type(body.get(key)).__name__}")
    entries: list[T] = []
    for number, entry in enumerate(body[key]):
        try:
            entries.append(read(entry))
        except KeyError as error:
            raise ProblemError(f"{key}[{number}]: field {error} is missing") from error
        except (TypeError, ValueError, AttributeError) as error:
            raise ProblemError(f"{key}[{number}]: {error}") from error
    return tuple(entries)


def _matrix(rows: Any) -> Matrix:
    return tuple(tuple(math.inf if x is None else float(x) for x in row) for row in rows)


def _index(number: Any) -> int:
    if type(number) is not int:
        raise ValueError(f"wanted an index, found {number!r}")
    return number


def _indices(numbers: Any) -> tuple[int, ...]:
    if not isinstance(numbers, list) or not all(type(n) is int for n in numbers):
        raise ValueError(f"wanted a list of indices, found {numbers!r}")
    return tuple(numbers)


def _adapts_from_json(body: Mapping[str, Any]) -> Adapts:
    return Adapts(_matrix(body["cost"]), {k: _matrix(m) for k, m in body.get("res", {}).items()})


def _table_from_json(body: Mapping[str, Any]) -> RoutineTable:
    return RoutineTable(body["signature"], _each(body, "routines", _routine_from_json))


def _routine_from_json(body: Mapping[str, Any]) -> Routine:
    return Routine(
        body.get("name", ""),
        _indices(body["in"]),
        _indices(body["out"]),
        float(body["cost"]),
        body.get("std"),
        body.get("n"),
        body.get("res", {}),
    )


def _layer_from_json(body: Mapping[str, Any]) -> LayerSpec:
    inputs, outputs = _indices(body["inputs"]), _indices(body["outputs"])
    return LayerSpec(body["name"], _index(body["table"]), inputs, outputs, body.get("op", ""))


def _budget_from_json(body: Mapping[str, Any]) -> Budget:
    return Budget(body["resource"], body["kind"], body["limit"])


def solution_to_json(problem: Problem, solution: Solution) -> dict[str, Any]:
    """The solution as a JSON object.

    Conversions are listed under ``tree`` sharing only: the format has them replayed with shared copies,
    and under the other modes they follow from the choice.
    """
    body: dict[str, Any] = {
        "schema": SOLUTION_SCHEMA,
        "instance": problem_digest(problem),
        "status": solution.status,
        "choice": list(solution.choice) if solution.found else None,
        "conversions": None,
        "cost": solution.cost if solution.found else None,
        "bound": solution.bound if solution.bound is not None and math.isfinite(solution.bound) else None,
        "solver": solution.solver,
        "seconds": solution.seconds,
        "width": solution.width,
    }
    if solution.found and problem.sharing == "tree":
        body["conversions"] = [list(c) for c in solution.conversions]
    if solution.conflict:
        body["conflict"] = list(solution.conflict)
    return body


def solution_from_json(problem: Problem, body: Mapping[str, Any]) -> Solution:
    """The solution of a JSON object; left-out conversions become the cheapest ones for its choice."""
    if body.get("schema") != SOLUTION_SCHEMA:
        raise ProblemError(f"schema is {body.get('schema')!r}, wanted {SOLUTION_SCHEMA!r}")
    if body.get("instance") not in (None, problem_digest(problem)):
        raise ProblemError("the solution is for another instance: the sha256 differ")
    choice = tuple(body.get("choice") or ())
    conversions = tuple((v, a, b) for v, a, b in body.get("conversions") or ())
    if choice and body.get("conversions") is None:
        conversions = evaluate(problem, choice)[1]
    bound = body.get("bound")
    if bound is None and body["status"] == "infeasible":
        bound = math.inf
    return Solution(
        choice,
        conversions,
        math.inf if body.get("cost") is None else body["cost"],
        bound,
        body["status"],
        body.get("solver", ""),
        body.get("seconds") or 0.0,
        body.get("width"),
        tuple(body.get("conflict", ())),
    )


def read_problem(path: str | Path) -> Problem:
    """The problem in a JSON file."""
    return problem_from_json(json.loads(Path(path).read_text()))


def write_problem(problem: Problem, path: str | Path) -> None:
    """Write a problem as compact JSON."""
    Path(path).write_text(json.dumps(problem_to_json(problem), separators=(",", ":")) + "\n")


def read_solution(problem: Problem, path: str | Path) -> Solution:
    """The solution in a JSON file, for the given problem."""
    return solution_from_json(problem, json.loads(Path(path).read_text()))


def write_solution(problem: Problem, solution: Solution, path: str | Path) -> None:
    """Write a solution as compact JSON."""
    Path(path).write_text(json.dumps(solution_to_json(problem, solution), separators=(",", ":")) + "\n")
