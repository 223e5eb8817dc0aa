"""ONNX Runtime: its quantizer on the same samples, and its runs. Optional."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from plait.ir.values import Array


@attrs.frozen
class Settings:
    """How ONNX Runtime quantizes; weights always have a scale for each channel, Conv and BatchNormalization are fused
    before."""

    method: str = "MinMax"
    form: str = "QDQ"
    activations: str = "QUInt8"


SETTINGS = {
    "onnxruntime MinMax, S8S8": Settings(activations="QInt8"),
    "onnxruntime MinMax, U8S8": Settings(),
}


def is_there() -> bool:
    """Whether it is installed."""
    return importlib.util.find_spec("onnxruntime") is not None


def quantize(source: Path, shape: tuple[int, ...], samples: Array, folder: Path, settings: Settings) -> Path:
    """The quantized file of a float file."""
    import onnx
    from onnxruntime.quantization import (  # type: ignore[import-untyped]
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quant_pre_process,
        quantize_static,
    )

    model = onnx.load(source)
    name, fixed, ready, target = input_name(model), folder / "fixed.onnx", folder / "ready.onnx", folder / "int8.onnx"
    (argument,) = (i for i in model.graph.input if i.name == name)
    for dim, size in zip(argument.type.tensor_type.shape.dim, shape, strict=True):
        dim.dim_value = size
    for output in model.graph.output:
        output.type.tensor_type.shape.dim[0].dim_value = shape[0]
    onnx.save(model, fixed)
    quant_pre_process(os.fspath(fixed), os.fspath(ready), skip_symbolic_shape=True)
    quantize_static(
        os.fspath(ready),
        os.fspath(target),
        _Feeds({name: x[None]} for x in samples),
        quant_format=QuantFormat[settings.form],
        per_channel=True,
        weight_type=QuantType.QInt8,
        activation_type=QuantType[settings.activations],
        calibrate_method=CalibrationMethod[settings.method],
    )
    return target


class _Feeds:
    def __init__(self, feeds: Iterator[Mapping[str, Array]]) -> None:
        self.feeds = feeds

    def get_next(self) -> Mapping[str, Array] | None:
        return next(self.feeds, None)


def input_name(model: Any) -> str:
    """The name of the only input of a model's graph."""
    constants = {t.name for t in model.graph.initializer}
    (name,) = (i.name for i in model.graph.input if i.name not in constants)
    return str(name)


def session_of(model: Path | bytes, optimize: bool = True) -> Any:
    """What runs a model on one thread."""
    import onnxruntime  # type: ignore[import-untyped]

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    if not optimize:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    given = model if isinstance(model, bytes) else os.fspath(model)
    return onnxruntime.InferenceSession(given, options, providers=["CPUExecutionProvider"])


def outputs_of(model: Path, inputs: Array, optimize: bool = True) -> Array:
    """[N, ...]: the only output for each input."""
    session = session_of(model, optimize)
    (name,) = (i.name for i in session.get_inputs())
    return np.concatenate([session.run(None, {name: x[None]})[0] for x in inputs])
