"""The benchmark of mixed precision: which plan is kept, what the table says, and one small run."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.mixed.plans import FREE, PlanRow
from benchmarks.mixed.plot import plot
from benchmarks.mixed.report import markdown
from benchmarks.mixed.timing import Cell

ROWS = (
    PlanRow("float32", "float32", math.inf, 1e-13, 1e-13, "sqnr", {"float32": 9}, 9000.0),
    PlanRow("qint8", "qint8", math.inf, 0.02, 0.03, "sqnr", {"qint8": 9}, 3000.0),
    PlanRow("bfloat16", "bfloat16", math.inf, 0.002, 0.001, "sqnr", {"bfloat16": 9}, 5000.0),
    PlanRow(FREE, "mixed", math.inf, 0.015, 0.02, "sqnr", {"qint8": 8, "float32": 1}, 2900.0),
    PlanRow("20dB", "mixed", 0.01, 0.008, 0.009, "sqnr", {"qint8": 5, "bfloat16": 4}, 4000.0),
)


def cell(**times: list[float]) -> Cell:
    """Times of plans in turns: deciding and reported rounds alternate."""
    usual = {"float32": [9.0, 9.0], "qint8": [3.0, 3.1], "bfloat16": [5.0, 5.2], FREE: [2.9, 2.8], "20dB": [4.0, 4.0]}
    return Cell("net", 1, ROWS, {key: [*value] * 3 for key, value in {**usual, **times}.items()})


def test_what_is_kept_is_decided_in_other_rounds_than_those_that_are_reported() -> None:
    found = cell()
    free, bounded = found.plans[3:]
    assert found.rivals(free) == ["float32", "qint8", "bfloat16"] and found.rivals(bounded) == ["float32", "bfloat16"]
    assert found.kept(free) == FREE and found.kept(bounded) == "20dB"
    assert found.best(free) == "qint8" and found.gain(free) == pytest.approx(3.1 / 2.8)
    unlucky = cell(**{FREE: [3.2, 2.0]})
    assert unlucky.kept(free) == "qint8" and unlucky.gain(free) == 1.0
    assert cell(**{"20dB": [5.1, 5.1]}).kept(bounded) == "bfloat16"
    assert Cell.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_the_table() -> None:
    lines = markdown([cell()]).splitlines()
    assert lines[0] == "## net, 1 thread"
    cells = [[text.strip() for text in line.strip("|").split("|")] for line in lines[4:]]
    assert [row[0] for row in cells] == ["float32", "qint8", "bfloat16", "mixed", "mixed"]
    assert [row[1] for row in cells] == ["-", "-", "-", "none", "0.01 (20.0 dB)"]
    assert [row[4] for row in cells] == ["9", "3.1", "5.2", "2.8", "4"]
    assert [row[-2:] for row in cells[2:]] == [["", ""], ["mixed", "1.11"], ["mixed", "1.30"]]


def test_the_figure(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    plot([cell()], tmp_path / "mixed.png")
    assert (tmp_path / "mixed.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_small_run(run_benchmark: Callable[..., Any], tmp_path: Path) -> None:
    common = ("--networks", "squeezenet", "--threads", "1")
    run_benchmark("mixed", "prepare", *common, "--image", 32, "--width", 0.125, "--bounds", "1/4")
    run_benchmark("mixed", "run", *common, "--rounds", 4, "--seconds", 0.01, "--results", tmp_path / "out")
    (found,) = json.loads((tmp_path / "out.json").read_text())["cells"]
    assert [row["key"] for row in found["plans"]] == ["float32", "qint8", "bfloat16", "free", "1/4"]
    bounded = found["plans"][-1]
    assert bounded["loss"] <= bounded["bound"] == pytest.approx(found["plans"][1]["loss"] / 4)
    assert "## squeezenet, 1 thread" in (tmp_path / "out.md").read_text()
