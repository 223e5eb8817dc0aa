"""Experiments, report, comparison with references and the commands of the laboratory, as little of each as there is."""

from __future__ import annotations

import json
import math
from pathlib import Path

import attrs
import pytest

from benchmarks.selection import targets
from benchmarks.selection.commands import main, seeds
from benchmarks.selection.experiments import EXPERIMENTS
from benchmarks.selection.experiments.ablation import family
from benchmarks.selection.experiments.experiment import Scale
from benchmarks.selection.experiments.pareto import lower_hull
from benchmarks.selection.experiments.repriced import entries, repriced, used
from benchmarks.selection.suites import instance
from plait.passes.selection import evaluate, read_problem, solver, write_problem, write_solution

QUICK = {name: experiment.measure(Scale(quick=True)) for name, experiment in EXPERIMENTS.items() if name != "pareto"}


@pytest.mark.parametrize("name", QUICK)
def test_rows_are_json_and_make_a_table(name: str) -> None:
    rows = json.loads(json.dumps(QUICK[name]))
    assert all(row.keys() == rows[0].keys() for row in rows)
    lines = str(EXPERIMENTS[name].table(rows)).splitlines()
    assert len(lines) > 2 and len({line.count("|") for line in lines}) == 1


def test_nothing_beats_the_optimum() -> None:
    assert all(row["loss"] >= 0 for row in (*QUICK["ablation"], *QUICK["transfer"]))
    assert all(row["regret"] >= 0 for row in QUICK["noise"])
    assert all(row["paid"] >= row["best"] for row in QUICK["sharing"])
    assert all(row["gap"] == 0 for row in QUICK["solvers"] if row["proven"])
    assert {row["loss"] for row in QUICK["transfer"] if row["from"] == row["on"]} == {0.0}


def test_sharing_more_costs_no_more() -> None:
    costs = {(row["instance"], row["mode"]): row["cost"] for row in QUICK["sharing"]}
    for name in {name for name, _ in costs}:
        assert costs[name, "tree"] <= costs[name, "star"] <= costs[name, "none"]


def test_lazy_measuring_ends_with_the_optimum() -> None:
    (row,) = QUICK["lazy"]
    assert row["cost"] == solver("exact")(instance(row["instance"])).cost
    assert 0 < row["entries"] < 1 and 0 < row["time"] < 1


def test_sensitivity_tells_what_would_change_the_plan() -> None:
    rows = [row for row in QUICK["sensitivity"] if any(0 < x < 1 for x in row["needed"])]
    problem = instance(rows[0]["instance"])
    best = solver("exact")(problem)
    layer = next(i for i, x in enumerate(problem.layers) if x.name == rows[0]["layer"])
    assert problem.routines(layer)[best.choice[layer]].name == rows[0]["chosen"]
    assert all(row["margin"] is None or row["margin"] >= 0 for row in QUICK["sensitivity"])


def test_pareto_fronts_fall(tmp_path: Path) -> None:
    experiment = EXPERIMENTS["pareto"]
    rows = experiment.measure(Scale(quick=True))
    assert len(rows) > 2
    assert [row["cost"] for row in rows] == sorted(row["cost"] for row in rows)
    assert [row["used"] for row in rows] == sorted((row["used"] for row in rows), reverse=True)
    assert "| residual | loss |" in str(experiment.table(rows))


def test_corners_of_the_hull() -> None:
    points = [(0.0, 10.0), (1.0, 9.0), (2.0, 4.0), (3.0, 3.9), (4.0, 0.0)]
    assert lower_hull(points) == {(0.0, 10.0), (2.0, 4.0), (4.0, 0.0)}


def test_repricing_keeps_the_rest() -> None:
    problem = instance("residual:14/f4/r8/s0")
    assert repriced(problem, entries(problem)) == problem
    best = solver("exact")(problem)
    double = repriced(problem, 2 * entries(problem))
    layers = sum(problem.routines(i)[k].cost for i, k in enumerate(best.choice))
    assert evaluate(double, best.choice)[0] == pytest.approx(best.cost + layers)
    some = entries(problem)[used(problem, best.choice)]
    assert math.fsum(some) <= layers, "a table counts once, however many layers have it"


def test_families_of_routines() -> None:
    names = {family(r) for t in instance("residual:14/f4/r40/s0").tables for r in t.routines}
    assert {"winograd", "im2col", "gemm"} <= names


