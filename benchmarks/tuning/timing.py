"""How long `plait tune` takes: from nothing, again, for a new package from a full database, measuring everything."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from benchmarks.support.environments import command, environment
from benchmarks.tuning.plans import plan_server, plan_text, subject
from benchmarks.tuning.racing import stopping, take_turns

EMPTY, AGAIN, FULL, EXHAUSTIVE = "empty", "again", "full", "exhaustive"
"""The database is empty; the same command again; the database has all that tuning asks for, but there is no package;
it is empty and every entry is measured."""


class TuneError(Exception):
    """`plait tune` failed; the message is its last line."""


@attrs.frozen
class TuneRun:
    """One `plait tune` in a process of its own. `seconds`: of the whole process, the package written."""

    seconds: float
    measure_seconds: float
    """While something was measured, the race included."""
    solve_seconds: float
    """The rest of what tuning took: entries, bounds, the database, solving."""
    entries: int
    measured: int
    known: int
    """Entries that have a result in the end."""
    rounds: int
    """How often the problem was solved on the way; 0 where everything is measured."""
    repeated: int
    """Near ties that were measured again."""
    saved: float
    """Share of the time of all entries that was not spent, as bounds say: at least."""
    status: str
    predicted_ms: float

    @property
    def share(self) -> float:
        """Entries measured by all that there are."""
        return self.measured / self.entries if self.entries else 0.0

    @property
    def rest_seconds(self) -> float:
        """Neither measuring nor solving: starting, reading the model, optimising it, writing the package."""
        return self.seconds - self.measure_seconds - self.solve_seconds

    @staticmethod
    def of(report: Mapping[str, Any], seconds: float) -> TuneRun:
        """From what `plait tune --json` printed."""
        proof = report["certificate"] or {"known": report["entries"], "rounds": 0, "repeated": 0, "saved": 0.0}
        return TuneRun(
            seconds=seconds,
            measure_seconds=report["measure_seconds"],
            solve_seconds=sum(report[f"{name}_seconds"] for name in ("profile", "solve", "race"))
            - report["measure_seconds"],
            predicted_ms=report["predicted_us"] / 1e3,
            **{name: report[name] for name in ("entries", "measured", "status")},
            **{name: proof[name] for name in ("known", "rounds", "repeated", "saved")},
        )


@attrs.frozen
class Timing:
    """The tuning of a network."""

    runs: Mapping[str, TuneRun]
    """Of the kinds above."""
    parts: Mapping[str, float]
    """Where the seconds of a run with a full database go."""
    measured_ms: Mapping[str, float]
    """Plans end to end by kind, in turns."""

    def to_json(self) -> dict[str, Any]:
        return attrs.asdict(self)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Timing:
        return Timing({kind: TuneRun(**run) for kind, run in data["runs"].items()}, data["parts"], data["measured_ms"])


@attrs.frozen
class Sampling:
    """How often plans take turns, and for how long each time."""

    rounds: int
    seconds: float


def time_tuning(onnx: Path, folder: Path, threads: int, sampling: Sampling, *, exhaustive: bool) -> Timing:
    """Tune a network, again, and with every entry measured; then run the plans.

    Args:
        folder: for databases and packages; those of earlier runs are replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lazy, whole = _fresh(folder / "lazy.sqlite"), _fresh(folder / "exhaustive.sqlite")
    packages = {EMPTY: folder / "lazy.plait"}
    runs = {EMPTY: run_tune(onnx, _fresh(packages[EMPTY]), lazy, threads)}
    runs[AGAIN] = run_tune(onnx, packages[EMPTY], lazy, threads)
    runs[FULL] = run_tune(onnx, _fresh(folder / "full.plait"), lazy, threads)
    parts = tuning_parts(onnx, _fresh(folder / "full.plait"), lazy, threads)
    if exhaustive:
        packages[EXHAUSTIVE] = _fresh(folder / "exhaustive.plait")
        runs[EXHAUSTIVE] = run_tune(onnx, packages[EXHAUSTIVE], whole, threads, "--exhaustive")
    return Timing(runs, parts, run_packages(packages, onnx, threads, sampling))


def run_tune(onnx: Path, package: Path, database: Path, threads: int, *options: str) -> TuneRun:
    """`plait tune` in a process of its own.

    Raises:
        TuneError: it failed.
    """
    arguments = ["tune", onnx, "-o", package, "--db", database, "--threads", threads, "--json", *options]
    begin = time.perf_counter()
    told = _run("plait.cli.main", *arguments)
    return TuneRun.of(json.loads(told), time.perf_counter() - begin)


def tuning_parts(onnx: Path, package: Path, database: Path, threads: int) -> dict[str, float]:
    """The same through the Python interface: seconds of each part.

    Raises:
        TuneError: it failed.
    """
    begin = time.time()
    told = _run("benchmarks.tuning.parts", onnx, package, database, threads, begin)
    parts: dict[str, float] = json.loads(told)
    return {**parts, "exit": max(0.0, time.time() - begin - sum(parts.values()))}


def run_packages(packages: Mapping[str, Path], onnx: Path, threads: int, sampling: Sampling) -> dict[str, float]:
    """Milliseconds of plans in packages, each in a process of its own."""
    from plait.backends.package import open_package

    servers = {key: plan_server(threads) for key in packages}
    with stopping(servers):
        for key, path in packages.items():
            package = open_package(str(path))
            servers[key].open(key, subject(plan_text(package.module(next(iter(package.plans)))), onnx))
        times = take_turns(servers, sampling.rounds, sampling.seconds)
    return {key: statistics.median(rounds) for key, rounds in times.items()}


def _run(module: str, *arguments: object) -> str:
    """Standard output of `main` of a module in a process of its own."""
    python = Path(sys.executable)
    variables = environment(python)
    # Whoever has installed Plait has it compiled.
    del variables["PYTHONDONTWRITEBYTECODE"]
    variables["PYTHONPYCACHEPREFIX"] = str(Path(tempfile.gettempdir()) / "plait-benchmarks-pycache")
    done = subprocess.run(
        command(python, module, *arguments), capture_output=True, text=True, env=variables, check=False
    )
    if not done.stdout:
        lines = done.stderr.strip().splitlines()
        raise TuneError(lines[-1] if lines else f"it ended with status {done.returncode}")
    return done.stdout


def _fresh(path: Path) -> Path:
    """A path at which nothing lies any more."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    return path
