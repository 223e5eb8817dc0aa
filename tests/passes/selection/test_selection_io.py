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
    SelectionFileError,
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
    with pytest.raises(ProblemError, match="schema: is 'x', wanted 'routine-selection-solution/1'"):
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


ROUTINE = ["tables", 0, "routines", 0]
MALFORMED: list[tuple[list[Any], Any, str]] = [
    (["schema"], "routine-selection/9", "schema: is 'routine-selection/9', wanted 'routine-selection/1'"),
    (["schema"], ..., "field 'schema' is missing"),
    (["name"], 3, "name: wanted a text, found 3"),
    (["seed"], "3", "seed: wanted an integer, found a text ('3')"),
    (["unit"], None, "unit: wanted a text, found null"),
    (["sharing"], "some", "sharing: is 'some', wanted one of none, star, tree"),
    (["formats"], ..., "field 'formats' is missing"),
    (["formats"], {}, "formats: wanted a list, found an object"),
    (["formats", 0], "a", "formats[0]: wanted an object, found a text ('a')"),
    (["formats", 0, "name"], ..., "formats[0]: field 'name' is missing"),
    (["formats", 0, "device"], 0.5, "formats[0].device: wanted an integer, found 0.5"),
    (["formats", 0, "bytes"], "4", "formats[0].bytes: wanted a number, found a text ('4')"),
    (["adapts", 0, "cost"], ..., "adapts[0]: field 'cost' is missing"),
    (["adapts", 0, "cost"], 1, "adapts[0].cost: wanted a list of rows, found 1"),
    (["adapts", 0, "cost"], [3], "adapts[0].cost[0]: wanted a row of numbers, found 3"),
    (["adapts", 0, "cost"], [["x"]], "adapts[0].cost[0][0]: wanted a number, found a text ('x')"),
    (["adapts", 0, "cost"], [[0, 1]], "adapts[0].cost[0]: has 2 entries, wanted 1, one per format"),
    (["adapts", 0, "res"], [], "adapts[0].res: wanted an object, found a list"),
    (["adapts", 0, "res"], {"energy": [[True]]}, "adapts[0].res.energy[0][0]: wanted a number, found true or false"),
    (["values", 0, "adapt"], "0", "values[0].adapt: wanted an integer, found a text ('0')"),
    (["values", 0, "elements"], 10**400, "values[0].elements: is beyond the range of numbers"),
    (["tables", 0, "signature"], ..., "tables[0]: field 'signature' is missing"),
    (["tables", 0, "routines"], None, "tables[0].routines: wanted a list, found null"),
    ([*ROUTINE], 7, "tables[0].routines[0]: wanted an object, found 7"),
    ([*ROUTINE, "cost"], ..., "tables[0].routines[0]: field 'cost' is missing"),
    ([*ROUTINE, "cost"], 10**400, "tables[0].routines[0].cost: is beyond the range of numbers"),
    ([*ROUTINE, "cost"], -1, "tables[0].routines[0].cost: is -1.0, wanted a finite number >= 0"),
    ([*ROUTINE, "in"], [0.5], "tables[0].routines[0].in[0]: wanted an integer, found 0.5"),
    ([*ROUTINE, "out"], [3], "tables[0].routines[0].out[0]: format 3 does not exist (there are 1)"),
    ([*ROUTINE, "std"], [], "tables[0].routines[0].std: wanted a number, found a list"),
    ([*ROUTINE, "n"], 1.5, "tables[0].routines[0].n: wanted an integer, found 1.5"),
    ([*ROUTINE, "res"], {"loss": "x"}, "tables[0].routines[0].res.loss: wanted a number, found a text ('x')"),
    (["layers", 0, "name"], ..., "layers[0]: field 'name' is missing"),
    (["layers", 0, "outputs"], 0, "layers[0].outputs: wanted a list, found 0"),
    (["layers", 0, "inputs"], [99], "layers[0].inputs[0]: value 99 does not exist (there are 1)"),
    (["layers", 0, "table"], True, "layers[0].table: wanted an integer, found true or false"),
    (["budgets"], [{"kind": "sum"}], "budgets[0]: field 'resource' is missing"),
    (["budgets"], [{"resource": "e", "kind": "sum", "limit": "9"}], "budgets[0].limit: wanted a number, found a text"),
]


@pytest.mark.parametrize(("path", "value", "message"), MALFORMED)
def test_malformed_files_say_where(path: list[Any], value: Any, message: str) -> None:
    with pytest.raises(ProblemError) as raised:
        problem_from_json(spoiled(path, value))
    assert str(raised.value).startswith(message)


def test_an_instance_is_an_object() -> None:
    with pytest.raises(ProblemError, match="wanted an object, found a list"):
        problem_from_json([])  # type: ignore[arg-type]


FILES: list[tuple[bytes, str]] = [
    (b'{"schema": ]', "net.json:1:12: error[P701]: not JSON: Expecting value\n"),
    (b'{\n"a": x}', "net.json:2:6: error[P701]: not JSON: Expecting value\n"),
    (b"", "net.json:1:1: error[P701]: not JSON: Expecting value"),
    (b'{"cost": NaN}', "net.json: error[P701]: not JSON: NaN is no number of JSON"),
    (b"\xff{}", "net.json: error[P701]: is not UTF-8 text (byte 0)"),
    (b"[" * 100_000, "net.json: error[P701]: not JSON: nested too deeply"),
    (b"[" + b"9" * 5000 + b"]", "net.json: error[P701]: not JSON: Exceeds the limit"),
    (b"[]", "net.json: error[P701]: wanted an object, found a list"),
    (json.dumps(spoiled(["layers", 0, "table"], 4)).encode(), "net.json: layers[0].table: error[P701]: table 4 does"),
    (json.dumps(spoiled(["layers"], ...)).encode(), "net.json: error[P701]: field 'layers' is missing"),
]


@pytest.mark.parametrize(("data", "message"), FILES)
def test_errors_of_files_have_a_place(data: bytes, message: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.json").write_bytes(data)
    with pytest.raises(SelectionFileError) as raised:
        read_problem("net.json")
    assert str(raised.value).startswith(message)
    assert raised.value.exit_code == 3


SOLUTIONS: list[tuple[dict[str, Any], str]] = [
    ({"status": "good"}, "status: is 'good', wanted one of optimal, feasible, infeasible, unknown"),
    ({"choice": [0, 0]}, "choice: has 2 entries, the problem has 1 layers"),
    ({"choice": [5]}, "choice[0]: routine 5 of layer 0 ('l') does not exist (there are 1)"),
    ({"choice": None}, "choice: wanted a list, found null"),
    ({"conversions": [[0, 0]]}, "conversions[0]: wanted [value, from, to], found [0, 0]"),
    ({"cost": "1"}, "cost: wanted a number, found a text ('1')"),
    ({"bound": []}, "bound: wanted a number, found a list"),
    ({"width": 0.5}, "width: wanted an integer, found 0.5"),
    ({"solver": 3}, "solver: wanted a text, found 3"),
]


@pytest.mark.parametrize(("changes", "message"), SOLUTIONS)
def test_malformed_solutions_say_where(changes: dict[str, Any], message: str) -> None:
    problem = problem_from_json(spoiled(["name"], "net"))
    body = solution_to_json(problem, solver("exact")(problem))
    with pytest.raises(ProblemError) as raised:
        solution_from_json(problem, body | changes)
    assert str(raised.value).startswith(message)
