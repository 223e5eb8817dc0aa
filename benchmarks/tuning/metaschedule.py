"""Tuning time and latency beside TVM's MetaSchedule, which searches schedules rather than choose among routines."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs

from benchmarks.support.environments import command, environment
from benchmarks.support.serving import Server
from benchmarks.tuning.plans import plan_server, plan_text, subject
from benchmarks.tuning.racing import stopping, take_turns
from benchmarks.tuning.timing import Sampling, TuneRun, run_tune
from benchmarks.tuning.tvm_worker import LIBRARY
from plait.backends.package import open_package

OURS, TVM = "plait", "tvm"
WORKER, SERVER = "benchmarks.tuning.tvm_worker", "benchmarks.tuning.tvm_server"
Say = Callable[[str], None]


class TvmError(Exception):
    """TVM's process failed; the message is its last line."""


@attrs.frozen
class Beside:
    """One network, tuned by both. Seconds of tuning are those of the whole process, compiling apart."""

    ours: TuneRun
    tvm_seconds: float
    tvm_trials: int
    """Schedules that were measured."""
    tvm_tasks: int
    tvm_tasks_tried: int
    """Those of which at least one schedule was measured; the others have a default one."""
    tvm_compile_seconds: float
    measured_ms: Mapping[str, float]
    """End to end, in turns."""

    def to_json(self) -> dict[str, Any]:
        return attrs.asdict(self)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Beside:
        return Beside(**{**data, "ours": TuneRun(**data["ours"])})


@attrs.frozen
class Tvm:
    """TVM in a Python of its own, on one network; `work` keeps its records."""

    python: Path
    onnx: Path
    work: Path
    threads: int

    def tune(self, seconds: float, each: int) -> float:
        """Search for so long; returns the seconds that it took.

        Raises:
            TvmError: it ended before the time was up.
        """
        self.work.mkdir(parents=True, exist_ok=True)
        begin = time.perf_counter()
        task = (self.onnx.resolve(), self.work.resolve(), self.threads, 0, each, seconds)
        with (self.work / "log.txt").open("w+", encoding="utf-8") as log:
            process = subprocess.Popen(
                command(self.python, WORKER, "tune", *task),
                stdin=subprocess.PIPE,  # whose end tells it that this process is gone
                stdout=log,
                stderr=log,
                env=environment(self.python, self.threads),
                start_new_session=True,  # it starts processes of its own, which end with it
            )
            try:
                status = process.wait()
            finally:
                _stop(process)
            taken = time.perf_counter() - begin
            if status == -signal.SIGKILL and taken >= seconds:
                return taken
            log.seek(0)
            raise TvmError(_last_line(log.read(), status))

    def compile(self) -> float:
        """Compile with the records; returns seconds."""
        begin = time.perf_counter()
        self.ask("compile", self.onnx.resolve(), self.work.resolve(), self.threads)
        return time.perf_counter() - begin

    def tasks(self) -> int:
        """How many tasks there are."""
        return int(self.ask("tasks", self.onnx.resolve(), self.threads).splitlines()[-1])

    def records(self) -> tuple[int, int]:
        """Schedules that were measured, and the tasks that they are of."""
        path = self.work / "database_tuning_record.json"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return len(lines), len({json.loads(line)[0] for line in lines})

    def server(self) -> Server:
        """A process that runs what was compiled."""
        return Server(self.python, SERVER, self.threads)

    def ask(self, *arguments: object) -> str:
        """Standard output of one task.

        Raises:
            TvmError: it failed.
        """
        done = subprocess.run(
            command(self.python, WORKER, *arguments),
            capture_output=True,
            text=True,
            env=environment(self.python, self.threads),
            check=False,
        )
        if done.returncode:
            raise TvmError(_last_line(done.stderr, done.returncode))
        return done.stdout


def beside_tvm(
    tvm: Tvm, folder: Path, seconds: float, each: int, shape: list[int], sampling: Sampling, say: Say
) -> Beside:
    """Tune a network with both, ours with an empty database; then run what came of it in turns.

    Args:
        folder: for our database and package.
        seconds: for TVM.
        each: TVM's trials of a task before it is the next one's turn.
        shape: of the image.
    """
    folder.mkdir(parents=True, exist_ok=True)
    database, package = folder / "tvm.sqlite", folder / "tvm.plait"
    for path in (database, package):
        path.unlink(missing_ok=True)
    ours = run_tune(tvm.onnx, package, database, tvm.threads)
    say(f"ours: {ours.seconds:.1f} s")
    tasks, taken = tvm.tasks(), tvm.tune(seconds, each)
    trials, tried = tvm.records()
    say(f"TVM: {trials} trials of {tried} of {tasks} tasks in {taken:.0f} s")
    compiling = tvm.compile()
    servers = {OURS: plan_server(tvm.threads), TVM: tvm.server()}
    with stopping(servers):
        opened = open_package(str(package))
        servers[OURS].open(OURS, subject(plan_text(opened.module(next(iter(opened.plans)))), tvm.onnx))
        servers[TVM].open(TVM, {"library": str((tvm.work / LIBRARY).resolve()), "shape": shape})
        times = take_turns(servers, sampling.rounds, sampling.seconds)
    measured = {key: statistics.median(found) for key, found in times.items()}
    return Beside(ours, taken, trials, tasks, tried, compiling, measured)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a process and those that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _last_line(text: str, status: int) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else f"it ended with status {status}"
