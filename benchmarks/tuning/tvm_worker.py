"""TVM's side, in a Python that has it: tuning by MetaSchedule, and compiling.

tune ONNX WORK THREADS SEED EACH SECONDS    into the records in WORK, until time is up or standard input ends
compile ONNX WORK THREADS                   WORK/network.so with the best of these records
tasks ONNX THREADS                          how many there are to tune
"""

from __future__ import annotations

import importlib
import itertools
import os
import select
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

LIBRARY = "network.so"


def main() -> None:
    """Do what the first argument says."""
    task, *arguments = sys.argv[1:]
    tasks: dict[str, Callable[..., None]] = {
        "tune": tune,
        "compile": compile_best,
        "tasks": count_tasks,
    }
    tasks[task](*arguments)


def tune(onnx: str, work: str, threads: str, seed: str, each: str, seconds: str) -> None:
    """Search without end; records are kept after each turn of a task, of `each` trials.

    A scheduler of all tasks keeps what it has measured of a task until that one's next turn, which in minutes does not
    come. So tasks take turns here, those with most to compute first; they share the model that predicts times.
    """
    threading.Thread(target=_end_in_time, args=(float(seconds),), daemon=True).start()
    schedule, integration = (part(f"tvm.s_tir.meta_schedule{name}") for name in ("", ".relax_integration"))
    found = integration.extract_tasks(_prepared(onnx, threads), _target(threads), {})
    flops = part("tvm.s_tir.analysis").estimate_tir_flops
    found.sort(key=lambda task: -task.weight * flops(task.dispatched[0]))
    tasks, _ = integration.extracted_tasks_to_tune_contexts(found, work, seed=int(seed))
    database = schedule.Database.create("json", work_dir=work)
    model = schedule.CostModel.create("xgb", num_tuning_cores=tasks[0].num_threads)
    for task in itertools.cycle(tasks):
        schedule.tune.tune_tasks(
            tasks=[task],
            task_weights=[1.0],
            work_dir=work,
            max_trials_global=int(each),
            num_trials_per_iter=int(each),
            database=database,
            cost_model=model,
        )


def _end_in_time(seconds: float) -> None:
    """End this process and all that it has started when time is up, or when whoever started it is gone."""
    select.select([sys.stdin], [], [], seconds)
    os.killpg(os.getpgrp(), signal.SIGKILL)


def compile_best(onnx: str, work: str, threads: str) -> None:
    """The network with the fastest schedule of each task; a default one where there is no record."""
    transform = part("tvm.relax.transform")
    with _target(threads):
        steps = [transform.MetaScheduleApplyDatabase(work), transform.SplitLayoutRewritePreproc()]
        module = _sequence(*steps, transform.FoldConstant())(_prepared(onnx, threads))
        part("tvm").compile(module, _target(threads)).export_library(str(Path(work) / LIBRARY))


def count_tasks(onnx: str, threads: str) -> None:
    """Print the number of tasks."""
    integration = part("tvm.s_tir.meta_schedule.relax_integration")
    print(len(integration.extract_tasks(_prepared(onnx, threads), _target(threads), {})))


def _prepared(onnx: str, threads: str) -> Any:
    """The network as tensor programs, weights among them."""
    model = part("onnx").load(onnx)
    module = part("tvm.relax.frontend.onnx").from_onnx(model, keep_params_in_input=False)
    transform = part("tvm.relax.transform")
    lowering = (
        transform.DecomposeOpsForInference(),
        transform.CanonicalizeBindings(),
        part("tvm.relax").get_pipeline("zero"),
        transform.AttachAttrLayoutFreeBuffers(),
    )
    with _target(threads):
        return _sequence(*lowering)(module)


def _sequence(*steps: Any) -> Any:
    return part("tvm.ir.transform").Sequential(list(steps))


def _target(threads: str) -> Any:
    """This machine with so many cores."""
    codegen = part("tvm.target.codegen")
    kind = {"kind": "llvm", "mcpu": codegen.llvm_get_system_cpu(), "num-cores": int(threads)}
    return part("tvm.target").Target(kind)


def part(module: str) -> Any:
    """A module that is not installed here, so nothing is known of its types."""
    return importlib.import_module(module)
