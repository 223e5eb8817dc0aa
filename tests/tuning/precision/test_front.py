"""Fronts of invented plans."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from plait.tuning.precision.front import Front, FrontPoint


def point(predicted: float, loss: float, measured: float | None = None) -> FrontPoint:
    return FrontPoint(predicted, measured, loss, loss, {"float32": 3, "qint8": int(100 * loss)})


def test_json() -> None:
    found = Front("sqnr", 8, (point(1500, 0.0), point(800, 0.1, 850.0)))
    data = json.loads(json.dumps(found.to_json()))
    assert data["schema"] == "precision-front/1" and data["points"][1]["measured_us"] == 850.0


@pytest.mark.parametrize("losses", ([0.0, 0.1], [0.01, 0.1]))
def test_plot(tmp_path: Path, losses: list[float]) -> None:
    pytest.importorskip("matplotlib")
    Front("top1", 8, tuple(point(100 - 100 * x, x) for x in losses)).plot(tmp_path / "front.png")
    assert (tmp_path / "front.png").read_bytes().startswith(b"\x89PNG")
