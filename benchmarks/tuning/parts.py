"""A process that tunes once and tells where its time went, as a line of JSON."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


def main() -> None:
    """The arguments are the ONNX file, the package, the database, the number of threads, and the time of the start."""
    onnx, package, database, threads, started = sys.argv[1:]
    times = {"python": time.time() - float(started)}
    last = time.perf_counter()

    def part(name: str) -> None:
        nonlocal last
        now = time.perf_counter()
        times[name], last = now - last, now

    import plait
    from plait.tuning.api import tune_module

    part("imports")
    module = plait.load(onnx)
    part("load")
    module = plait.optimize(module)
    part("optimise")
    tuned = tune_module(module, threads=int(threads), db=database)
    part("tune")
    for name in ("profile", "solve", "race"):
        times[name] = getattr(tuned.report, f"{name}_seconds")
        times["tune"] -= times[name]
    assert tuned.executable
    part("pack")
    tuned.save(Path(package))
    part("save")
    print(json.dumps(times))
