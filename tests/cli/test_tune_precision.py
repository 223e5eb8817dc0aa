"""`plait tune` under a bound on accuracy, and the front."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plait.backends.profiling.profiler import WorkerProfiler
from plait.tuning.precision.sensitivity import _Search

Plait = Callable[..., Any]


@pytest.fixture
def batch(workplace: Path) -> Path:
    path = workplace / "batch.npz"
    np.savez(path, image=np.random.default_rng(0).standard_normal((5, 3, 4, 5), dtype=np.float32))
    return path


SAMPLES = ("--calibrate", "batch.npz")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--dtype", "float32,qint8", *SAMPLES), 2, "--dtype needs --max-loss LOSS, such as 1%, or --pareto N"),
        (SAMPLES, 2, "--calibrate needs --max-loss LOSS"),
        (("--metric", "sqnr"), 2, "--metric needs --max-loss LOSS"),
        (("--max-loss", "1%"), 2, "give samples by --calibrate"),
        (("--max-loss", "1%", *SAMPLES, "--samples", "2"), 2, "give samples by --calibrate"),
        (("--max-loss", "1%", "--pareto", "3", *SAMPLES), 2, "--pareto shows plans of every loss"),
        (("--pareto", "3", "-o", "t.plait", *SAMPLES), 2, "--pareto writes no package"),
        (("--pareto", "1", *SAMPLES), 2, "1 is not in the range x>=2"),
        (("--plot", "f.png", "--max-loss", "1%", *SAMPLES), 2, "--plot draws what --pareto N finds"),
        (("--plot", "f.txt", "--pareto", "3", *SAMPLES), 2, "figures are .png, .svg, .pdf files"),
        (("--plot", "no/f.png", "--pareto", "3", *SAMPLES), 1, "no such folder for the output"),
        (("--max-loss", "1%", "-p", "dce", *SAMPLES), 2, "--pipeline is not for mixed precisions"),
        (("--max-loss", "1%", "--routine", "cpu:f32:f16", *SAMPLES), 2, "'f16' is a second dtype"),
        (("--max-loss", "1%", "--routine", "cpu/q8@0", *SAMPLES), 2, "'cpu/q8@0' matches no routine of"),
        (("--pareto", "3", "--solver", "greedy", *SAMPLES), 2, "--solver is not for mixed precisions"),
        (("--pareto", "3", "--budget", "3s", *SAMPLES), 2, "--budget is not for mixed precisions"),
        (("--max-loss", "1%", "--max-error", "1", *SAMPLES), 2, "--max-error is not for mixed precisions"),
        (("--max-loss", "1%", "--state", "in_place", *SAMPLES), 2, "--state in_place is not for mixed precisions"),
        (("--max-loss", "20dB", *SAMPLES), 2, "losses by top1 are not in dB"),
        (("--max-loss", "lots", *SAMPLES), 2, "'lots' is not a loss, such as 1% or 0.01"),
        (("--max-loss", "-1", *SAMPLES), 2, "is less than 0"),
        (("--max-loss", "1%", "--dtype", "qint4", *SAMPLES), 2, "unknown precision 'qint4'; did you mean qint8"),
        (("--max-loss", "1%", "--dtype", "float32", *SAMPLES), 2, "--dtype float32 leaves nothing to choose from"),
        (("--max-loss", "1%", "--metric", "top9", *SAMPLES), 1, "error[P521]: there is no metric 'top9'"),
        (("--max-loss", "1%", "--metric", "gone:f", *SAMPLES), 1, "error[P521]: there is no module 'gone'"),
        (("--max-loss", "1%", "--calibrate", "tiny.ir"), 1, "tiny.ir: error[P520]: cannot be read"),
    ],
)
def test_errors(
    plait: Plait, tiny: Path, batch: Path, workplace: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    outcome = plait("tune", tiny, *arguments)
    assert (outcome.code, message in outcome.err) == (code, True), outcome.err
    assert not list(workplace.glob("*.plait"))


def test_a_missing_matplotlib_is_told_before_the_work(
    plait: Plait, tiny: Path, batch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    outcome = plait("tune", tiny, "--pareto", "3", "--plot", "f.png", *SAMPLES)
    assert outcome.code == 1 and "--plot needs the package matplotlib" in outcome.err


def test_a_plan_within_a_bound(plait: Plait, tiny: Path, batch: Path, workplace: Path) -> None:
    outcome = plait("tune", tiny, "-o", "t.plait", "--max-loss", "1%", "--dtype", "float32,qint8", *SAMPLES)
    assert outcome.code == 0, outcome.err
    assert "layers; loss by top1 over 5 samples" in outcome.out
    assert plait("run", "t.plait").code == 0


def test_json_and_a_bound_that_integers_break(plait: Plait, tiny: Path, batch: Path) -> None:
    options = ("--max-loss", "200dB", "--metric", "sqnr", "--dtype", "qint8", *SAMPLES, "--json")
    report = json.loads(plait("tune", tiny, "-o", "t.plait", *options).out)
    found = report["precision"]
    assert found["schema"] == "precision-report/1" and found["loss"] <= 1e-20
    assert {row["precision"] for row in found["rows"]} == {"float32"}
    kinds = {plan["kind"]: plan for plan in found["plans"]}
    assert kinds["qint8"]["loss"] > 1e-9 and not kinds["qint8"]["kept"]


def test_nothing_is_measured_twice(plait: Plait, tiny: Path, batch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ("--max-loss", "1%", "--dtype", "float32,qint8", *SAMPLES, "--json")
    first = json.loads(plait("tune", tiny, "-o", "a.plait", *options).out)
    monkeypatch.setattr(WorkerProfiler, "run", lambda *a: pytest.fail("a measurement"))
    again = json.loads(plait("tune", tiny, "-o", "b.plait", *options).out)
    assert again["precision"] == first["precision"]
    times = {plan["kind"]: plan["measured_us"] for plan in again["precision"]["plans"]}
    assert times["float32"] and times["qint8"], "both took turns, the first time"


def test_no_race_runs_no_plan(plait: Plait, tiny: Path, batch: Path) -> None:
    options = ("--max-loss", "1%", "--dtype", "float32,qint8", *SAMPLES, "--json", "--race", "0")
    report = json.loads(plait("tune", tiny, "-o", "a.plait", *options).out)
    assert report["measured_us"] is None
    assert {plan["measured_us"] for plan in report["precision"]["plans"]} == {None}
    assert all(row["runner_up"] for row in report["rows"] if row["op"] == "conv2d")


def test_routines_are_forced_in_every_precision(plait: Plait, tiny: Path, batch: Path) -> None:
    options = ("--max-loss", "100%", "--dtype", "float32,qint8", *SAMPLES, "--json", "--race", "0")
    for pattern, dtype in (("*/naive*@0", "any"), ("cpu/f32@0", "float32")):
        report = json.loads(plait("tune", tiny, "-o", "a.plait", *options, "--routine", pattern).out)
        (conv,) = [row for row in report["rows"] if row["op"] == "conv2d"]
        assert "naive" in conv["routine"] if dtype == "any" else conv["routine"].startswith("cpu/f32")
        assert all(plan["layers"]["float32"] for plan in report["precision"]["plans"] if dtype == "float32")


def test_sensitivities_are_kept(plait: Plait, tiny: Path, batch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ("--max-loss", "1%", "--dtype", "float32,qint8", *SAMPLES, "--json")
    first = json.loads(plait("tune", tiny, "-o", "a.plait", *options).out)
    looked: list[str] = []
    original = _Search.layer
    monkeypatch.setattr(_Search, "layer", lambda self, *a: (looked.append(a[0].op), original(self, *a))[1])
    again = json.loads(plait("tune", tiny, "-o", "b.plait", *options).out)
    assert again["precision"]["rows"] == first["precision"]["rows"] and not looked
    assert plait("tune", tiny, "-o", "b.plait", *options[:-3], "--samples", "2").code == 0
    assert looked == ["conv2d"]


def test_front(plait: Plait, tiny: Path, batch: Path, workplace: Path) -> None:
    options = ("--pareto", "3", "--metric", "sqnr", "--dtype", "float32,qint8", *SAMPLES)
    outcome = plait("tune", tiny, *options)
    assert outcome.code == 0, outcome.err
    assert outcome.out.splitlines()[0].split()[:4] == ["ms", "loss", "by", "sqnr"]
    front = json.loads(plait("tune", tiny, *options, "--json").out)
    assert front["schema"] == "precision-front/1"
    losses = [point["loss"] for point in front["points"]]
    assert losses == sorted(losses) and losses[0] < 1e-9
    assert not list(workplace.glob("*.plait"))


def test_plot(plait: Plait, tiny: Path, batch: Path, workplace: Path) -> None:
    pytest.importorskip("matplotlib")
    outcome = plait("tune", tiny, "--pareto", "2", "--plot", "f.svg", "--dtype", "float32,qint8", *SAMPLES)
    assert outcome.code == 0 and "wrote f.svg" in outcome.err
    assert (workplace / "f.svg").read_text().startswith("<?xml")
