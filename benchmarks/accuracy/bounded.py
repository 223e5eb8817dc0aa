"""The fastest mix of float32 and 8 bits that keeps a bound: what `plait tune --max-loss` finds, judged on other
samples."""

from __future__ import annotations

import time
from pathlib import Path

import attrs
import numpy as np

import plait
from benchmarks.accuracy.agreement import Row, compared, outputs_of
from benchmarks.accuracy.tasks import CALIBRATION, EVALUATION, Task

MAX_LOSS = "1%"


def row_of(task: Task, models: Path, db: Path | None) -> Row:
    """The bounded plan of a task by the metric top1."""
    module = task.load(models)
    calibration, evaluation = task.samples(models, CALIBRATION), task.samples(models, EVALUATION)
    (argument,) = module.main.arguments
    started = time.perf_counter()
    options = plait.PrecisionOptions(
        [{argument.name: x[None]} for x in calibration], precisions=("float32", "qint8"), max_loss=MAX_LOSS
    )
    tuned = plait.tune(module, precision=options, db=db)
    seconds = time.perf_counter() - started
    report = tuned.precision
    assert report is not None
    runner = tuned.runner()
    found = np.concatenate([runner(x[None]) for x in evaluation])
    wanted = outputs_of(plait.optimize(module), evaluation)
    row = compared(task.name, f"plait tune --dtype float32,qint8 --max-loss {MAX_LOSS}", wanted, found, seconds)
    return attrs.evolve(row, note=report.summary().splitlines()[0])
