"""Tuned plans beside the best single-layout plan and ONNX Runtime, in interleaved rounds.

    python benchmarks/versus_onnxruntime.py [--threads 1] [--rounds 15] [--json FILE] [--folder FOLDER] [NETWORK ...]

Networks are written by `plait.testing.networks` with seeded random weights (BatchNorm and activations unfused, as
frameworks export). Each subject has a process of its own, which waits while the others run, since thread pools that
still spin would slow their neighbours. In each round each subject runs a few times and its median counts. A row gives
the medians over rounds; a ratio is the median of the rounds' ratios. `error` is the 2-norm of the difference from ONNX
Runtime's output over the norm of that output.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import platform
import statistics
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

import plait
from plait.cli.output import Table
from plait.ir.text import save_ir
from plait.ir.values import Array
from plait.testing import networks
from plait.testing.compare import relative_error

NETWORKS = ("vgg16", "resnet50", "mobilenetv2", "mobilenetv3", "squeezenet", "densenet121", "googlenet")
BURST_S = 0.15
"""Length of one subject's turn in a round, at least three runs."""
PAUSE_S = 0.03
"""Between turns, for pools to go to sleep."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=list(NETWORKS), metavar="NETWORK")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--folder", type=Path, default=Path("build/networks"), help="where the ONNX files are kept")
    options = parser.parse_args()
    rows = []
    for name in options.networks:
        print(f"{name} ...", file=sys.stderr, flush=True)
        rows.append(measure(name, options.folder, options.threads, options.rounds))
    show(rows)
    if options.json:
        body = {
            "schema": "versus-onnxruntime/1",
            "machine": platform.processor() or platform.machine(),
            "threads": options.threads,
            "date": time.strftime("%Y-%m-%d"),
            "onnxruntime": onnxruntime.__version__,
            "rows": rows,
        }
        options.json.write_text(json.dumps(body, indent=1))


def measure(name: str, folder: Path, threads: int, rounds: int) -> dict[str, Any]:
    """One network: tune, check, time."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.onnx"
    if not path.exists():
        networks.save(name, folder)
    start = time.perf_counter()
    tuned = plait.tune(path, threads=threads)
    tuning_s = time.perf_counter() - start
    save_ir(tuned.module, folder / f"{name}.tuned.ir")
    save_ir(tuned.single_layout_module, folder / f"{name}.single.ir")
    subjects = {
        "tuned": Subject(load_plan, folder / f"{name}.tuned.ir", threads),
        "single": Subject(load_plan, folder / f"{name}.single.ir", threads),
        "onnxruntime": Subject(load_onnxruntime, path, threads),
    }
    times: dict[str, list[float]] = {subject: [] for subject in subjects}
    for number in range(rounds + 1):
        for subject, process in subjects.items():
            milliseconds = process.turn()
            if number:  # the first round warms up
                times[subject].append(milliseconds)
            time.sleep(PAUSE_S)
    outputs = {subject: process.stop() for subject, process in subjects.items()}
    return {
        "network": name,
        "threads": threads,
        **{f"{k}_ms": statistics.median(v) for k, v in times.items()},
        "ratio_onnxruntime": statistics.median(
            b / a for a, b in zip(times["tuned"], times["onnxruntime"], strict=True)
        ),
        "ratio_single": statistics.median(b / a for a, b in zip(times["tuned"], times["single"], strict=True)),
        "predicted_ms": tuned.report.predicted_us / 1e3,
        "status": tuned.report.status,
        "adapts": tuned.report.adapts,
        "single_layout": tuned.report.single_layout,
        "tuning_s": tuning_s,
        "measured": tuned.report.measured,
        "error": float(relative_error(outputs["tuned"], outputs["onnxruntime"])),
    }


Load = Callable[[Path, int], Callable[[Array], Array]]


def load_plan(path: Path, threads: int) -> Callable[[Array], Array]:
    """A tuned text as a callable."""
    return plait.open(path, threads=threads)


def load_onnxruntime(path: Path, threads: int) -> Callable[[Array], Array]:
    """An ONNX Runtime session as a callable."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda image: session.run(None, {"input": image})[0]  # type: ignore[no-any-return]


class Subject:
    """A process that runs one engine when asked to."""

    def __init__(self, load: Load, path: Path, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=serve, args=(other, load, path, threads), daemon=True)
        self.process.start()

    def turn(self) -> float:
        """Run for a while; the median in milliseconds."""
        self.pipe.send("turn")
        return float(self.pipe.recv())

    def stop(self) -> Array:
        """End the process; the output it computed."""
        self.pipe.send("stop")
        output: Array = self.pipe.recv()
        self.process.join()
        return output


def serve(pipe: Connection, load: Load, path: Path, threads: int) -> None:
    """The subject's side of the pipe."""
    run = load(path, threads)
    image = np.random.default_rng(0).standard_normal((1, 3, 224, 224)).astype(np.float32)
    output = run(image)
    while pipe.recv() == "turn":
        samples: list[float] = []
        began = time.perf_counter()
        while len(samples) < 3 or time.perf_counter() - began < BURST_S:
            start = time.perf_counter_ns()
            run(image)
            samples.append((time.perf_counter_ns() - start) / 1e6)
        pipe.send(statistics.median(samples))
    pipe.send(output)


def show(rows: list[dict[str, Any]]) -> None:
    table = Table(
        (
            "network",
            ">threads",
            ">tuned ms",
            ">single layout ms",
            ">ONNX Runtime ms",
            ">ORT / tuned",
            ">single / tuned",
            ">predicted ms",
            ">adapts",
            ">error",
        )
    )
    for r in rows:
        table.add(
            r["network"],
            r["threads"],
            f"{r['tuned_ms']:.2f}",
            f"{r['single_ms']:.2f}",
            f"{r['onnxruntime_ms']:.2f}",
            f"{r['ratio_onnxruntime']:.2f}",
            f"{r['ratio_single']:.2f}",
            f"{r['predicted_ms']:.2f}",
            r["adapts"],
            f"{r['error']:.1e}",
        )
    table.show()


if __name__ == "__main__":
    main()
