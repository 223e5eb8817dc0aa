"""What is exported, solved by the solvers of these formats, has our optimum."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from plait.passes.selection import Problem, ProblemBuilder, ProblemError, SolveOptions, check, evaluate, solver
from plait.passes.selection.conversion import SHARING_MODES
from plait.passes.selection.exporters import export, to_cfn, to_mps
from plait.passes.selection.exporters.names import plain
from plait.passes.selection.problem import Budget

MakeProblem = Callable[..., Problem]


def small(name: str = "two layers") -> Problem:
    build = ProblemBuilder(["a", "b"], name=name)
    x = build.input("in put", "a", build.adapts({("a", "b"): 1.5}))
    table = build.table("t", [build.routine("slow path", ["a"], [], 2.25), build.routine("fast", ["b"], [], 0.5)])
    build.layer("y[0]", table, [x], [])
    return build.build()


def test_cfn_by_hand() -> None:
    body = json.loads(to_cfn(small()))
    assert body["problem"]["name"] == "two_layers"
    assert body["variables"] == {"L0_in_put": ["r0_a"], "L1_y_0_": ["r1_fast"]}
    functions = list(body["functions"].values())
    assert functions[-1] == {"scope": ["L0_in_put", "L1_y_0_"], "costs": [1.5]}
    assert float(body["problem"]["mustbe"][1:]) == 3.0


def test_cfn_keeps_short_decimals_exact() -> None:
    text = to_cfn(small())
    assert '"costs": [0.500000000000000]' in text


def test_mps_by_hand() -> None:
    lines = to_mps(small()).splitlines()
    assert lines[0] == "NAME two_layers" and lines[-1] == "ENDATA"
    assert " x1_1 cost 0.5" in lines and " UP bound x1_1 1" in lines


@pytest.mark.parametrize("suffix", [".cfn", ".mps"])
def test_export_by_suffix(suffix: str, tmp_path: Path) -> None:
    export(small(), tmp_path / f"p{suffix}")
    assert (tmp_path / f"p{suffix}").read_text() == {".cfn": to_cfn, ".mps": to_mps}[suffix](small())
    with pytest.raises(ProblemError, match=r"problems can be exported as \.cfn, \.mps"):
        export(small(), tmp_path / "p.xyz")
    limited = attrs.evolve(small(), budgets=(Budget("energy", "sum", 1.0),))
    with pytest.raises(ProblemError, match="does not honour budgets"):
        export(limited, tmp_path / f"q{suffix}")


def test_names_are_tokens() -> None:
    assert plain('a b"c{d}[e]:f,g/h.i-j+k') == "a_b_c_d_e_f_g/h.i-j+k"
    assert len(plain("x" * 500)) == 60


def highs_choice(text: str, folder: Path, layers: int) -> tuple[int, ...] | None:
    """The choice of an optimum of HiGHS."""
    highspy = pytest.importorskip("highspy")
    (folder / "p.mps").write_text(text)
    highs: Any = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("mip_rel_gap", 0.0)
    assert highs.readModel(str(folder / "p.mps")) == highspy.HighsStatus.kOk
    highs.run()
    if highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return None
    values = highs.getSolution().col_value
    chosen = {}
    for column, value in enumerate(values):
        name = highs.getColName(column)[1]
        if (match := re.fullmatch(r"x(\d+)_(\d+)", name)) and value > 0.5:
            chosen[int(match[1])] = int(match[2])
    return tuple(chosen[i] for i in range(layers))


@pytest.mark.parametrize("seed", range(24))
def test_highs_finds_our_optimum_in_the_mps_file(seed: int, make_random: MakeProblem, tmp_path: Path) -> None:
    problem = make_random(seed)
    best = solver("exact")(problem)
    choice = highs_choice(to_mps(problem), tmp_path, len(problem.layers))
    cost = math.inf if choice is None else evaluate(problem, choice)[0]
    assert cost == pytest.approx(best.cost, rel=1e-9)


@pytest.mark.parametrize("seed", range(12))
def test_toulbar2_finds_our_optimum_in_the_cfn_file(seed: int, make_random: MakeProblem) -> None:
    pytest.importorskip("pytoulbar2")
    problem = make_random(seed)
    best, answer = solver("exact")(problem), solver("toulbar2")(problem)
    assert (answer.status, answer.cost, answer.conflict) == (best.status, best.cost, best.conflict)
    assert check(problem, answer) == ()
    assert solver("toulbar2")(problem) == answer


@pytest.mark.parametrize("sharing", SHARING_MODES)
def test_larger_problems_in_all_modes(sharing: str, make_chain: MakeProblem, tmp_path: Path) -> None:
    problem = attrs.evolve(make_chain(22, block=3), sharing=sharing)
    inexact = tuple(
        attrs.evolve(t, routines=tuple(attrs.evolve(r, cost=math.sqrt(r.cost)) for r in t.routines))
        for t in problem.tables
    )
    problem = attrs.evolve(problem, tables=inexact)
    best = solver("exact")(problem)
    choice = highs_choice(to_mps(problem), tmp_path, len(problem.layers))
    assert choice is not None and evaluate(problem, choice)[0] == pytest.approx(best.cost, rel=1e-9)
    pytest.importorskip("pytoulbar2")
    answer = solver("toulbar2")(problem)
    assert answer.status == "optimal" and answer.cost == pytest.approx(best.cost, rel=1e-12)


def test_toulbar2_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ProblemError, match="needs pytoulbar2"):
        solver("toulbar2")(small(), SolveOptions(time_limit=5.0))
