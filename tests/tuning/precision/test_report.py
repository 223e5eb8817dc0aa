"""Why layers have the precision that they have."""

from __future__ import annotations

import json
import math
from typing import Any

from plait.tuning.precision.report import PlanRow, PrecisionReport, explain

ALLOWED = ("float32", "qint8", "bfloat16")


def report(case: Any) -> PrecisionReport:
    chosen = {"a": "qint8", "s": "bfloat16", "m": "bfloat16"}
    free = {"a": "qint8", "b": "qint8", "s": "bfloat16", "m": "qint8"}
    losses = {"a": {"qint8": 0.001}, "b": {"qint8": 0.25, "bfloat16": 0.01}, "m": {"qint8": 0.5}, "r": {"qint8": 0.0}}
    reasons = {"s": {"qint8": "no rule"}, "f": {"qint8": "not linear", "bfloat16": "moves nothing"}}
    rows = explain(case.module, chosen, free, losses, reasons, ALLOWED)
    plans = (
        PlanRow("qint8", {"qint8": 7}, 2.0, 0.02, 50.0, None, False),
        PlanRow("mixed", {}, 0.1, 0.0, 60.0, 61.0, True),
    )
    return PrecisionReport("top1", 0.01, 0.0025, 400, rows, plans)


def test_reasons(case: Any) -> None:
    assert [(row.name, row.precision, row.kept, row.why) for row in report(case).rows] == [
        ("a", "qint8", "", ""),
        ("b", "float32", "loss", "in qint8 it alone would lose 0.25 of the signal's power"),
        ("s", "bfloat16", "rule", "no qint8: no rule"),
        ("r", "float32", "time", "float32 is as fast here, conversions counted"),
        ("m", "bfloat16", "loss", "in qint8 it alone would lose 0.5 of the signal's power"),
        ("f", "float32", "rule", "no qint8: not linear"),
        ("y", "float32", "time", "float32 is as fast here, conversions counted"),
    ]


def test_layers_that_the_bound_keeps_come_with_the_worst_first(case: Any) -> None:
    found = report(case)
    assert [row.name for row in found.kept] == ["m", "b"]
    assert found.counts == {"float32": 4, "bfloat16": 2, "qint8": 1}


def test_summary_and_json(case: Any) -> None:
    found = report(case)
    assert found.summary() == (
        "4 float32, 2 bfloat16, 1 qint8 layers; loss by top1 over 400 samples 0.25%, within 1.00%; measured of 2 plans"
    )
    data = json.loads(json.dumps(found.to_json()))
    assert data["schema"] == "precision-report/1"
    assert data["rows"][1]["losses"] == {"qint8": 0.25, "bfloat16": 0.01} and data["plans"][1]["measured_us"] == 61.0


def test_a_loss_above_the_bound_is_told(case: Any) -> None:
    found = PrecisionReport("sqnr", 0.01, math.inf, 1, report(case).rows)
    assert "loss by sqnr over 1 samples inf (-inf dB), above 0.01 (20.0 dB)" in found.summary()
