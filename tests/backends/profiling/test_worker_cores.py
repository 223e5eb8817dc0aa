"""Locks of cores: one at a time, others beside each other, and nobody is waited for forever."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from plait.backends.profiling import worker_cores
from plait.backends.profiling.worker_cores import Cores

HOLD = """
import sys
from pathlib import Path
from plait.backends.profiling.worker_cores import Cores
with Cores([1], Path(sys.argv[1])).alone():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_cores, "PATIENCE_S", 0.05)


def test_a_core_that_is_held_is_waited_for_once(tmp_path: Path) -> None:
    with Cores([1], tmp_path).alone():
        other, third = Cores([0, 1], tmp_path), Cores([2], tmp_path)
        with other.alone(), third.alone():
            assert (other.given_up, third.given_up) == ({1}, set())
    with other.alone():
        assert other.given_up == {1}


def test_locks_are_given_back_at_the_end(tmp_path: Path) -> None:
    first, second = Cores([0, 1], tmp_path), Cores([1, 0], tmp_path)
    with first.alone():
        pass
    with pytest.raises(RuntimeError), second.alone():
        raise RuntimeError
    with first.alone():
        assert not first.given_up and not second.given_up


def test_locks_hold_between_processes_and_end_with_them(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        waiting = Cores([1], tmp_path)
        with waiting.alone():
            assert waiting.given_up == {1}
        holder.kill()
    after = Cores([1], tmp_path)
    with after.alone():
        assert not after.given_up


def test_without_a_folder_there_are_no_locks(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cores = Cores([0], tmp_path / "file" / "locks")
    with cores.alone():
        assert not cores.given_up
