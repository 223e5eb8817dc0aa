"""Quantized elements, against ONNX's own reference, and layers on them."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from plait.backends.errors import RunError
from plait.backends.reference import evaluate
from plait.ir.dtypes import ConstantName, DType, Quantized
from plait.ir.quantization import dequantize, quantize
from plait.ir.text import parse_module
from plait.ir.values import Array

X = np.array([[-300, -1.3, -0.75, 0.25], [0.5, 0.75, 1.25, 300]], np.float32)
CONSTANTS = {
    "s": np.array([0.5, 0.25], np.float32),
    "z": np.array([3, 1]),
    "b": np.array([[0.5, 0.25], [1, 2]], np.float32),
}


def onnx_quantize(x: Array, scale: Array, zero: Array, axis: int, block: int) -> tuple[Array, Array]:
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"], axis=axis, block_size=block),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"], axis=axis, block_size=block),
    ]
    any_ = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, None)  # noqa: E731
    graph = helper.make_graph(nodes, "g", [any_("x"), any_("s"), any_("z")], [any_("q"), any_("y")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])
    q, y = ReferenceEvaluator(model).run(None, {"x": x, "s": scale, "z": zero})
    return np.asarray(q), np.asarray(y)


@pytest.mark.parametrize("storage", [DType.I8, DType.U8, DType.I4, DType.U4, DType.I16, DType.U16])
@pytest.mark.parametrize("way", ["tensor", "axis", "block"])
def test_against_onnx(storage: DType, way: str) -> None:
    name = {"tensor": 0.5, "axis": (0.5, 0.25), "block": "b"}[way]
    scale = CONSTANTS["b"] if way == "block" else np.array(name, np.float32)
    zero = np.full(scale.shape, 3).astype(storage.numpy)
    axis, block = (1, 2) if way == "block" else (0, 0)
    q, y = onnx_quantize(X, scale, zero, axis, block)
    dtype = Quantized(
        storage,
        ConstantName("b") if way == "block" else name,
        ConstantName("zb") if way == "block" else (3, 3) if way == "axis" else 3,
        None if way == "tensor" else axis,
        block,
    )
    lookup = {**CONSTANTS, "zb": zero}.__getitem__
    found = quantize(X, dtype, lookup)
    assert found.dtype == storage.numpy and found.astype(int).tolist() == q.astype(int).tolist()
    np.testing.assert_array_equal(dequantize(found, dtype, lookup), y)


def test_layers_compute_with_the_numbers() -> None:
    text = """ir 1
const @s : f32[2] = [0.5, 0.25]
net @main(%x: f32[2x2]) -> (%q: q8<@s:3 axis 0>[2x2], %r: q8<@s:3 axis 0>[2x2], %y: f32[2x2], %n: q8<1.0>[2x2]) {
  %q = cast(%x) {to = q8<@s:3 axis 0>}
  %r = relu(%q)
  %y = cast(%r) {to = f32}
  %n = cast(%r) {to = q8<1.0>}
}
"""
    module = parse_module(text)
    assert str(module) == str(parse_module(str(module)))
    found = evaluate(module, [np.array([[-1, 1.1], [-7, 2]], np.float32)])
    assert found["q"].tolist() == [[1, 5], [-25, 11]] and found["q"].dtype == np.int8
    assert found["r"].tolist() == [[3, 5], [3, 11]]
    assert found["y"].tolist() == [[0, 1], [0, 2]] and found["y"].dtype == np.float32
    assert found["n"].tolist() == [[0, 1], [0, 2]]
    with pytest.raises(RunError, match="there is no constant @s"):
        evaluate(module.main, [np.zeros((2, 2), np.float32)])


@pytest.mark.parametrize("dtype", ["q32<0.1:7>", "q16<0.3>", "q4<0.7:-2>"])
def test_moving_elements_keeps_them(dtype: str) -> None:
    body = "{\n  %y = reshape(%x) {shape = [2, 2]}\n}"
    module = parse_module(f"ir 1\nnet @main(%x: {dtype}[4]) -> (%y: {dtype}[2x2]) {body}\n")
    type = module.main.arguments[0].type.dtype
    low, high = type.storage.integer_range
    x = np.array([low, high, low + 1, 3]).astype(type.numpy)
    assert evaluate(module, [x])["y"].astype(int).tolist() == x.reshape(2, 2).astype(int).tolist()


def test_numbers_that_are_none() -> None:
    dtype = Quantized(DType.I8, 0.5, 3)
    assert quantize(np.array([np.nan, np.inf, -np.inf]), dtype, CONSTANTS.__getitem__).tolist() == [0, 127, -128]
