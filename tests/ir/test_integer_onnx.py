"""Integer layers against ONNX and ONNX Runtime, which change scales in other ways: seldom a step apart, never more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from plait.backends.reference import evaluate
from plait.ir.text import parse_module
from plait.ir.values import Array

SX, ZX, SY, ZY = np.float32(0.0235), np.uint8(101), np.float32(0.31), np.uint8(7)
MOST = 0.005
"""Of the elements, so many may differ by a step."""


def model(op: str, inputs: list[str], constants: Mapping[str, Any], domain: str = "", **attributes: Any) -> ModelProto:
    """One node on `x`, which is u8."""
    node = helper.make_node(op, inputs, ["y"], domain=domain, **attributes)
    initializers = [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()]
    info = [helper.make_tensor_value_info(n, TensorProto.UINT8, None) for n in "xy"]
    graph = helper.make_graph([node], "g", info[:1], info[1:], initializers)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def agree(found: Array, wanted: Array) -> None:
    apart = np.abs(found.astype(int) - wanted.astype(int))
    assert found.shape == wanted.shape and apart.max() <= 1 and (apart > 0).mean() <= MOST
    assert len(np.unique(found)) > 30, "results of all sizes"


def both(made: ModelProto, x: Array) -> list[Array]:
    """The results of ONNX's own reference, if it has the operator, and of ONNX Runtime."""
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    found = [session.run(None, {"x": x})[0]]
    if made.graph.node[0].domain == "":
        found.append(np.asarray(ReferenceEvaluator(made).run(None, {"x": x})[0]))
    return found


def ours(line: str, constants: Mapping[str, tuple[str, Array]], x: Array) -> Array:
    shape = "x".join(map(str, x.shape))
    arguments = ", ".join(
        [
            f"%x: qu8<{SX}:{ZX}>[{shape}]",
            *(f"%{n}: {t}[{'x'.join(map(str, a.shape))}]" for n, (t, a) in constants.items()),
        ]
    )
    module = parse_module(f"ir 1\nnet @main({arguments}) -> () {{\n  %y = {line}\n}}\n")
    (layer,) = module.walk()
    module.main.set_outputs([layer.result])
    result: Array = evaluate(module, {"x": x, **{n: a for n, (_, a) in constants.items()}})["y"]
    return result


def test_convolution() -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (1, 8, 24, 24), np.uint8)
    w = rng.integers(-128, 128, (16, 8, 3, 3)).astype(np.int8)
    scales = rng.uniform(0.005, 0.02, 16).astype(np.float32)
    bias = rng.integers(-5000, 5000, 16).astype(np.int32)
    names = ["x", "sx", "zx", "w", "sw", "zw", "sy", "zy", "b"]
    constants = {"sx": SX, "zx": ZX, "w": w, "sw": scales, "zw": np.zeros(16, np.int8), "sy": SY, "zy": ZY, "b": bias}
    made = model("QLinearConv", names, constants, pads=[1, 1, 1, 1])
    listed = [f"[{', '.join(map(str, values))}] axis 0" for values in (scales.tolist(), (scales * SX).tolist())]
    found = ours(
        f"conv2d(%x, %w, %b) {{pad = 1, to = qu8<{SY}:{ZY}>}}",
        {"w": (f"q8<{listed[0]}>", w), "b": (f"q32<{listed[1]}>", bias)},
        x,
    )
    for wanted in both(made, x):
        agree(found, wanted)


def test_matrix_product() -> None:
    rng = np.random.default_rng(1)
    x, w = rng.integers(0, 256, (64, 100), np.uint8), rng.integers(0, 256, (100, 40), np.uint8)
    names = ["x", "sx", "zx", "w", "sw", "zw", "sy", "zy"]
    sw, zw = np.float32(0.013), np.uint8(120)
    made = model("QLinearMatMul", names, {"sx": SX, "zx": ZX, "w": w, "sw": sw, "zw": zw, "sy": SY, "zy": ZY})
    found = ours(f"matmul(%x, %w) {{to = qu8<{SY}:{ZY}>}}", {"w": (f"qu8<{sw}:{zw}>", w)}, x)
    for wanted in both(made, x):
        agree(found, wanted)


@pytest.mark.parametrize(("op", "layer", "sy"), [("QLinearAdd", "add", 0.0173), ("QLinearMul", "mul", 0.009)])
def test_arithmetic(op: str, layer: str, sy: float) -> None:
    rng = np.random.default_rng(2)
    x, w = rng.integers(0, 256, (50, 100), np.uint8), rng.integers(0, 256, (50, 100), np.uint8)
    names = ["x", "sx", "zx", "w", "sw", "zw", "sy", "zy"]
    sw, zw, scale = np.float32(0.013), np.uint8(120), np.float32(sy)
    constants = {"sx": SX, "zx": ZX, "w": w, "sw": sw, "zw": zw, "sy": scale, "zy": ZY}
    (wanted,) = both(model(op, names, constants, "com.microsoft"), x)
    agree(ours(f"{layer}(%x, %w) {{to = qu8<{scale}:{ZY}>}}", {"w": (f"qu8<{sw}:{zw}>", w)}, x), wanted)
