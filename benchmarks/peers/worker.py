"""One engine in a process of its own: making model files, or one measurement, which is printed as a line of JSON."""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import os
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.engines import ENGINES
from benchmarks.peers.engines.base import DTYPES, Array, Engine, ModelFiles, Run

WARM_UP = 5
"""Runs after the first that do not count."""
MARK = "@record "
"""Begins the line with the result; engines print what they like."""


def main() -> None:
    options = _options()
    engine, files = ENGINES[options.engine], ModelFiles(options.folder, options.network, options.dtype)
    if options.task == "prepare":
        engine.prepare(files, options.threads)
    else:
        print(MARK + json.dumps(measure(engine, files, options)), flush=True)
    os._exit(0)  # some engines crash, or wait for their threads, when they are torn down


def measure(engine: Engine, files: ModelFiles, options: argparse.Namespace) -> dict[str, Any]:
    """Import, load, run for the first time, warm up, and time runs: what came of it in milliseconds and MB."""
    (threads,) = options.threads
    image = engine.own_layout(np.load(files.image))
    begin = time.perf_counter()
    for name in engine.packages:
        importlib.import_module(name)
    imported, before = time.perf_counter(), peak_memory_mb()
    run = engine.load(files, threads)
    loaded = time.perf_counter()
    scores = run(image)
    first = time.perf_counter()
    for _ in range(WARM_UP):
        run(image)
    cpu, wall = time.process_time(), time.perf_counter()
    times = sample(run, image, options.runs, options.seconds, options.most_seconds)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    memory = peak_memory_mb()
    np.save(options.output, scores)
    return {
        "version": version(engine.packages[0]),
        "median_ms": statistics.median(times),
        "min_ms": min(times),
        "runs": len(times),
        "import_ms": (imported - begin) * 1e3,
        "load_ms": (loaded - imported) * 1e3,
        "first_ms": (first - loaded) * 1e3,
        "memory_mb": memory,
        "memory_before_mb": before,
        "cpu_share": cpu / wall / threads,
        **engine.facts(files, threads),
    }


def sample(run: Run, image: Array, runs: int, seconds: float, most: float) -> list[float]:
    """Milliseconds of runs in a row: at least `runs` of them and as many as fit into `seconds`, but no more after
    `most` seconds."""
    times: list[float] = []
    begin = time.perf_counter()
    while True:
        start = time.perf_counter()
        run(image)
        end = time.perf_counter()
        times.append((end - start) * 1e3)
        if (len(times) >= runs and end - begin >= seconds) or end - begin >= most:
            return times


def peak_memory_mb() -> float:
    """The most memory that this process has had at once."""
    try:
        # Not getrusage, whose figure a new process inherits from the one that started it.
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024
    except (OSError, StopIteration):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def version(module: str) -> str:
    """The version of the distribution that has a module; empty if it has none."""
    top = module.partition(".")[0]
    try:
        return importlib.metadata.version(importlib.metadata.packages_distributions().get(top, [top])[0])
    except importlib.metadata.PackageNotFoundError:
        return str(getattr(importlib.import_module(top), "__version__", ""))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("task", choices=("prepare", "measure"))
    parser.add_argument("--engine", choices=sorted(ENGINES), required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--network", required=True)
    parser.add_argument("--dtype", choices=DTYPES, default=DTYPES[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--most-seconds", type=float, default=3.0)
    parser.add_argument("--output", type=Path, help="where the scores go")
    return parser.parse_args()
