"""JSON form of solutions: ``routine-selection-solution/1``; fields are told in ``docs/selection-format.md``."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from plait.ir.files import write_text
from plait.passes.selection import json_fields as fields
from plait.passes.selection.json_files import read_json
from plait.passes.selection.problem import Problem, ProblemError
from plait.passes.selection.problem_io import problem_digest
from plait.passes.selection.solution import Conversion, Solution, Status, evaluate

SOLUTION_SCHEMA = "routine-selection-solution/1"


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
    if solution.reason:
        body["reason"] = solution.reason
    return body


def solution_from_json(problem: Problem, body: Mapping[str, Any]) -> Solution:
    """The solution of a JSON object; left-out conversions become the cheapest ones for its choice.

    Raises:
        ProblemError: a field is malformed, or it is the solution of another instance.
    """
    try:
        return _solution(problem, fields.an_object(body))
    except fields.FieldError as error:
        raise ProblemError(str(error)) from None


def _solution(problem: Problem, body: Mapping[str, Any]) -> Solution:
    if fields.field(body, "schema") != SOLUTION_SCHEMA:
        raise fields.FieldError("schema", f"is {body['schema']!r}, wanted {SOLUTION_SCHEMA!r}")
    if body.get("instance") not in (None, problem_digest(problem)):
        raise fields.FieldError("instance", "the solution is for another instance: the sha256 differ")
    status = _status(body)
    choice: tuple[int, ...] = ()
    conversions: tuple[Conversion, ...] = ()
    if status in ("optimal", "feasible"):
        choice = _choice(problem, body)
        listed = body.get("conversions") is not None
        conversions = fields.entries(body, "conversions", _conversion) if listed else evaluate(problem, choice)[1]
    cost = _number_or(body, "cost", math.inf)
    bound = _number_or(body, "bound", math.inf if status == "infeasible" else None)
    return Solution(
        choice,
        conversions,
        math.inf if cost is None else cost,
        bound,
        status,
        fields.text(body, "solver", ""),
        _number_or(body, "seconds", 0.0) or 0.0,
        None if body.get("width") is None else fields.index(body, "width"),
        tuple(fields.entries(body, "conflict", str, [])),
        fields.text(body, "reason", ""),
    )


def _status(body: Mapping[str, Any]) -> Status:
    """The status, which may be left out where there is a choice."""
    found: Any = fields.text(body, "status", "unknown" if body.get("choice") is None else "feasible")
    if found not in get_args(Status):
        raise fields.FieldError("status", f"is {found!r}, wanted one of {', '.join(get_args(Status))}")
    return found  # type: ignore[no-any-return]


def _choice(problem: Problem, body: Mapping[str, Any]) -> tuple[int, ...]:
    choice = fields.indices(body, "choice")
    if len(choice) != len(problem.layers):
        raise fields.FieldError("choice", f"has {len(choice)} entries, the problem has {len(problem.layers)} layers")
    for i, k in enumerate(choice):
        count = len(problem.routines(i))
        if not 0 <= k < count:
            raise fields.FieldError(
                f"choice[{i}]", f"routine {k} of {problem.layer_label(i)} does not exist (there are {count})"
            )
    return choice


def _conversion(entry: Any) -> Conversion:
    if not isinstance(entry, list) or len(entry) != 3 or any(type(x) is not int for x in entry):
        raise fields.FieldError("", f"wanted [value, from, to], found {entry!r}")
    return entry[0], entry[1], entry[2]


def _number_or(body: Mapping[str, Any], key: str, default: float | None) -> float | None:
    return default if body.get(key) is None else fields.number(body, key)


def read_solution(problem: Problem, path: str | Path) -> Solution:
    """The solution in a JSON file, for the given problem.

    Raises:
        SelectionFileError: P701, it is malformed or of another instance.
        OSError: the file cannot be read.
    """
    return read_json(path, lambda body: solution_from_json(problem, body))


def write_solution(problem: Problem, solution: Solution, path: str | Path) -> None:
    """Write a solution as compact JSON, atomically."""
    write_text(path, json.dumps(solution_to_json(problem, solution), separators=(",", ":")) + "\n")
