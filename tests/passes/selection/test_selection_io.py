"""JSON round trips, digests, and messages of malformed files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from plait.passes.selection import (
    Adapts,
    Budget,
    Problem,
    ProblemError,
    problem_digest,
    problem_from_json,
    problem_to_json,
    read_problem,
    read_solution,
    solution_from_json,
    solution_to_json,
    solver,
    write_problem,
    write_solution,
)

MakeProblem = Callable[..., Problem]


@pytest.mark.parametrize("seed", range(30))
def test_round_trip(seed: int, make_random: MakeProblem, tmp_path: Path) -> None:
    problem = make_random(seed)
    write_problem(problem, tmp_path / "net.json")
    again = read_problem(tmp_path / "net.json")
    assert again == problem
    assert problem_digest(again) == problem_digest(problem)
    best = solver("exact")(problem)
    write_solution(problem, best, tmp_path / "net.sol.json")
    back = read_solution(again, tmp_path / "net.sol.json")
    assert back == best
    assert back.seconds == best.seconds


def test_every_field_survives(make_random: MakeProblem) -> None:
    problem = make_random(1)
    cost = problem.adapts[0].cost
    table = problem.tables[0]
    first = attrs.evolve(table.routines[0], std=0.5, samples=7, resources={"memory": 12.0})
    problem = attrs.evolve(
        problem,
        name="net",
        seed=3,
        unit="ms",
        adapts=(Adapts(cost, {"energy": cost}), *problem.adapts[1:]),
        tables=(attrs.evolve(table, routines=(first, *table.routines[1:])), *problem.tables[1:]),
        budgets=(Budget("memory", "peak", 100.0),),
    )
    assert problem_from_json(json.loads(json.dumps(problem_to_json(problem)))) == problem


def test_digest_ignores_name_and_key_order(make_random: MakeProblem) -> None:
    body = problem_to_json(make_random(2))
    digest = problem_digest(problem_from_json(body))
    turned = dict(reversed((body | {"name": "other", "origin": "elsewhere"}).items()))
    assert problem_digest(problem_from_json(turned)) == digest
    assert problem_digest(problem_from_json(body | {"unit": "ms"})) != digest


def test_a_changed_problem_is_another_instance(make_random: MakeProblem) -> None:
    problem = problem_from_json(problem_to_json(make_random(2)))
    assert problem_digest(attrs.evolve(problem, unit="ms")) != problem_digest(problem)
    assert problem_digest(attrs.evolve(problem)) == problem_digest(problem)


def test_conversions_are_listed_under_tree_sharing_only(make_random: MakeProblem) -> None:
    for sharing in ("tree", "star", "none"):
        problem = attrs.evolve(make_random(2), sharing=sharing)
        best = solver("exact")(problem)
        body = solution_to_json(problem, best)
        assert (body["conversions"] is not None) == (sharing == "tree")
        assert solution_from_json(problem, body) == best


def test_a_solution_of_another_instance_is_refused(make_random: MakeProblem) -> None:
    problem = make_random(2)
    body = solution_to_json(problem, solver("exact")(problem))
    with pytest.raises(ProblemError, match="for another instance"):
        solution_from_json(make_random(5), body)
    with pytest.raises(ProblemError, match="schema is 'x', wanted 'routine-selection-solution/1'"):
        solution_from_json(problem, body | {"schema": "x"})


def spoiled(path: list[Any], value: Any) -> dict[str, Any]:
    """A small instance with one entry replaced, or removed with ``value`` Ellipsis."""
    body: dict[str, Any] = {
        "schema": "routine-selection/1",
        "formats": [{"name": "a"}],
        "adapts": [{"cost": [[0]]}],
        "values": [{"adapt": 0}],
        "tables": [{"signature": "t", "routines": [{"in": [], "out": [0], "cost": 1}]}],
        "layers": [{"name": "l", "table": 0, "inputs": [], "outputs": [0]}],
    }
    place: Any = body
    for key in path[:-1]:
        place = place[key]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return body


def test_optional_fields_have_defaults() -> None:
    problem = problem_from_json(spoiled(["name"], "net"))
    assert (problem.sharing, problem.unit, problem.budgets) == ("tree", "us", ())
    assert solver("exact")(problem).cost == 1.0


MALFORMED = [
    (["schema"], "routine-selection/9", r"schema is 'routine-selection/9', wanted 'routine-selection/1'"),
    (["formats"], ..., r"formats: wanted a list, found NoneType"),
    (["formats", 0, "name"], ..., r"formats\[0\]: field 'name' is missing"),
    (["adapts", 0, "cost"], [["x"]], r"adapts\[0\]: could not convert string to float: 'x'"),
    (["values", 0, "adapt"], "0", r"values\[0\]: wanted an index, found '0'"),
    (["tables", 0, "routines", 0, "cost"], ..., r"tables\[0\]: routines\[0\]: field 'cost' is missing"),
    (["tables", 0, "routines", 0, "in"], [0.5], r"routines\[0\]: wanted a list of indices, found \[0.5\]"),
    (["layers", 0, "outputs"], 0, r"layers\[0\]: wanted a list of indices, found 0"),
    (["layers", 0, "table"], True, r"layers\[0\]: wanted an index, found True"),
    (["sharing"], "some", r"sharing is 'some'"),
]


@pytest.mark.parametrize(("path", "value", "message"), MALFORMED)
def test_malformed_files_say_where(path: list[Any], value: Any, message: str) -> None:
    with pytest.raises(ProblemError, match=message):
        problem_from_json(spoiled(path, value))


def test_an_instance_is_an_object() -> None:
    with pytest.raises(ProblemError, match="an instance is a JSON object, this is list"):
        problem_from_json([])  # type: ignore[arg-type]
