"""Instances whose optimal costs were proven by integer programs of an independent implementation.

Each was solved in two unrelated forms, one of which knows no conversion trees; a file holds the instance and the cost.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from plait.passes.selection import SolveOptions, check, problem_from_json, solver

FILES = sorted((Path(__file__).parent / "oracle").glob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize(
    "options",
    [SolveOptions(), SolveOptions(dominance=False), SolveOptions(table_limit=2000)],
    ids=["default", "no dominance", "small tables"],
)
def test_costs_are_those_of_the_oracle(path: Path, options: SolveOptions) -> None:
    stored = json.loads(path.read_text(encoding="utf-8"))
    problem = problem_from_json(stored["instance"])
    answer = solver("exact")(problem, options)
    assert answer.status == "optimal"
    assert answer.cost == pytest.approx(stored["proven_cost"], rel=1e-6)
    assert answer.bound == answer.cost
    assert check(problem, answer) == ()


def test_the_files_are_there() -> None:
    assert len(FILES) == 10
