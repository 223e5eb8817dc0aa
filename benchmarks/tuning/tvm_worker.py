"""TVM's side, in a Python that has it: tuning by MetaSchedule, and compiling.

tune ONNX WORK THREADS SEED EACH    into the records in WORK, until the process is stopped
compile ONNX WORK THREADS           WORK/network.so with the best of these records
tasks ONNX THREADS                  how many there are to tune
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

LIBRARY = "network.so"
_ENDLESS = 1_000_000
"""Trials: time is up long before."""


def main() -> None:
    """Do what the first argument says."""
    task, *arguments = sys.argv[1:]
    tasks: dict[str, Callable[..., None]] = {
        "tune": tune,
        "compile": compile_best,
        "tasks": count_tasks,
    }
    tasks[task](*arguments)


def tune(onnx: str, work: str, threads: str, seed: str, each: str) -> None:
    """Search without end; every record is kept at once. `each`: trials of a task before it is the next one's turn."""
    part("tvm.s_tir.meta_schedule.relax_integration").tune_relax(
        _prepared(onnx, threads),
        params={},
        target=_target(threads),
        work_dir=work,
        max_trials_global=_ENDLESS,
        num_trials_per_iter=int(each),
        seed=int(seed),
    )


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
