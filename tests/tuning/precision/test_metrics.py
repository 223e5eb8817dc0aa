"""Metrics by numbers that can be computed by hand, and what users can get wrong."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plait.ir.dtypes import Array
from plait.tuning.precision.metrics import METRICS, MetricError, metric_of

TOP1, SQNR = METRICS["top1"], METRICS["sqnr"]


def outputs(*rows: Any) -> list[dict[str, Array]]:
    return [{"y": np.array(row, np.float32)} for row in rows]


def test_top1_counts_rows_whose_largest_class_is_another() -> None:
    wanted = outputs([[1, 2, 3]], [[3, 2, 1]], [[0, 5, 0]], [[1, 0, 0]])
    found = outputs([[1, 2, 9]], [[1, 2, 0]], [[0, 1, 0]], [[0, 1, 0]])
    assert TOP1.loss(wanted, found) == 0.5
    assert TOP1.loss(wanted, wanted) == 0.0


def test_top1_looks_at_every_row_of_a_batch() -> None:
    assert TOP1.loss(outputs([[1, 2], [2, 1], [0, 1]]), outputs([[1, 2], [1, 2], [0, 1]])) == pytest.approx(1 / 3)


def test_top1_finds_classes_of_images_along_the_second_axis() -> None:
    wanted = np.zeros((1, 3, 1, 1), np.float32)
    wanted[0, 2] = 1
    assert TOP1.loss([{"y": wanted}], [{"y": np.roll(wanted, 1, 1)}]) == 1.0


def test_top1_is_lost_where_there_are_no_numbers() -> None:
    assert TOP1.loss(outputs([[0, 1]]), outputs([[0, math.nan]])) == 1.0


@pytest.mark.parametrize("rows", ([[1.0], [2.0]], 1.0))
def test_top1_refuses_outputs_without_classes(rows: Any) -> None:
    with pytest.raises(MetricError, match=r"P521.*top1 compares classes, and output 'y' has none"):
        TOP1.loss(outputs(rows), outputs(rows))


def test_sqnr_is_noise_over_signal_of_all_samples() -> None:
    # Signal 9 + 16 + 25, noise 1 + 0.25.
    assert SQNR.loss(outputs([3, 4], [5]), outputs([3, 5], [4.5])) == 1.25 / 50
    assert SQNR.show(0.01) == "0.01 (20.0 dB)"


def test_sqnr_counts_every_output_alike() -> None:
    wanted = [{"a": np.array([10.0]), "b": np.array([1.0])}]
    found = [{"a": np.array([11.0]), "b": np.array([1.5])}]
    assert SQNR.loss(wanted, found) == pytest.approx((0.01 + 0.25) / 2)


def test_sqnr_of_strange_numbers() -> None:
    assert SQNR.loss(outputs([0.0]), outputs([0.0])) == 0.0
    assert SQNR.loss(outputs([0.0]), outputs([1.0])) == math.inf
    assert SQNR.loss(outputs([1.0]), outputs([math.nan])) == math.inf
    assert SQNR.show(0.0) == "0 (inf dB)"


@pytest.mark.parametrize(
    ("metric", "text", "loss"),
    [
        (TOP1, "1%", 0.01),
        (TOP1, "0.01", 0.01),
        (TOP1, " 2.5 % ", 0.025),
        (TOP1, "0", 0.0),
        (SQNR, "20dB", 0.01),
        (SQNR, "1e-3", 0.001),
        (SQNR, "-10 dB", 10.0),
    ],
)
def test_losses_as_people_write_them(metric: Any, text: str, loss: float) -> None:
    assert metric.parse(text) == pytest.approx(loss)


@pytest.mark.parametrize(
    ("metric", "text", "message"),
    [
        (TOP1, "20dB", "losses by top1 are not in dB"),
        (TOP1, "a bit", "is not a loss, such as 1% or 0.01"),
        (SQNR, "1 %%", "such as 1%, 0.01 or 20dB"),
        (TOP1, "-1%", "is less than 0"),
        (TOP1, "nan", "is not a loss"),
    ],
)
def test_losses_that_are_none(metric: Any, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        metric.parse(text)


MODULE = """
import numpy as np

def worst(reference, outputs):
    return max(float(np.abs(a - b).max()) for a, b in zip(reference, outputs))

def both(reference, outputs):
    return sum(len(r) for r in reference)

def words(reference, outputs):
    return "much"

def nothing(reference, outputs):
    return np.float32("nan")

def scalar(reference, outputs):
    return np.array(0.25)

def broken(reference, outputs):
    return reference[9]

number = 3
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(MODULE)
    (tmp_path / "wrong.py").write_text("import numpy\nx = 1 / 0\n")
    (tmp_path / "lacks.py").write_text("import a_package_that_is_gone\n")
    return tmp_path


@pytest.mark.parametrize("name", ("mine:worst", "mine.py:worst", "./mine.py:worst"))
def test_a_function_of_the_user(folder: Path, name: str) -> None:
    metric = metric_of(name)
    assert metric.name == name
    assert metric.loss(outputs([1, 2], [3]), outputs([1, 2.5], [1])) == 2.0
    assert metric.show(2.0) == "2" and metric.parse("1%") == 0.01
    assert metric_of("mine:scalar").loss(outputs([1]), outputs([1])) == 0.25


def test_a_function_gets_dicts_of_several_outputs(folder: Path) -> None:
    two = [{"a": np.ones(1), "b": np.ones(2)}]
    assert metric_of("mine:both").loss(two, two) == 2.0


def test_a_module_that_python_finds(folder: Path) -> None:
    assert metric_of("math:dist").loss([], []) == 0.0


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("top5", r"there is no metric 'top5'\n.*did you mean top1"),
        ("gone:f", "there is no module 'gone', nor a file gone.py in this folder"),
        ("gone.py:f", "there is no file gone.py"),
        ("mine:wurst", "mine has no function 'wurst'; did you mean worst"),
        ("mine:number", "mine:number is not a function, but of type int"),
        ("mine:", "not of the form module:function"),
        ("wrong:f", r"wrong cannot be loaded \(wrong.py:2\): ZeroDivisionError"),
        ("lacks:f", r"lacks cannot be loaded.*No module named 'a_package_that_is_gone'"),
    ],
)
def test_functions_that_cannot_be_found(folder: Path, name: str, message: str) -> None:
    with pytest.raises(MetricError, match=f"P521.*{message}"):
        metric_of(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mine:words", "metric mine:words gives str, not a number"),
        ("mine:nothing", "metric mine:nothing gives nan"),
        ("mine:broken", r"metric mine:broken failed \(mine.py:\d+\): IndexError"),
    ],
)
def test_functions_that_fail(folder: Path, name: str, message: str) -> None:
    with pytest.raises(MetricError, match=f"P521.*{message}"):
        metric_of(name).loss(outputs([1]), outputs([1]))
