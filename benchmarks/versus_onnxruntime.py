"""Tuned plans beside the best single-layout plan and ONNX Runtime, in interleaved rounds of one process.

    python benchmarks/versus_onnxruntime.py [--threads 1] [--rounds 15] [--json FILE] [--folder FOLDER] [NETWORK ...]

Networks are written by `plait.testing.networks` with seeded random weights (BatchNorm and activations unfused, as frameworks export).
Each round runs each subject three times and keeps the median; a row gives the median over rounds, the ratio is the median of the rounds'
ratios. `error` is the 2-norm of the difference from ONNX Runtime's output over the norm of that output.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

import plait
from plait.backends.runner import Runner
from plait.cli.output import Table
from plait.testing import networks
from plait.testing.compare import relative_error

NETWORKS = ("vgg16", "resnet50", "mobilenetv2", "mobilenetv3", "squeezenet", "densenet121", "googlenet")


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
        body = {"schema": "versus-onnxruntime/1", "machine": platform.processor() or platform.machine(), "threads": options.threads,
                "date": time.strftime("%Y-%m-%d"), "onnxruntime": onnxruntime.__version__, "rows": rows}
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
    runner, single = tuned.runner(), Runner(tuned.single_layout_module, threads)
    image = np.random.default_rng(0).standard_normal((1, 3, 224, 224)).astype(np.float32)
    session_options = onnxruntime.SessionOptions()
    session_options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(path), session_options, providers=["CPUExecutionProvider"])
    subjects: dict[str, Callable[[], Any]] = {
        "tuned": lambda: runner(image), "single": lambda: single(image), "onnxruntime": lambda: session.run(None, {"input": image})[0]}
    error = relative_error(runner(image), session.run(None, {"input": image})[0])
    times = interleaved(subjects, rounds)
    return {"network": name, "threads": threads, **{f"{k}_ms": statistics.median(v) for k, v in times.items()},
            "ratio_onnxruntime": statistics.median(b / a for a, b in zip(times["tuned"], times["onnxruntime"], strict=True)),
            "ratio_single": statistics.median(b / a for a, b in zip(times["tuned"], times["single"], strict=True)),
            "predicted_ms": tuned.report.predicted_us / 1e3, "status": tuned.report.status, "adapts": tuned.report.adapts,
            "single_layout": tuned.report.single_layout, "tuning_s": tuning_s, "measured": tuned.report.measured, "error": float(error)}


def interleaved(subjects: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each subject in each round."""
    times: dict[str, list[float]] = {name: [] for name in subjects}
    for run in subjects.values():
        for _ in range(3):
            run()
    for _ in range(rounds):
        for name, run in subjects.items():
            samples = []
            for _ in range(3):
                start = time.perf_counter_ns()
                run()
                samples.append((time.perf_counter_ns() - start) / 1e6)
            times[name].append(statistics.median(samples))
    return times


def show(rows: list[dict[str, Any]]) -> None:
    table = Table(("network", ">threads", ">tuned ms", ">single layout ms", ">ONNX Runtime ms", ">ORT / tuned", ">single / tuned",
                   ">predicted ms", ">adapts", ">error"))
    for r in rows:
        table.add(r["network"], r["threads"], f"{r['tuned_ms']:.2f}", f"{r['single_ms']:.2f}", f"{r['onnxruntime_ms']:.2f}",
                  f"{r['ratio_onnxruntime']:.2f}", f"{r['ratio_single']:.2f}", f"{r['predicted_ms']:.2f}", r["adapts"], f"{r['error']:.1e}")
    table.show()


if __name__ == "__main__":
    main()
