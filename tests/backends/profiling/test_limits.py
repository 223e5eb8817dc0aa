"""Limits: bounds that follow from them, JSON, and how they are kept."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import attrs
import pytest

from plait.backends.profiling.database import ProfileDatabase, ProfileError
from plait.backends.profiling.limits import Level, Limits, load_limits, store

L1 = Level("L1", 1000, read=100.0, write=50.0, copy=80.0)
L2 = Level("L2", 5000, read=50.0, write=25.0, copy=40.0)
DRAM = Level("DRAM", None, read=10.0, write=5.0, copy=8.0)
LIMITS = Limits(
    threads=2,
    isa="avx2",
    gflops={"baseline": 60.0, "avx2": 120.0},
    levels=(L1, L2, DRAM),
    op_ns=3.0,
    barrier_ns=70.0,
    kernels="abc",
    taken="2026-01-02T03:04:05+00:00",
)


@pytest.mark.parametrize(
    ("read", "written", "us"),
    [
        (1000, 0, 1000 / 100e3),
        (0, 1000, 1000 / 50e3),
        (500, 500, 1000 / 80e3),
        (900, 100, 200 / 80e3 + 800 / 100e3),
        (100, 900, 200 / 80e3 + 800 / 50e3),
        (0, 0, 0),
    ],
)
def test_the_least_time_to_move_bytes(read: int, written: int, us: float) -> None:
    assert L1.time_us(read, written) == pytest.approx(us)


@pytest.mark.parametrize(("nbytes", "level"), [(0, L1), (1000, L1), (1001, L2), (5001, DRAM), (10**12, DRAM)])
def test_the_level_that_holds_bytes(nbytes: int, level: Level) -> None:
    assert LIMITS.level_for(nbytes) == level


def test_a_disturbed_core_does_not_bound_what_threads_can_do() -> None:
    single = attrs.evolve(LIMITS, threads=1, gflops={"baseline": 25.0, "avx2": 70.0}, bf16={"avx2": 140.0})
    found = attrs.evolve(LIMITS, gops={"avx2": 200.0}, bf16={"avx2": 150.0}).at_least(single)
    assert found.gflops == {"baseline": 60.0, "avx2": 140.0}
    assert (found.bf16, found.gops) == ({"avx2": 280.0}, {"avx2": 200.0})
    assert found.levels == LIMITS.levels


def test_the_peak_is_that_of_the_highest_level() -> None:
    assert LIMITS.peak == 120.0


def test_json() -> None:
    data = json.loads(json.dumps(LIMITS.to_json()))
    assert data["schema"] == "limits/1"
    assert Limits.from_json(data) == LIMITS
    with pytest.raises(KeyError):
        Limits.from_json({"threads": 1})


def test_the_newest_limits_of_as_many_threads_are_loaded(tmp_path: Path) -> None:
    db = tmp_path / "profile.sqlite"
    assert load_limits(2, db) is None and not db.exists()
    store([LIMITS, attrs.evolve(LIMITS, threads=1)], db)
    newer = attrs.evolve(LIMITS, op_ns=2.0)
    store([newer], db)
    assert load_limits(2, db) == newer
    assert load_limits(1, db) == attrs.evolve(LIMITS, threads=1)
    assert load_limits(3, db) is None


def test_limits_are_those_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from plait.backends.profiling import limits, machine

    db = tmp_path / "profile.sqlite"
    store([LIMITS], db)
    other = machine.this_machine()
    fields = {name: getattr(other, name) for name in ("model", "isa", "cores", "caches", "system")}
    monkeypatch.setattr(limits, "this_machine", lambda: machine.Machine(**fields, host="another"))
    assert load_limits(2, db) is None


def test_a_database_from_before_there_were_limits(tmp_path: Path) -> None:
    db = tmp_path / "profile.sqlite"
    ProfileDatabase(db).close()
    raw = sqlite3.connect(db)
    raw.executescript(
        "DROP TABLE limits; DROP TABLE session; DROP TABLE reference; PRAGMA user_version = 1;"
        "ALTER TABLE profile DROP COLUMN session; ALTER TABLE profile DROP COLUMN environment;"
        "ALTER TABLE profile DROP COLUMN error;"
    )
    raw.close()
    assert load_limits(2, db) is None
    store([LIMITS], db)
    assert load_limits(2, db) == LIMITS


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"no database" * 100)
    with pytest.raises(ProfileError, match="P501"):
        load_limits(1, tmp_path / "x")
