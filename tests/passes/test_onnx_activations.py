"""Activation functions in their usual ONNX spellings end up inside the layer that makes their operand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from plait.backends.reference import evaluate
from plait.frontends.onnx import import_onnx
from plait.ir.activation import Activation
from plait.passes.manager import PassManager
from plait.passes.pipeline import Pipeline
from plait.testing.compare import assert_close
from plait.testing.onnx_check import example, graph_model, onnxruntime_outputs

NUMBERS = {
    "half": 0.5, "zero": 0.0, "one": 1.0, "three": 3.0, "six": 6.0, "root": math.sqrt(2),
}  # fmt: skip
# Name -> activation, and the nodes that spell it: operator, operands (c: what is activated), result, attributes.
SPELLINGS: dict[str, tuple[Activation, list[Any]]] = {
    "LeakyRelu": (Activation("leaky_relu", (0.1,)), [("LeakyRelu", "c", "y", {"alpha": 0.1})]),
    "leaky relu by Max": (Activation("leaky_relu", (0.5,)), [("Mul", "c half", "m"), ("Max", "c m", "y")]),
    "leaky relu by Max, scaled first": (
        Activation("leaky_relu", (0.5,)),
        [("Mul", "half c", "m"), ("Max", "m c", "y")],
    ),
    "SiLU": (Activation("silu"), [("Sigmoid", "c", "s"), ("Mul", "c s", "y")]),
    "SiLU, gate first": (Activation("silu"), [("Sigmoid", "c", "s"), ("Mul", "s c", "y")]),
    "HardSwish": (Activation("hard_swish"), [("HardSwish", "c", "y")]),
    "hard swish by HardSigmoid": (
        Activation("hard_swish"),
        [("HardSigmoid", "c", "s", {"alpha": 1 / 6, "beta": 0.5}), ("Mul", "c s", "y")],
    ),
    "hard swish by Clip, divided last": (
        Activation("hard_swish"),
        [("Add", "c three", "a"), ("Clip", "a zero six", "k"), ("Mul", "c k", "m"), ("Div", "m six", "y")],
    ),
    "hard swish by Clip, divided first": (
        Activation("hard_swish"),
        [("Add", "c three", "a"), ("Clip", "a zero six", "k"), ("Div", "k six", "d"), ("Mul", "d c", "y")],
    ),
    "HardSigmoid": (Activation("hard_sigmoid", (0.25, 0.5)), [("HardSigmoid", "c", "y", {"alpha": 0.25})]),
    "hard sigmoid by Clip": (
        Activation("hard_sigmoid", (1 / 6, 0.5)),
        [("Add", "c three", "a"), ("Clip", "a zero six", "k"), ("Div", "k six", "y")],
    ),
    "Clip": (Activation("clip", (0.5, 3.0)), [("Clip", "c half three", "y")]),
    "ReLU6 by Max and Min": (Activation("clip", (0.0, 6.0)), [("Max", "c zero", "m"), ("Min", "m six", "y")]),
    "ReLU6 by Relu and Min": (Activation("clip", (0.0, 6.0)), [("Relu", "c", "m"), ("Min", "m six", "y")]),
    "Gelu": (Activation("gelu"), [("Gelu", "c", "y")]),
    "GELU by Erf, halved last": (
        Activation("gelu"),
        [("Div", "c root", "d"), ("Erf", "d", "e"), ("Add", "e one", "p"), ("Mul", "c p", "m"), ("Mul", "m half", "y")],
    ),
    "GELU by Erf, halved first": (
        Activation("gelu"),
        [("Div", "c root", "d"), ("Erf", "d", "e"), ("Add", "one e", "p"), ("Mul", "c half", "m"), ("Mul", "m p", "y")],
    ),
}  # fmt: skip
BEFORE: dict[str, tuple[list[onnx.NodeProto], dict[str, Any], dict[str, Any]]] = {
    "conv2d": (
        [helper.make_node("Conv", ["x", "w", "b"], ["c"])],
        {"x": example(1, 3, 4, 4)},
        {"w": example(2, 3, 3, 3, seed=1), "b": example(2, seed=2)},
    ),
    "fully_connected": (
        [helper.make_node("Gemm", ["x", "w", "b"], ["c"])],
        {"x": example(3, 5)},
        {"w": example(5, 4, seed=1), "b": example(4, seed=2)},
    ),
    "add": ([helper.make_node("Add", ["x", "z"], ["c"])], {"x": example(3, 5), "z": example(3, 5, seed=1)}, {}),
}


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("name", SPELLINGS)
def test_spelling(name: str, before: str) -> None:
    wanted, spelled = SPELLINGS[name]
    nodes, inputs, constants = BEFORE[before]
    for op, operands, result, *attributes in spelled:
        nodes = [*nodes, helper.make_node(op, operands.split(), [result], **(attributes[0] if attributes else {}))]
    used = {name for node in nodes for name in node.input}
    numbers = {name: np.array(number, np.float32) for name, number in NUMBERS.items() if name in used}
    model = graph_model(nodes, inputs, {**constants, **numbers}, ["y"], opset=20)
    module = import_onnx(model).module
    PassManager(Pipeline.parse("default")).run(module)
    (layer,) = module.main
    assert (layer.op, layer.act.kind) == (before, wanted.kind)  # type: ignore[attr-defined]
    assert layer.act.params == pytest.approx(wanted.params)  # type: ignore[attr-defined]
    assert_close(evaluate(module, inputs), onnxruntime_outputs(model, inputs))