def test_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    main(["report", "--quick", "--results", str(tmp_path)])
    page = (tmp_path / "report.md").read_text()
    for name, experiment in EXPERIMENTS.items():
        assert f"## {experiment.question}" in page
        assert (tmp_path / f"{name}.png").stat().st_size > 5_000
        assert f"report --only {name} --quick`" in page
    (tmp_path / "sharing.png").unlink()
    main(["report", "--draw", "--results", str(tmp_path)])
    assert (tmp_path / "report.md").read_text() == page
    assert (tmp_path / "sharing.png").exists()


def test_targets() -> None:
    found = list(targets.measure(("chain:20/f3/r4/s0",), rounds=2))
    assert [r.status for r in found] == ["optimal"]
    assert "| chain:20/f3/r4/s0 | 21 | optimal |" in targets.markdown(found)


def test_seeds() -> None:
    assert seeds("7,101-103") == (7, 101, 102, 103)


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    """A folder with two problems and their solutions."""
    folder = tmp_path / "reference"
    folder.mkdir()
    for name in ("chain:8/f3/r4/s0", "fan_out:12/f4/r8/s0"):
        problem = instance(name)
        path = folder / (name.partition(":")[0] + ".json")
        write_problem(problem, path)
        write_solution(
            problem, solver("brute_force" if "chain" in name else "exact")(problem), path.with_suffix(".sol.json")
        )
    return folder


def test_a_check_that_agrees(reference: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["check", "--oracle", str(reference)])
    assert "| without budgets | 2 | 2 |" in capsys.readouterr().out


@pytest.mark.parametrize("factor", [0.999, 1.001])
def test_a_check_that_disagrees(factor: float, reference: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = reference / "chain.sol.json"
    body = json.loads(path.read_text())
    path.write_text(json.dumps({**body, "cost": body["cost"] * factor}))
    with pytest.raises(SystemExit) as ended:
        main(["check", "--oracle", str(reference)])
    assert ended.value.code == 1
    assert "- reference/chain: it costs" in capsys.readouterr().out


def test_a_solver_without_proofs_does_not_agree(reference: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["check", "--oracle", str(reference), "--solver", "greedy"])
    assert "nothing is proven: feasible" in capsys.readouterr().out


def test_a_program_makes_suites(reference: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = tmp_path / "oracle.py"
    program.write_text(
        "import shutil, sys\n"
        "_, suite, folder, option, seed, solve = sys.argv\n"
        "assert (suite, option, solve) == ('suite', '--seed', '--solve') and seed != '13', 'unlucky'\n"
        f"shutil.copytree({str(reference)!r}, folder)\n"
    )
    keep = tmp_path / "keep"
    keep.mkdir()
    main(["check", "--oracle", str(program), "--seeds", "1,3-4", "--keep", str(keep)])
    assert "| without budgets | 6 | 6 |" in capsys.readouterr().out
    assert sorted(p.name for p in keep.iterdir()) == ["seed-1", "seed-3", "seed-4"]
    program.write_text("raise SystemExit('not again')")
    main(["check", "--oracle", str(program), "--seeds", "1,3", "--keep", str(keep)])
    with pytest.raises(SystemExit) as ended:
        main(["check", "--oracle", str(program), "--seeds", "13", "--keep", str(keep)])
    assert ended.value.code == 2
    assert "oracle.py ended with status 1: not again" in capsys.readouterr().err


def test_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["list"])
    assert "tiny            3\n" in capsys.readouterr().out
    main(["list", "tiny"])
    assert capsys.readouterr().out.splitlines()[0] == "chain:8/f3/r4/s0"
    main(["write", "chain:8/f3/r4/s0", "-o", str(tmp_path)])
    written = read_problem(capsys.readouterr().out.strip())
    assert attrs.evolve(written, name="") == attrs.evolve(instance("chain:8/f3/r4/s0"), name="")
    main(["run", "chain:8/f3/r4/s0", "--solver", "exact", "--solver", "greedy"])
    out = capsys.readouterr().out.splitlines()
    assert [line.split()[1:3] for line in out[:-1]] == [["exact", "optimal"], ["greedy", "feasible"]]
    assert out[-1] == "1 of 1 instances proven"


@pytest.mark.parametrize("arguments", [["run", "nothing"], ["report", "--only", "nothing"], ["list", "--what"]])
def test_wrong_words(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err
