"""The process that runs what TVM compiled, in a Python that has it."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.support.serving import Timed, serve
from benchmarks.tuning.tvm_worker import part


def main() -> None:
    """Serve; the number of threads is in the environment."""
    serve(open_library)


def open_library(subject: dict[str, Any]) -> Timed:
    """A compiled network on a random image."""
    import numpy as np

    tvm, relax = part("tvm"), part("tvm.relax")
    machine = relax.VirtualMachine(tvm.runtime.load_module(subject["library"]), tvm.cpu())
    shape = tuple(subject["shape"])
    image = tvm.runtime.tensor(np.random.default_rng(0).standard_normal(shape).astype(np.float32))
    run = machine["main"]

    def timed(repeats: int) -> list[float]:
        times = []
        for _ in range(repeats):
            begin = time.perf_counter_ns()
            run(image)
            times.append(float(time.perf_counter_ns() - begin))
        return times

    return timed
