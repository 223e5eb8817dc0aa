"""Failures around the commands: disks, interrupts, defects of plait itself, terminals and pipes."""

from __future__ import annotations

import errno
import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Plait = Callable[..., Any]
Listing = Callable[[], dict[str, bytes]]

# --- files that cannot be written ---


def test_unwritable_outputs(plait: Plait, tiny: Path, package: Path, listing: Listing) -> None:
    Path("folder").mkdir()
    Path("file").write_text("")
    before = listing()
    for output, message in [("gone/x", "gone: no such folder"), ("file/x", "file: no such folder")]:
        for command in (
            ("import", tiny, "-o"),
            ("opt", tiny, "-o"),
            ("tune", tiny, "-o"),
            ("run", package, "--output-dir"),
        ):
            outcome = plait(*command, output)
            assert outcome.code == 1, outcome.err
            assert outcome.err.startswith(f"error: {message}") and len(outcome.err.splitlines()) == 1
            assert outcome.out == ""
    assert plait("tune", tiny, "-o", "folder").code == 2
    assert listing() == before


@pytest.mark.parametrize(
    "command",
    [
        ["import", "tiny.ir", "-o", "new.ir"],
        ["opt", "tiny.ir", "-o", "new.ir"],
        ["tune", "tiny.ir", "-o", "tiny.plait", "--threads", "2"],
        ["run", "tiny.plait", "--output-dir", "out"],
    ],
)
def test_full_disk(
    plait: Plait, package: Path, command: list[str], monkeypatch: pytest.MonkeyPatch, listing: Listing
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = listing()
    monkeypatch.setattr("plait.ir.files.os.fsync", full)
    outcome = plait(*command)
    assert outcome.code == 1
    assert "error: No space left on device" in outcome.err
    assert listing() == before


# --- our own faults: 70; interrupts: 130 ---


def test_internal_error(plait: Plait, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the flux capacitor is empty")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("plait.tuning.api.tune", broken)
    outcome = plait("tune", tiny)
    assert outcome.code == 70
    assert "internal error: RuntimeError: the flux capacitor is empty" in outcome.err
    assert "Traceback" not in outcome.err
    (written,) = tmp_path.glob("plait-error-*.txt")
    assert str(written) in outcome.err
    assert "Traceback" in written.read_text() and "'tune'" in written.read_text()


def test_failing_pass_leaves_a_reproducer(
    plait: Plait, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> bool:
        raise KeyError("oh")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("plait.passes.dce.Dce.run", broken)
    outcome = plait("opt", tiny, "-p", "cse,dce")
    assert outcome.code == 70
    (written,) = tmp_path.glob("plait-reproducer-*.ir")
    assert str(written) in outcome.err
    assert written.read_text().startswith("// RUN: dce\n")


def test_the_author_of_a_pass_is_named(plait: Plait, tiny: Path, workplace: Path, tmp_path: Path) -> None:
    (workplace / "silent.py").write_text(
        "from plait.passes.base import Pass\n"
        "from plait.passes.registry import register_pass\n"
        "@register_pass\n"
        "class Silent(Pass):\n"
        "    name = 'silent-pass'\n"
        "    def run(self, module, context): pass\n"
    )
    command = [sys.executable, "-m", "plait.cli.main", "opt", tiny, "-p", "silent-pass", "--load", "silent.py"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 70 and "this is a defect of silent.py" in done.stderr


def test_interrupt(plait: Plait, tiny: Path, monkeypatch: pytest.MonkeyPatch, listing: Listing) -> None:
    calls = []

    def interrupted(*arguments: object) -> object:
        from plait.backends.profiling.job import Result

        if "reference" not in arguments[1].signature:  # type: ignore[attr-defined]
            calls.append(arguments)
        if len(calls) == allowed + 1:
            raise KeyboardInterrupt
        return Result("ok", (1000,) * 10)

    allowed = 0
    before = listing()
    monkeypatch.setattr("plait.backends.profiling.worker_client.WorkerProcess.run", interrupted)
    outcome = plait("tune", tiny, "-o", "t.plait")
    assert outcome.code == 130 and outcome.err.endswith("interrupted\n")
    assert "there is no plan yet" in outcome.err and listing() == before
    # With some measurements there is a plan, which is written; the rest is measured when the command runs again.
    allowed, calls = 4, []
    outcome = plait("tune", tiny, "-o", "t.plait", "--json")
    report = json.loads(outcome.out)
    assert outcome.code == 130 and outcome.err.endswith("interrupted\n")
    assert (report["status"], report["certificate"]["stopped"], report["measured"]) == ("feasible", "interrupt", 4)
    assert plait("run", "t.plait").code == 0
    allowed, calls = 100, []
    report = json.loads(plait("tune", tiny, "-o", "t.plait", "--json").out)
    assert report["status"] == "optimal" and report["measured"] == report["certificate"]["known"] - 4


# --- the terminal ---


def test_names_from_models_cannot_command_the_terminal(plait: Plait, tiny: Path) -> None:
    tiny.write_text(tiny.read_text().replace("%c", '%"\\u001b[31mred"'))
    outcome = plait("opt", tiny, "-p", "", "-o", "o.ir")
    tuned = plait("compare", tiny, "--routine", "cpu")
    assert "\x1b" not in outcome.err + tuned.out + tuned.err


def test_no_colour_in_pipes(package: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "plait.cli.main", "inspect", str(package)], capture_output=True, check=True
    )
    assert b"\x1b" not in done.stdout


def test_closed_pipe_is_silent(package: Path) -> None:
    script = f"{shlex.quote(sys.executable)} -m plait.cli.main routines | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 1
