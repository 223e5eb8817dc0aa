"""`plait select`: solving, checking, exporting, forcing routines, and what is told of what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Plait = Callable[..., Any]

PROBLEM: dict[str, Any] = {
    "schema": "routine-selection/1",
    "name": "small",
    "formats": [{"name": "nchw", "bytes": 4}, {"name": "nhwc", "bytes": 4}],
    "adapts": [{"cost": [[0, 3], [2, 0]], "res": {"energy": [[0, 1], [1, 0]]}}],
    "values": [{"adapt": 0, "elements": 10}, {"adapt": 0, "elements": 10}],
    "tables": [
        {"signature": "input", "routines": [{"name": "nchw", "in": [], "out": [0], "cost": 0}]},
        {
            "signature": "conv",
            "routines": [
                {"name": "cpu/f32/nchw/naive", "in": [0], "out": [0], "cost": 20, "res": {"energy": 1}},
                {"name": "cpu/f32/nhwc/gemm", "in": [1], "out": [1], "cost": 4, "res": {"energy": 9}},
            ],
        },
        {"signature": "output", "routines": [{"name": "nchw", "in": [0], "out": [], "cost": 0}]},
    ],
    "layers": [
        {"name": "x", "op": "input", "table": 0, "inputs": [], "outputs": [0]},
        {"name": "conv", "op": "conv", "table": 1, "inputs": [0], "outputs": [1]},
        {"name": "y", "op": "output", "table": 2, "inputs": [1], "outputs": []},
    ],
}


@pytest.fixture
def problem(workplace: Path) -> Path:
    """A convolution in two formats; the other format costs 3 to go to and 2 to come back from."""
    path = workplace / "small.json"
    path.write_text(json.dumps(PROBLEM))
    return path


def changed(path: Path, **fields: Any) -> Path:
    path.write_text(json.dumps(PROBLEM | fields))
    return path


def test_solving_writes_a_solution(plait: Plait, problem: Path) -> None:
    outcome = plait("select", problem, "-o", "solution.json")
    assert outcome.code == 0
    header, row = outcome.out.splitlines()
    assert header.split() == ["status", "cost", "us", "bound", "gap", "width", "time"]
    assert row.split()[:5] == ["optimal", "9", "9", "0", "%"]
    found = json.loads(Path("solution.json").read_text())
    assert found["choice"] == [0, 1, 0] and found["conversions"] == [[0, 0, 1], [1, 1, 0]] and found["cost"] == 9
    assert plait("select", "--check", problem, "solution.json").out == "ok: optimal, cost 9\n"


def test_layers_are_shown(plait: Plait, problem: Path) -> None:
    lines = [line.split() for line in plait("select", problem, "-v").out.splitlines()]
    assert lines[:7] == [
        ["#", "layer", "op", "routine", "in", "out", "us"],
        ["0", "x", "input", "nchw", "nchw", "0"],
        ["+", "value", "0", "adapt", "nchw", "nhwc", "3"],
        ["1", "conv", "conv", "cpu/f32/nhwc/gemm", "nhwc", "nhwc", "4"],
        ["+", "value", "1", "adapt", "nhwc", "nchw", "2"],
        ["2", "y", "output", "nchw", "nchw", "0"],
        [],
    ]


def test_json_and_pipes(plait: Plait, problem: Path) -> None:
    data = json.loads(plait("select", problem, "--json").out)
    assert data["schema"] == "selection/1" and data["status"] == "optimal" and data["gap"] == 0
    assert [x["routine"] for x in data["layers"]] == ["nchw", "cpu/f32/nhwc/gemm", "nchw"]
    assert data["conversions"][0] == {"value": 0, "from": "nchw", "to": "nhwc", "cost": 3}
    assert json.loads(plait("select", problem, "-o", "-").out)["schema"] == "routine-selection-solution/1"


def test_other_solvers_and_sharing(plait: Plait, problem: Path) -> None:
    assert json.loads(plait("select", problem, "--solver", "fastest", "--json").out)["solver"] == "fastest"
    outcome = plait("select", problem, "--sharing", "none", "--export", "unshared.json")
    assert outcome.code == 0 and outcome.out == ""
    assert outcome.err == "note: wrote unshared.json: 3 layers, 3 tables with 4 routines, 2 formats\n"
    assert json.loads(Path("unshared.json").read_text())["sharing"] == "none"
    assert "brute_force\n" in plait("select", problem, "--solver", "?").out
    wrong = plait("select", problem, "--solver", "best")
    assert wrong.code == 2 and "no solver 'best'; known are exact, greedy" in wrong.err


def test_forced_routines(plait: Plait, problem: Path) -> None:
    forced = plait("select", problem, "--routine", "*/naive@conv", "-o", "forced.json", "--json")
    assert json.loads(forced.out)["cost"] == 20
    found = json.loads(Path("forced.json").read_text())
    # Of the problem itself the plan is not the best, and only a weak bound is known.
    assert (found["choice"], found["status"], found["bound"]) == ([0, 0, 0], "feasible", 4)
    assert plait("select", "--check", problem, "forced.json").code == 0
    both = plait("select", problem, "--routine", "*/naive", "--routine", "cpu/f32/nhwc@1", "--json")
    assert json.loads(both.out)["cost"] == 9


def test_patterns_that_match_nothing(plait: Plait, problem: Path) -> None:
    for pattern, message in [
        ("*/naive@7", "--routine '*/naive@7' names no layer of the problem"),
        ("*/winograd@conv", "--routine '*/winograd@conv' matches no routine of layer 1 ('conv')"),
        ("gpu", "--routine 'gpu' matches no routine of the problem"),
    ]:
        outcome = plait("select", problem, "--routine", pattern)
        assert outcome.code == 2 and f"error[P404]: {message}\n" in outcome.err


def test_infeasible_names_the_layers(plait: Plait, problem: Path) -> None:
    adapts = [{"cost": [[0, 3], [None, 0]]}]
    tables = [*PROBLEM["tables"]]
    tables[1] = {"signature": "conv", "routines": tables[1]["routines"][1:]}
    changed(problem, adapts=adapts, tables=tables)
    outcome = plait("select", problem, "-o", "solution.json")
    assert outcome.code == 5 and outcome.out == ""
    message = "small: infeasible: no conversions serve layer 1 ('conv'), layer 2 ('y') together"
    assert outcome.err == f"error[P702]: {message}\n"
    found = json.loads(Path("solution.json").read_text())
    assert found["status"] == "infeasible" and found["conflict"] == ["layer 1 ('conv')", "layer 2 ('y')"]


def test_refusals_of_solvers(plait: Plait, problem: Path) -> None:
    changed(problem, budgets=[{"resource": "energy", "kind": "sum", "limit": 5}])
    outcome = plait("select", problem, "--solver", "greedy")
    assert outcome.code == 5 and "error[P702]: solver 'greedy' does not honour budgets (energy/sum)" in outcome.err


def test_malformed_files(plait: Plait, problem: Path) -> None:
    problem.write_text('{"schema": ]')
    assert "small.json:1:12: error[P701]: not JSON: Expecting value" in plait("select", problem).err
    layers = [*PROBLEM["layers"][:2], PROBLEM["layers"][2] | {"inputs": [99]}]
    outcome = plait("select", changed(problem, layers=layers))
    assert outcome.code == 3
    assert outcome.err.endswith("small.json: layers[2].inputs[0]: error[P701]: value 99 does not exist (there are 2)\n")


def test_wrong_solutions(plait: Plait, problem: Path) -> None:
    plait("select", problem, "-o", "solution.json")
    found = json.loads(Path("solution.json").read_text())
    Path("solution.json").write_text(json.dumps(found | {"cost": 8, "bound": 8}))
    outcome = plait("select", "--check", problem, "solution.json")
    assert outcome.code == 1 and outcome.err == "warning: it claims cost 8, its parts sum to 9.0\n"
    Path("solution.json").write_text(json.dumps(found | {"conversions": []}))
    data = json.loads(plait("select", "--check", problem, "solution.json", "--json").out)
    assert not data["ok"] and data["complaints"][0] == "value 0: nhwc is wanted but never made"
    changed(problem, budgets=[{"resource": "energy", "kind": "sum", "limit": 5}])
    Path("solution.json").write_text(json.dumps({k: found[k] for k in ("schema", "choice", "conversions", "cost")}))
    outcome = plait("select", "--check", problem, "solution.json")
    assert outcome.err == "warning: budget energy/sum: it uses 11, the limit is 5\n"


def test_check_takes_two_files(plait: Plait, problem: Path) -> None:
    assert plait("select", "--check", problem).code == 2
    assert plait("select", problem, problem).code == 2


def test_the_problem_of_a_model(plait: Plait, tiny: Path) -> None:
    outcome = plait("select", tiny, "--export", "tiny.json", "--routine", "cpu/f32/nchw")
    assert outcome.code == 0, outcome.err
    body = json.loads(Path("tiny.json").read_text())
    assert body["name"] == "tiny" and body["unit"] == "us"
    assert [x["op"] for x in body["layers"]] == ["input", "conv2d", "output"]
    routines = body["tables"][1]["routines"]
    assert all(r["n"] >= 10 and r["std"] >= 0 and r["name"].startswith("cpu/f32/nchw") for r in routines)
    assert {f["bytes"] for f in body["formats"]} == {4.0}
    direct = json.loads(plait("select", tiny, "--routine", "cpu/f32/nchw", "--json").out)
    assert direct["cost"] == json.loads(plait("select", "tiny.json", "--json").out)["cost"]


def test_sensitivity(plait: Plait, problem: Path) -> None:
    rows = [line.split() for line in plait("select", problem, "--sensitivity").out.splitlines()]
    assert rows[0] == ["#", "layer", "routine", "margin", "us", "then"]
    assert rows[2] == ["1", "conv", "cpu/f32/nhwc/gemm", "11", "cpu/f32/nchw/naive"]
    rows = [line.split() for line in plait("select", problem, "--sensitivity", "-v").out.splitlines()]
    assert rows[2:4] == [
        ["1", "conv", "cpu/f32/nchw/naive", "20", "11"],
        ["1", "conv", "cpu/f32/nhwc/gemm", "4", "chosen"],
    ]
    data = json.loads(plait("select", problem, "--sensitivity", "--json").out)
    assert data["sensitivity"]["layers"][1]["margin"] == 11
    assert plait("select", problem, "--sensitivity", "--best", "2").code == 2
    outcome = plait("select", problem, "--sensitivity", "--solver", "fastest")
    assert outcome.code == 5 and "sensitivity is defined for an optimal plan, this one is feasible" in outcome.err


def test_the_best_plans(plait: Plait, problem: Path) -> None:
    outcome = plait("select", problem, "--best", "3", "-o", "solution.json")
    assert [line.split() for line in outcome.out.splitlines()] == [
        ["#", "cost", "us", "more", "unlike", "the", "best", "in"],
        ["1", "9", "0", "%"],
        ["2", "20", "122", "%", "conv"],
    ]
    assert outcome.err == "note: there are no other plans\n"
    assert json.loads(Path("solution.json").read_text())["cost"] == 9
    data = json.loads(plait("select", problem, "--best", "1", "--json").out)
    assert [p["cost"] for p in data["plans"]] == [9] and data["proven"]


def test_other_formats(plait: Plait, problem: Path) -> None:
    assert plait("select", problem, "--export", "small.cfn").err == "note: wrote small.cfn\n"
    assert json.loads(Path("small.cfn").read_text())["problem"]
    text = plait("select", problem, "--export", "-", "--to", "mps").out
    assert text.splitlines()[-1] == "ENDATA"
    assert plait("select", problem, "--export", "x.txt", "--to", "json").code == 0
    assert json.loads(Path("x.txt").read_text())["schema"] == "routine-selection/1"
    assert plait("select", problem, "--to", "mps").code == 2


def test_budgets(plait: Plait, problem: Path) -> None:
    outcome = plait("select", problem, "--budget", "energy=5", "-o", "solution.json")
    assert outcome.code == 0
    assert [line.split() for line in outcome.out.splitlines()[-2:]] == [
        ["budget", "kind", "used", "limit"],
        ["energy", "sum", "1", "5"],
    ]
    assert json.loads(Path("solution.json").read_text())["cost"] == 20
    tight = plait("select", problem, "--budget", "energy=0")
    assert tight.code == 5
    assert tight.err == "error[P702]: small: infeasible: every plan uses at least 1 of energy, the budget is 0\n"
    written = plait("select", problem, "--budget", "memory=1e3", "--export", "-")
    assert json.loads(written.out)["budgets"] == [{"resource": "memory", "kind": "peak", "limit": 1000.0}]
    for wrong in ("energy", "energy=much", "energy=inf", "=3"):
        assert plait("select", problem, "--budget", wrong).code == 2
    star = plait("select", problem, "--budget", "energy=5", "--sharing", "star")
    assert "error[P702]: budgets need sharing tree, this problem has star" in star.err


def test_pareto(plait: Plait, problem: Path) -> None:
    lines = [line.split() for line in plait("select", problem, "--pareto", "energy").out.splitlines()]
    assert lines[0] == ["energy", "cost", "us", "more", "status"]
    assert lines[1] == ["11", "9", "0", "%", "optimal"] and lines[-1] == ["1", "20", "122", "%", "optimal"]
    data = json.loads(plait("select", problem, "--pareto", "energy", "--json").out)
    assert [(p["cost"], p["used"]) for p in data["points"]] == [(9, 11), (20, 1)]


def test_makespan(plait: Plait, problem: Path) -> None:
    formats = [{"name": "nchw", "device": 0}, {"name": "nhwc", "device": 1}]
    changed(problem, formats=formats)
    outcome = plait("select", problem, "--objective", "makespan", "-v", "-o", "solution.json", "--trace", "trace.json")
    assert outcome.code == 0, outcome.err
    lines = [line.split() for line in outcome.out.splitlines()]
    assert lines[2] == ["0", "3", "0", "and", "1", "transfer", "value", "0", "to", "nhwc"]
    assert lines[7][:5] == ["status", "makespan", "us", "bound", "gap"] and lines[8][:5] == [
        "optimal",
        "9",
        "9",
        "0",
        "%",
    ]
    assert lines[-2:] == [["0", "5", "55.6", "%"], ["1", "9", "100.0", "%"]]
    assert json.loads(Path("solution.json").read_text())["makespan"] == 9
    assert len(json.loads(Path("trace.json").read_text())["traceEvents"]) == 3 + 7
    assert plait("select", "--check", problem, "solution.json").code == 0
    data = json.loads(plait("select", problem, "--objective", "makespan", "--transfers", "neither", "--json").out)
    assert data["busy"] == {"0": 0, "1": 4}
    assert plait("select", problem, "--trace", "trace.json").code == 2
