"""Whole quantized networks: all of it on integers, and against ONNX Runtime."""

from __future__ import annotations

import functools

import numpy as np
import onnx
import pytest

from plait.backends.reference import evaluate
from plait.frontends.onnx import import_onnx
from plait.ir.dtypes import DType
from plait.ir.layers.elementwise import Cast
from plait.passes.manager.runner import run_pipeline
from plait.passes.quantized.report import quantization_report
from plait.testing.onnx_builder import OnnxBuilder
from plait.testing.onnx_check import example
from plait.testing.onnx_quantize import with_qdq

INPUT = {"input": example(1, 3, 20, 20)}


@functools.cache
def network() -> onnx.ModelProto:
    """Residual, depthwise, gated and joined, with each activation of mobile networks."""
    n = OnnxBuilder("quantized", (1, 3, 20, 20), opset=17)
    x = n.act(n.conv("input", 8, 3, 2, bias=True), "relu6")
    y = n.act(n.conv(x, 8, 3, groups=8, bias=True), "relu")
    x = n.act(n.node("Add", n.conv(y, 8, 1, bias=True), x), "relu")
    x = n.act(n.conv(x, 12, 1, bias=True), "hard_swish")
    x = n.squeeze_excite(x, 4)
    x = n.concat(n.pool(x, 2, 2), n.pool(x, 2, 2, kind="AveragePool"))
    x = n.act(n.conv(x, 6, (1, 3), bias=True), "sigmoid")
    return n.model(n.linear(n.head(x), 5))


def onnxruntime_numbers(model: onnx.ModelProto) -> np.ndarray:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, INPUT)[0]


@pytest.mark.parametrize("signed", [False, True], ids=["u8s8", "s8s8"])
@pytest.mark.parametrize("pipeline", ["form-integer-layers,dce", "default"])
def test_all_layers_compute_on_integers(signed, pipeline):
    model = with_qdq(network(), INPUT, signed=signed)
    module = import_onnx(model).module
    assert run_pipeline(pipeline, module)
    report = quantization_report(module)
    assert report is not None and not report.floats
    assert report.integer["conv2d"] == 7 and report.integer["fully_connected"] == 1
    assert [layer.op for layer in module.main if any(r.type.dtype is DType.F32 for r in layer.results)] == ["cast"]
    stored = {r.type.dtype.storage for layer in module.main for r in layer.results} - {DType.F32}
    assert stored == {DType.I8 if signed and pipeline != "default" else DType.U8}
    last = module.main.outputs[0].owner
    assert isinstance(last, Cast)
    (ours,) = evaluate(module, INPUT).values()
    steps = np.abs(ours - onnxruntime_numbers(model)) / last.x.type.dtype.scale
    assert steps.max() < 1.5


def test_what_stays_on_numbers_is_told_with_reasons():
    model = with_qdq(network(), INPUT, leave=["Conv_7", "HardSigmoid_13"])
    module = import_onnx(model).module
    run_pipeline("form-integer-layers,dce", module)
    report = quantization_report(module)
    assert report is not None
    no_bound = "hard_swish is no bound, and there are no integers between it and conv2d"
    assert {unit.layer: unit.reason for unit in report.floats} == {
        "%Conv_7 (conv2d)": "its result is not quantized",
        "%HardSwish_8 (hard_swish)": no_bound,
        "%HardSigmoid_13 (hard_sigmoid)": "its result is not quantized",
        "%Mul_14 (mul)": "b, %HardSigmoid_13, is not quantized",
    }
    short, long = report.text(), report.text(verbose=True)
    assert "2 such as %Conv_7 (conv2d) of node Conv_7: its result is not quantized" in short
    assert f"%HardSwish_8 (hard_swish) of node HardSwish_8: {no_bound}" in long


def test_a_module_of_numbers_has_no_report():
    assert quantization_report(import_onnx(network()).module) is None
