"""`plait doctor`: limits of the machine. Figures are not compared: the machine may be busy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from plait.backends.profiling import environment
from plait.backends.profiling.limits import Limits, load_limits
from plait.backends.profiling.probes import QUICK
from plait.kernels_pyx import available_isas, isas_with


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """No warnings by chance."""
    monkeypatch.setattr(environment, "spoilers", lambda *_: ())
    monkeypatch.setattr(environment, "shared_cores", lambda *_: ())


def test_quick(plait: Any) -> None:
    outcome = plait("doctor", "--quick", "--threads", "2")
    assert outcome.code == 0, outcome.err
    for isa in isas_with("f32_probe_fma"):
        assert f"float32 multiply-add, {isa}" in outcome.out
    for isa in available_isas():
        assert f"products of bytes, {isa}" in outcome.out
    for text in ("processor", "1 thread", "2 threads", "DRAM copy", "op of a plan", "barrier after an op", "plug-ins"):
        assert text in outcome.out
    assert outcome.err == "note: the figures of --quick are rough, and are not kept\n"
    assert load_limits(1) is None


def test_json(plait: Any) -> None:
    outcome = plait("doctor", "--quick", "--threads", "1", "--json")
    data = json.loads(outcome.out)
    assert data["schema"] == "doctor/1" and data["stored"] is False and data["warnings"] == []
    assert data["environment"]["isas"] == available_isas()
    assert data["installation"]["measurements"] == 0
    (limits,) = data["limits"]
    assert limits["schema"] == "limits/1" and Limits.from_json(limits).peak > 0


def test_limits_are_kept(plait: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("plait.backends.profiling.probes.thorough", lambda threads: QUICK)
    outcome = plait("doctor", "--threads", "2", "--json")
    assert outcome.code == 0 and json.loads(outcome.out)["stored"] is True
    stored = [load_limits(threads) for threads in (1, 2)]
    assert stored == [Limits.from_json(data) for data in json.loads(outcome.out)["limits"]]
    elsewhere = tmp_path / "other.sqlite"
    assert plait("doctor", "--threads", "1", "--db", elsewhere).code == 0
    assert load_limits(1, elsewhere) is not None and load_limits(2, elsewhere) is None


def test_warnings(plait: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "spoilers", lambda e, threads: (f"{threads} is too many",))
    outcome = plait("doctor", "--quick", "--threads", "3", "--json")
    assert outcome.code == 0
    assert "warning: 3 is too many\n" in outcome.err
    assert json.loads(outcome.out)["warnings"] == ["3 is too many"]


def test_a_database_that_is_none(plait: Any, workplace: Path) -> None:
    Path("notes.txt").write_text("This is not a database. " * 10)
    outcome = plait("doctor", "--quick", "--db", "notes.txt")
    assert outcome.code == 1 and "P501" in outcome.err


def test_threads_must_be_positive(plait: Any) -> None:
    assert plait("doctor", "--threads", "0").code == 2
