"""Tuning with times that workers take, here and elsewhere; the workers are processes, their times invented."""

from __future__ import annotations

import itertools
import shlex
import sys
from pathlib import Path

import pytest

from plait.backends.errors import WorkerError
from plait.backends.profiling.database import ProfileDatabase
from plait.backends.profiling.job import LIMITS, WHOLE
from plait.backends.profiling.limits import Limits, find_limits
from plait.backends.profiling.machine import this_machine
from plait.ir.text.parser import parse_module
from plait.passes.selection import check
from plait.tuning import api
from plait.tuning.api import PlaitWarning, TuneOptions, tune_module

PRETEND = Path(__file__).parent / "data" / "pretend_worker.py"
CHAIN = """ir 1
net @main(%x: f32[1x32x4x4] nchw) -> (%y: f32[1x32x4x4] nchw) {
  %a = relu(%x)
  %b = sigmoid(%a)
  %y = tanh(%b)
}
"""


@pytest.fixture(autouse=True)
def no_limits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Limits of this machine are of no interest; locks of cores are those of this test."""

    def known(database: ProfileDatabase, threads: int) -> Limits:
        raise AssertionError("the limits of this machine were wanted")

    monkeypatch.setattr(api, "known_limits", known)
    monkeypatch.setenv("TMPDIR", str(tmp_path))


def line(host: str, log: Path) -> str:
    return shlex.join([sys.executable, str(PRETEND), host, str(log)])


def measured(log: Path) -> list[tuple[str, int, int, str, str]]:
    """Host, begin, end, state and signature of each measurement."""
    rows = [row.split() for row in log.read_text().splitlines()]
    return [(host, int(begin), int(end), state, signature) for host, begin, end, state, signature in rows]


def test_two_workers_of_another_machine(tmp_path: Path) -> None:
    log, db = tmp_path / "log", tmp_path / "db.sqlite"
    options = TuneOptions(workers=(line("board1", log), line("board2", log)))
    found = tune_module(parse_module(CHAIN), db=db, options=options)
    assert check(found.problem.problem, found.solution) == ()
    assert found.report.status == "optimal" and found.report.measured > 0
    assert found.machine.host == "board1" and found.report.device == found.machine.device_key(1)
    rows = measured(log)
    # Workers of one user have locks by core, whatever they call their machine.
    times = sorted((begin, end) for _, begin, end, *_ in rows)
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(times))
    assert {host for host, *_ in rows} == {"board1", "board2"}
    # What is compared is measured by one of them: routines of a layer, and plans that race.
    for what in {s for *_, state, s in rows if state not in (LIMITS, WHOLE) and not s.startswith("reference")}:
        assert len({host for host, *_, s in rows if s == what}) == 1
    assert len({host for host, *_, state, _ in rows if state == WHOLE}) == 1
    with ProfileDatabase(db) as database:
        assert {m.host for m in database.machines().values()} == {"board1", "board2"}
        # Bounds are made of the limits of that machine, not of this one.
        assert find_limits(database, 1, found.machine) is not None and find_limits(database, 1) is None
        sessions = database.sessions()
        assert len(sessions) == 2 and all(len(s.references) == 2 for s in sessions)
        assert {row.session for row in database.rows()} == {s.session.id for s in sessions}


def test_what_a_fleet_has_measured_is_known_to_the_next(tmp_path: Path) -> None:
    log, db = tmp_path / "log", tmp_path / "db.sqlite"
    options = TuneOptions(workers=(line("board1", log),), exhaustive=True)
    first = tune_module(parse_module(CHAIN), db=db, options=options)
    again = tune_module(parse_module(CHAIN), db=db, options=options)
    assert first.report.measured == first.report.entries and again.report.measured == 0
    assert again.report.predicted_us == first.report.predicted_us


def test_a_package_says_which_machine_its_plan_is_for(tmp_path: Path) -> None:
    found = tune_module(
        parse_module(CHAIN),
        db=tmp_path / "db.sqlite",
        options=TuneOptions(workers=(line("board1", tmp_path / "log"),), exhaustive=True, race=0),
    )
    assert found.save(tmp_path / "m.plait") == (found.machine.device_key(1),)


def test_workers_that_cannot_measure_for_this_program(tmp_path: Path) -> None:
    def refused(**how: object) -> str:
        with pytest.raises(WorkerError) as caught:
            tune_module(parse_module(CHAIN), db=tmp_path / "db.sqlite", options=TuneOptions(**how))  # type: ignore[arg-type]
        (found,) = caught.value.diagnostics
        assert found.code == "P510"
        return found.message

    assert "1000 jobs of 1 thread need 1000 cores" in refused(jobs=1000)
    assert "cannot be used" in refused(workers=("false",))
    assert "of no class of machines 'zz'" in refused(workers=(line("board1", tmp_path / "log"),), kind="zz")
    if this_machine().isa != "baseline":
        lower = f"env PLAIT_MAX_ISA=baseline {line('board1', tmp_path / 'log')}"
        assert "their machines run baseline" in refused(workers=(lower,))


def test_a_worker_that_is_lost_is_told_of(tmp_path: Path) -> None:
    log = tmp_path / "log"
    # It greets, and ends when it is asked for something; started anew it does the same.
    breaking = shlex.join([sys.executable, "-c", BREAKING])
    options = TuneOptions(workers=(breaking, line("here", log)), exhaustive=True)
    with pytest.warns(PlaitWarning, match="not asked to the end"):
        found = tune_module(parse_module(CHAIN), db=tmp_path / "db.sqlite", options=options)
    assert found.report.measured == found.report.entries
    assert found.report.device == this_machine().device_key(1)


BREAKING = """
import os, sys
from plait.backends.profiling import worker, worker_frames
from pathlib import Path
mark = Path(os.environ["TMPDIR"], "mark")
if mark.exists():
    sys.exit(3)
mark.touch()
worker.serve(type("Once", (), {"read": lambda self, n: sys.stdin.buffer.read(1) and os._exit(3)})(), sys.stdout.buffer)
"""
