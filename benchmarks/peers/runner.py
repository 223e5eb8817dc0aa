"""Taking measurements: rounds over cells and engines, one process at a time."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import attrs
import numpy as np

from benchmarks.peers.engines import ENGINES
from benchmarks.peers.engines.base import FLOAT32, ModelFiles
from benchmarks.peers.records import Cell, Record, Turn, append_record, read_records, write_records
from benchmarks.peers.worker import MARK
from benchmarks.support.environments import command, environment
from plait.testing.compare import relative_error

TIMEOUT_S = {"measure": 300.0, "prepare": 1800.0}
WORKER = "benchmarks.peers.worker"
Say = Callable[[str], None]


@attrs.frozen
class Sampling:
    """How long one process measures: at least `runs` runs and `seconds`, but no more than `most_seconds`."""

    runs: int = 30
    seconds: float = 1.0
    most_seconds: float = 3.0


@attrs.frozen
class Session:
    """Engines with the Python each runs in, and networks, whose files lie in `folder`; `log` keeps records."""

    engines: Mapping[str, Path]
    networks: Sequence[str]
    threads: Sequence[int]
    rounds: int
    folder: Path
    log: Path
    sampling: Sampling = Sampling()
    dtype: str = FLOAT32
    waking_s: float = 3.0
    """How long cores are kept busy before the first measurement on so many."""

    def turns(self) -> Iterator[Turn]:
        """Engines take turns on a cell, so that what disturbs the machine for a while meets all of them."""
        for number in range(self.rounds):
            for network in self.networks:
                for threads in self.threads:
                    for engine in self.engines:
                        yield Turn(number, Cell(network, threads), engine)

    def run(self, budget_s: float | None, say: Say) -> list[Record]:
        """Take the turns that the log does not have yet, until the budget is spent; all records of the log.

        An engine that fails on a cell is not tried there again, but by the next call it is.
        """
        records = [record for record in read_records(self.log) if not record.failure]
        write_records(self.log, records)
        taken = {record.turn for record in records}
        failed: set[tuple[Cell, str]] = set()
        woken, begin = 0, time.monotonic()
        for turn in self.turns():
            if turn in taken or (turn.cell, turn.engine) in failed:
                continue
            if budget_s is not None and time.monotonic() - begin > budget_s:
                say("the budget is spent; the same command goes on")
                break
            if turn.cell.threads != woken:
                woken = turn.cell.threads
                keep_busy(woken, self.waking_s)
            record = self.take(turn)
            if record.failure:
                failed.add((turn.cell, turn.engine))
            append_record(self.log, record)
            records.append(record)
            say(_line(record))
        return records

    def take(self, turn: Turn) -> Record:
        """One measurement."""
        files = ModelFiles(self.folder, turn.cell.network, self.dtype)
        paths = ENGINES[turn.engine].model_files(files, turn.cell.threads)
        if missing := [path.name for path in paths if not path.exists()]:
            return Record(turn, failure=f"no {', '.join(missing)}: prepare it")
        for path in paths:
            read_through(path)
        python, output = self.engines[turn.engine], files.path(f".{turn.engine}.npy")
        sampling = attrs.asdict(self.sampling)
        options = [f"--{name.replace('_', '-')}={value}" for name, value in sampling.items()]
        answer = work(python, "measure", turn.engine, files, [turn.cell.threads], *options, f"--output={output}")
        if isinstance(answer, str):
            return Record(turn, failure=answer)
        error = relative_error(np.load(output).ravel(), np.load(files.scores).ravel())
        output.unlink()
        return Record(turn, {**json.loads(answer[0]), "error": error})


def keep_busy(cores: int, seconds: float) -> None:
    """Have so many processes compute for a while.

    Hosts of virtual machines put idle cores on one that is real, and take some seconds to part them when they have
    work: the first engine of a turn would pay for it.
    """
    spin = f"import time\nend = time.perf_counter() + {seconds}\nwhile time.perf_counter() < end: pass"
    for process in [subprocess.Popen([sys.executable, "-c", spin]) for _ in range(cores)]:
        process.wait()


def read_through(path: Path) -> None:
    """Have a file in the system's cache, so that loading it says nothing about the disk."""
    with path.open("rb", buffering=0) as file:
        while file.read(1 << 24):
            pass


def work(
    python: Path, task: str, engine: str, files: ModelFiles, threads: Sequence[int], *options: str
) -> list[str] | str:
    """Run a worker to its end: the records it printed, or why it failed."""
    arguments = [task, f"--engine={engine}", f"--folder={files.folder}", f"--network={files.network}"]
    try:
        done = subprocess.run(
            command(python, WORKER, *arguments, f"--dtype={files.dtype}", *options, "--threads", *threads),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S[task],
            env=environment(python, max(threads)),
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no answer after {TIMEOUT_S[task]:g} s"
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        return lines[-1] if lines else f"ended with status {done.returncode}"
    return [line.removeprefix(MARK) for line in done.stdout.splitlines() if line.startswith(MARK)]


def note(text: str) -> None:
    """A line on standard error."""
    print(text, file=sys.stderr, flush=True)


def _line(record: Record) -> str:
    turn = record.turn
    what = f"round {turn.round} {turn.cell.network} t{turn.cell.threads} {turn.engine}"
    if record.failure:
        return f"{what}: {record.failure}"
    return f"{what}: {record.figures['median_ms']:.2f} ms, error {record.figures['error']:.1e}"
