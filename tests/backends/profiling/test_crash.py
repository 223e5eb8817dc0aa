"""A process that adds measurements is killed at random moments: the file stays whole, nothing that was acknowledged is
lost, and the next process measures only what is missing."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import attrs
import pytest

from plait.backends.profiling.database import ProfileDatabase
from plait.backends.profiling.job import Job, Result
from plait.backends.profiling.machine import Machine

TURNS = 40
"""How many measurements a tuner may take before it is killed, at most."""
TUNER = """
import sys
import attrs
from plait.backends.profiling.database import ProfileDatabase
from plait.backends.profiling.job import Job, Result
from plait.backends.profiling.machine import Machine
machine = Machine("model", "avx2", 4, "L1=32K", "host", "Linux 6")
jobs = [Job(f"layer {n}", "cpu/f32/nchw/vector", "1", 1, "") for n in range(int(sys.argv[2]))]
with ProfileDatabase(sys.argv[1]) as database:
    known = database.find_all(jobs, machine)
    for job in jobs:
        if job not in known and sys.stdin.readline():
            number = int(job.signature.split()[1])
            database.add(job, machine, Result("ok", tuple(range(number, number + 40))))
            print(number, flush=True)
"""
"""Takes a measurement for each line that it reads, and acknowledges it when `add` has returned."""
MACHINE = Machine("model", "avx2", 4, "L1=32K", "host", "Linux 6")


def start(path: Path, jobs: int, turns: int) -> subprocess.Popen[bytes]:
    """A tuner of so many jobs that may take so many measurements."""
    command = [sys.executable, "-c", TUNER, str(path), str(jobs)]
    # Unbuffered, so that no line is read ahead and lost.
    tuner = subprocess.Popen(command, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert tuner.stdin is not None
    tuner.stdin.write(b"\n" * turns)
    return tuner


def killed(path: Path, jobs: int, acknowledged: int, delay_s: float) -> list[int]:
    """What a tuner acknowledges that is killed so long after so many acknowledgements."""
    tuner = start(path, jobs, TURNS)
    assert tuner.stdout is not None
    lines = [tuner.stdout.readline() for _ in range(acknowledged)]
    time.sleep(delay_s)
    tuner.kill()
    lines += tuner.communicate()[0].splitlines()
    # The last line may be cut.
    return [int(line) for line in lines if line.strip()]


def stored(path: Path) -> list[int]:
    """The numbers of the jobs in the file, once for each row, whose samples are whole."""
    raw = sqlite3.connect(path)
    assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    raw.close()
    found = []
    with ProfileDatabase(path) as database:
        for row in database.rows():
            number = int(row.signature.split()[1])
            assert row.samples == tuple(range(number, number + 40))
            found.append(number)
    return sorted(found)


@pytest.mark.parametrize("kills", [5, pytest.param(50, marks=pytest.mark.slow)])
def test_killed_at_random_moments(path: Path, kills: int) -> None:
    chance, jobs = random.Random(kills), 2 * TURNS * kills
    acknowledged: list[int] = []
    for kill in range(kills):
        # The first while the file is being made.
        moment = (0, chance.uniform(0, 0.3)) if kill == 0 else (chance.randrange(TURNS), chance.uniform(0, 0.002))
        acknowledged += killed(path, jobs, *moment)
        if path.exists():
            present = stored(path)
            assert set(acknowledged) <= set(present)
            # At most one of each tuner was written and not acknowledged; none twice.
            assert len(present) == len(set(present)) <= len(acknowledged) + kill + 1
    before = stored(path)
    tuner = start(path, jobs, jobs)
    measured = [int(line) for line in tuner.communicate(timeout=100)[0].splitlines()]
    assert tuner.returncode == 0
    assert sorted(measured) == sorted(set(range(jobs)) - set(before)) != []
    assert stored(path) == list(range(jobs))


def test_one_that_is_killed_does_not_hinder_another(path: Path) -> None:
    job = Job("other", "cpu/f32/nchw/vector", "1", 1, "")
    with ProfileDatabase(path) as database:
        for number in range(3):
            acknowledged = killed(path, 3 * TURNS, 5 + number, 0.0)
            database.add(attrs.evolve(job, threads=number + 1), MACHINE, Result("ok", (1,)))
            assert database.count() >= len(acknowledged) + number + 1
        jobs = [attrs.evolve(job, threads=number + 1) for number in range(3)]
        assert set(database.find_all(jobs, MACHINE)) == set(jobs)


REAL_TUNER = """
import sys
from plait.backends.profiling.database import ProfileDatabase
from plait.backends.profiling.profiler import WorkerProfiler
from plait.ir.text.parser import parse_module
from plait.tuning import tune

class Telling(ProfileDatabase):
    def add(self, job, *rest, **more):
        super().add(job, *rest, **more)
        print(job.routine, "on", job.signature, flush=True)

with open(sys.argv[2]) as file:
    module = parse_module(file.read(), "m.ir")
with Telling(sys.argv[1]) as database:
    print("measured for the first time:", tune(module, WorkerProfiler(database)).report.measured, flush=True)
"""
MODULE = """ir 1
net @main(%x: f32[1x16x14x14] nchw) -> (%y: f32[1x32x7x7] nchw) {
  %a = relu(%x) : f32[1x16x14x14] nchw
  %b = max_pool2d(%a) {kernel = [2, 2], stride = [2, 2]} : f32[1x16x7x7] nchw
  %c = add(%b, %b) : f32[1x16x7x7] nchw
  %y = concat(%b, %c) {axis = 1} : f32[1x32x7x7] nchw
}
"""


@pytest.mark.slow
def test_the_tuner_killed_at_50_random_moments(path: Path, tmp_path: Path) -> None:
    chance = random.Random(0)
    (tmp_path / "m.ir").write_text(MODULE)
    command = [sys.executable, "-c", REAL_TUNER, str(path), str(tmp_path / "m.ir")]

    def known() -> set[str]:
        if not path.exists():
            return set()
        raw = sqlite3.connect(path)
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        raw.close()
        with ProfileDatabase(path) as database:
            return {f"{row.routine} on {row.signature}" for row in database.rows()}

    acknowledged: set[str] = set()
    for _ in range(50):
        tuner = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        time.sleep(chance.uniform(0, 3))
        tuner.kill()
        acknowledged |= {line for line in tuner.communicate()[0].splitlines() if " on " in line}
        assert acknowledged <= known()
    before = known()
    for new in (True, False):
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        measured = len(known() - before) if new else 0
        assert done.stdout.splitlines()[-1] == f"measured for the first time: {measured}"
