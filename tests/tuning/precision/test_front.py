"""Fronts of invented plans."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from plait.tuning.precision.front import Front, FrontPoint, budgets, front, front_of


def point(predicted: float, loss: float, measured: float | None = None) -> FrontPoint:
    return FrontPoint(predicted, measured, loss, loss, {"float32": 3, "qint8": int(100 * loss)})


def test_plans_that_another_beats_are_dropped() -> None:
    points = [point(100, 0.0), point(60, 0.1), point(70, 0.1), point(80, 0.2), point(50, 0.4), point(50, 0.3)]
    found = front("sqnr", 8, points)
    assert [(p.time_us, p.loss) for p in found.points] == [(100, 0.0), (60, 0.1), (50, 0.3)]
    assert found.dropped == 3


def test_times_that_were_measured_count() -> None:
    found = front("sqnr", 8, [point(100, 0.0, 90.0), point(60, 0.1, 95.0)])
    assert [p.time_us for p in found.points] == [90.0]


def test_budgets_are_apart_by_the_same_ratio() -> None:
    assert budgets(0.01, 1.0, 5) == pytest.approx([0.0, 0.0316227766, 0.1, 0.316227766, math.inf])
    assert budgets(0.01, 1.0, 2) == [0.0, math.inf]
    assert budgets(0.0, 1.0, 4) == [0.0, math.inf]
    with pytest.raises(ValueError, match="at least 2 points, not 1"):
        budgets(0.01, 1.0, 1)


def test_a_plan_is_made_for_each_budget() -> None:
    asked: list[float] = []

    def realize(budget: float) -> FrontPoint:
        asked.append(budget)
        return point(100 / (1 + budget), min(budget, 9.0))

    found = front_of(realize, 1.0, 9.0, 4, "sqnr", 5)
    assert asked == pytest.approx([0.0, 9 ** (1 / 3), 9 ** (2 / 3), math.inf])
    assert len(found.points) == 4 and (found.metric, found.samples) == ("sqnr", 5)


def test_json_and_rows() -> None:
    found = Front("sqnr", 8, (point(1500, 0.0), point(800, 0.1, 850.0)))
    data = json.loads(json.dumps(found.to_json()))
    assert data["schema"] == "precision-front/1" and data["points"][1]["measured_us"] == 850.0
    assert found.rows()[1] == ("0.850", "0.1 (10.0 dB)", "0.1 (10.0 dB)", "3 float32, 10 qint8")


@pytest.mark.parametrize("losses", ([0.0, 0.1], [0.01, 0.1]))
def test_plot(tmp_path: Path, losses: list[float]) -> None:
    pytest.importorskip("matplotlib")
    Front("top1", 8, tuple(point(100 - 100 * x, x) for x in losses)).plot(tmp_path / "front.png")
    assert (tmp_path / "front.png").read_bytes().startswith(b"\x89PNG")
