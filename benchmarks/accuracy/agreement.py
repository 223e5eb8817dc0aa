"""Quantized networks beside the float network: how often the largest class is the same, and how much noise there is."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import numpy as np

import plait
from benchmarks.accuracy import onnx_runtime
from benchmarks.accuracy.tasks import CALIBRATION, EVALUATION, Task
from plait.backends.program import Program
from plait.ir.module import Module
from plait.ir.values import Array
from plait.tuning.quantize import QuantizeOptions, quantize_module
from plait.tuning.untuned import untuned_module

OURS = {
    "plait": QuantizeOptions(report_samples=0),
    "plait --round-nearest": QuantizeOptions(round_together=False, report_samples=0),
    "plait --round-nearest --no-bias-correction": QuantizeOptions(
        round_together=False, bias_correction=False, report_samples=0
    ),
}
"""What is left out, and what it gives."""


@attrs.frozen
class Row:
    """One quantized network on the samples of a task."""

    task: str
    by: str
    same: int
    """Samples whose largest class is that of the float network."""
    of: int
    sqnr: float
    """dB of the outputs of the network."""
    seconds: float
    """What quantizing took."""
    references: tuple[str, ...] = ()
    """Layers that have no kernel and run in NumPy."""
    note: str = ""

    @property
    def agreement(self) -> float:
        return self.same / self.of

    def to_json(self) -> dict[str, Any]:
        return attrs.asdict(self) | {"agreement": self.agreement}


def rows_of(task: Task, models: Path) -> Iterator[Row]:
    """Our quantizer with and without its steps, then ONNX Runtime's, if it is installed."""
    module = task.load(models)
    (argument,) = module.main.arguments
    calibration, evaluation = task.samples(models, CALIBRATION), task.samples(models, EVALUATION)
    wanted = outputs_of(plait.optimize(module), evaluation)
    for by, options in OURS.items():
        started = time.perf_counter()
        samples = [{argument.name: x[None]} for x in calibration]
        integers = plait.optimize(quantize_module(module, lambda given=samples: given, options).module)  # type: ignore[misc]
        seconds = time.perf_counter() - started
        found = outputs_of(integers, evaluation)
        yield compared(task.name, by, wanted, found, seconds, references_of(integers))
    for by, settings in onnx_runtime.SETTINGS.items() if onnx_runtime.is_there() else ():
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            path = onnx_runtime.quantize(models / task.file, task.shape, calibration, Path(folder), settings)
            seconds = time.perf_counter() - started
            yield compared(task.name, by, wanted, onnx_runtime.outputs_of(path, evaluation), seconds)


def compared(
    task: str, by: str, wanted: Array, found: Array, seconds: float, references: tuple[str, ...] = (), note: str = ""
) -> Row:
    """The row of outputs [N, classes]."""
    same = int(np.sum(wanted.argmax(axis=1) == found.argmax(axis=1)))
    noise = float(np.linalg.norm((found - wanted).astype(np.float64)))
    signal = float(np.linalg.norm(wanted.astype(np.float64)))
    sqnr = 20 * np.log10(signal / noise) if noise else np.inf
    return Row(task, by, same, len(wanted), float(sqnr), seconds, references, note)


def outputs_of(module: Module, inputs: Array) -> Array:
    """[N, ...]: the only output of an optimised module for each input, by compiled kernels."""
    program = Program(untuned_module(module))
    return np.concatenate([program.run([np.ascontiguousarray(x[None])])[0] for x in inputs])


def references_of(module: Module) -> tuple[str, ...]:
    """Names of the layers of an optimised module that run in NumPy."""
    return tuple(
        layer.results[0].name for layer in untuned_module(module).main if str(layer.via).endswith("/reference")
    )
