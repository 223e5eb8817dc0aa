"""Operators on quantized tensors against ONNX Runtime: at most one step apart where sums are rounded."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

from plait.backends.reference import evaluate
from plait.frontends import UnsupportedModel
from plait.frontends.onnx import import_onnx
from plait.ir.dtypes import ConstantName, Quantized
from plait.ir.layers.bits import Bitcast
from plait.testing.onnx_check import check_text, example, graph_model, node_model, onnxruntime_outputs

F = np.float32


def integers(*shape, seed=0, dtype=np.uint8):
    limits = np.iinfo(dtype)
    return np.random.default_rng(seed).integers(limits.min, limits.max + 1, shape).astype(dtype)


def differences(model, inputs, **options):
    """The module, and how far its outputs are from those of ONNX Runtime, in steps of the integers."""
    module = import_onnx(model, **options).module
    check_text(module)
    actual = evaluate(module, inputs)
    wanted = onnxruntime_outputs(model, inputs)
    assert {n: a.dtype for n, a in actual.items()} == {n: a.dtype for n, a in wanted.items()}
    return module, {n: np.abs(actual[n].astype(np.float64) - wanted[n]) for n in wanted}


def check(model, inputs, steps=0.0, **options):
    module, found = differences(model, inputs, **options)
    assert max(d.max() for d in found.values()) <= steps, {n: (d.max(), (d > 0).mean()) for n, d in found.items()}
    return module


# --- to integers and back ---


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16])
@pytest.mark.parametrize("opset", [10, 13, 21])
def test_quantize_and_dequantize(dtype, opset):
    if opset < 21 and np.dtype(dtype).itemsize > 1:
        pytest.skip("of 8 bits only")
    zero = dtype(3)
    x = np.concatenate([example(500, low=-40, high=40), F([0.25, 0.75, 1e9, -1e9, 0.0])])
    module = check(node_model("QuantizeLinear", {"x": x}, {"s": F(0.5), "z": zero}, opset=opset), {"x": x})
    assert isinstance(module.main.outputs[0].type.dtype, Quantized)
    q = integers(400, dtype=dtype)
    module = check(node_model("DequantizeLinear", {"q": q}, {"s": F(0.3), "z": zero}, opset=opset), {"q": q}, 2e-3)
    # The argument itself is quantized: nothing is left to do but the cast.
    assert [layer.op for layer in module.main] == ["cast"]


def test_per_axis_scales_are_named():
    q, s, z = integers(2, 3, 4), F([0.5, 0.25, 2.0]), np.uint8([1, 2, 3])
    model = node_model("DequantizeLinear", {"q": q}, {"s": s, "z": z}, opset=13)
    module = check(model, {"q": q})
    dtype = module.main.arguments[0].type.dtype
    assert (dtype.scale, dtype.zero, dtype.axis) == (ConstantName("s"), ConstantName("z"), 1)


def test_zero_points_that_are_all_zero_are_not_named():
    q = integers(2, 3, dtype=np.int8)
    model = node_model("DequantizeLinear", {"q": q}, {"s": F([1, 2, 3]), "z": np.int8([0, 0, 0])}, opset=13, axis=-1)
    module = check(model, {"q": q})
    assert module.main.arguments[0].type.dtype.zero == 0 and "z" not in module.constants


def test_blocks():
    q, s = integers(2, 6, dtype=np.int8), example(2, 3, low=0.5, high=2)
    model = node_model("DequantizeLinear", {"q": q}, {"s": s}, opset=21, axis=1, block_size=2)
    assert check(model, {"q": q}, 1e-4).main.arguments[0].type.dtype.block == 2


@pytest.mark.parametrize("op", ["QuantizeLinear", "DequantizeLinear"])
@pytest.mark.parametrize("axis", [None, 1])
def test_scales_computed_at_run_time(op, axis):
    x = example(2, 3, 4, high=30) if op == "QuantizeLinear" else integers(2, 3, 4)
    s, z = (F(0.25), np.uint8(7)) if axis is None else (F([0.25, 0.5, 1]), np.uint8([7, 0, 200]))
    inputs = {"x": x, "s": s, "z": z}
    module = check(node_model(op, inputs, opset=13, **({} if axis is None else {"axis": axis})), inputs, 1e-4)
    assert not any(isinstance(v.type.dtype, Quantized) for layer in module.main for v in layer.results)


def test_what_is_stored_as_floats_is_refused():
    model = node_model("DequantizeLinear", {"q": example(4)}, {"s": F(1)}, opset=19)
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT8E4M3FN
    with pytest.raises(UnsupportedModel, match=r"the_DequantizeLinear .*quantized elements stored as f8e4m3fn"):
        import_onnx(model)


def test_bytes_are_integers_to_operators_that_compute():
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("Cast", ["q"], ["y"], to=onnx.TensorProto.INT32),
    ]
    x = example(50, high=20)
    model = graph_model(nodes, {"x": x}, {"s": F(0.1), "z": np.uint8(5)}, ["y"])
    assert any(isinstance(layer, Bitcast) for layer in check(model, {"x": x}).main)


def test_bytes_that_only_move_keep_their_meaning():
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("Transpose", ["q"], ["t"], perm=[0, 2, 3, 1]),
        helper.make_node("MaxPool", ["t"], ["m"], kernel_shape=[2, 2]),
        helper.make_node("Concat", ["m", "m"], ["c"], axis=1),
        helper.make_node("Reshape", ["c", "shape"], ["r"]),
        helper.make_node("DequantizeLinear", ["r", "s", "z"], ["y"]),
    ]
    x = example(1, 2, 5, 6, high=20)
    constants = {"s": F(0.1), "z": np.uint8(5), "shape": np.array([1, -1])}
    module = check(graph_model(nodes, {"x": x}, constants, ["y"]), {"x": x}, 1e-5)
    assert [layer.op for layer in module.main] == ["cast", "transpose", "max_pool2d", "concat", "reshape", "cast"]


@pytest.mark.parametrize(
    "x", [example(50), example(3, 4, low=1), example(3, 4, high=-1)], ids=["both", "above", "below"]
)
def test_dynamic_quantize_linear(x):
    check(node_model("DynamicQuantizeLinear", {"x": x}, outputs=["y", "s", "z"], opset=11), {"x": x})


# --- linear operators ---

X, XZ = integers(2, 4, 7, 6), np.uint8(100)


@pytest.mark.parametrize("signed", [False, True], ids=["u8", "s8"])
@pytest.mark.parametrize(
    ("scales", "attributes"),
    [
        (F(0.02), {}),
        (example(6, low=0.01, high=0.03), {"pads": [1, 0, 1, 2], "strides": [2, 1]}),
        (example(6, low=0.01, high=0.03), {"group": 2, "auto_pad": "SAME_UPPER"}),
    ],
    ids=["tensor", "channels", "groups"],
)
def test_qlinear_conv(scales, attributes, signed):
    kind = np.int8 if signed else np.uint8
    x, zero = (X, XZ) if not signed else ((X.astype(np.int16) - 128).astype(np.int8), np.int8(-28))
    weight = integers(6, 4 // attributes.get("group", 1), 3, 3, seed=1, dtype=np.int8)
    weights = {"xs": F(0.03), "xz": zero, "w": weight, "ws": scales, "wz": np.zeros(np.shape(scales), np.int8)}
    ends = {"ys": F(0.5), "yz": kind(10), "b": integers(6, dtype=np.int16).astype(np.int32)}
    check(node_model("QLinearConv", {"x": x}, weights | ends, opset=10, **attributes), {"x": x}, 1)


@pytest.mark.parametrize("b_scale", [F(0.02), F([0.01, 0.02, 0.03, 0.04, 0.05])], ids=["tensor", "columns"])
@pytest.mark.parametrize("rank", [2, 3])
def test_qlinear_matmul(b_scale, rank):
    a = integers(2, 3, 4)[-1 if rank == 2 else slice(None)]
    zeros = np.full(np.shape(b_scale), 3, np.int8)
    weights = {"as": F(0.1), "az": np.uint8(9), "b": integers(4, 5, seed=1, dtype=np.int8), "bs": b_scale, "bz": zeros}
    check(node_model("QLinearMatMul", {"a": a}, weights | {"ys": F(0.3), "yz": np.uint8(128)}, opset=10), {"a": a}, 1)


@pytest.mark.parametrize("zeros", [False, True])
def test_integer_products_are_exact(zeros):
    points = {"xz": np.uint8(120)} if zeros else {}
    a, b = integers(3, 40), integers(40, 5, seed=1, dtype=np.int8)
    slots = ["x", "b", "xz", "bz"] if zeros else ["x", "b"]
    both = points | ({"bz": np.int8(-3)} if zeros else {})
    check(node_model("MatMulInteger", {"x": a}, {"b": b} | both, slots=slots, opset=10), {"x": a})
    weight = integers(2, 4, 3, 3, seed=2)
    check(node_model("ConvInteger", {"x": X}, {"w": weight} | points, opset=10, pads=[1, 1, 1, 1]), {"x": X})


@pytest.mark.parametrize("zero", [np.uint8(120), np.uint8([7]), None], ids=str)
@pytest.mark.parametrize("b_zero", [np.int8(-3), np.int8([4] * 5), None], ids=str)
def test_integer_products_are_matrix_products_of_bytes(zero, b_zero):
    a, b = integers(2, 3, 40), integers(40, 5, seed=1, dtype=np.int8)
    points = {name: value for name, value in (("xz", zero), ("bz", b_zero)) if value is not None}
    slots = ["x", "b", "xz" if zero is not None else "", *(["bz"] if b_zero is not None else [])]
    module = check(node_model("MatMulInteger", {"x": a}, {"b": b} | points, slots=slots, opset=10), {"x": a})
    assert [layer.op for layer in module.main if not isinstance(layer, Bitcast)] == ["matmul"]


def test_integer_products_with_zero_points_of_columns_are_exact():
    a, b = integers(2, 3, 40), integers(40, 5, seed=1, dtype=np.int8)
    points = {"xz": np.uint8(120), "bz": np.int8([1, -2, 3, -4, 127])}
    check(node_model("MatMulInteger", {"x": a}, {"b": b} | points, slots=["x", "b", "xz", "bz"], opset=10), {"x": a})


@pytest.mark.parametrize("b_zero", [np.int8(-3), None], ids=str)
def test_zero_points_of_rows_may_be_computed(b_zero):
    """DynamicQuantizeLinear makes one."""
    a, b, zero = integers(2, 3, 40), integers(40, 5, seed=1, dtype=np.int8), np.uint8(131)
    points = {} if b_zero is None else {"bz": b_zero}
    slots = ["x", "b", "xz", *points]
    model = node_model("MatMulInteger", {"x": a, "xz": zero}, {"b": b} | points, slots=slots, opset=10)
    kinds = [layer.op for layer in check(model, {"x": a, "xz": zero}).main]
    assert kinds.count("matmul") == 1 and kinds.count("sub") == 1


QB = {"as": F(0.1), "az": np.uint8(9), "b": integers(4, 1, 1, seed=1), "bs": F(0.2), "bz": np.uint8(100)}
QX = {"xs": F(0.02), "xz": np.uint8(120), "ys": F(0.03), "yz": np.uint8(3)}


@pytest.mark.parametrize(
    ("op", "constants", "attributes"),
    [
        ("QLinearAdd", QB | {"ys": F(0.4), "yz": np.uint8(50)}, {}),
        ("QLinearMul", QB | {"ys": F(4), "yz": np.uint8(50)}, {}),
        ("QLinearAveragePool", QX, {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 1, 1]}),
        ("QLinearAveragePool", QX, {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}),
        ("QLinearGlobalAveragePool", QX, {}),
        ("QLinearSigmoid", QX | {"ys": F(1 / 256)}, {}),
        ("QLinearLeakyRelu", QX | {"yz": np.uint8(100)}, {"alpha": 0.2}),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_operators_of_onnx_runtime(op, constants, attributes):
    check(node_model(op, {"x": X}, constants, opset=1, domain="com.microsoft", **attributes), {"x": X}, 1)


def test_qlinear_softmax():
    model = node_model("QLinearSoftmax", {"x": X}, QX | {"ys": F(1 / 256)}, opset=1, domain="com.microsoft", axis=-1)
    model.graph.node[0].attribute.append(helper.make_attribute("opset", 13))
    check(model, {"x": X}, 1)


def test_qlinear_concat():
    x, y = integers(2, 3), integers(2, 4, seed=1)
    parameters = {"ys": F(0.2), "yz": np.uint8(9), "as": F(0.1), "az": np.uint8(8), "bs": F(0.2), "bz": np.uint8(9)}
    slots = ["ys", "yz", "x", "as", "az", "y", "bs", "bz"]
    model = node_model(
        "QLinearConcat",
        {"x": x, "y": y},
        parameters,
        slots=slots,
        outputs=["z"],
        opset=1,
        domain="com.microsoft",
        axis=1,
    )
    check(model, {"x": x, "y": y}, 1)


@pytest.mark.parametrize("trans", [0, 1])
@pytest.mark.parametrize("quantized", [True, False])
def test_qgemm(trans, quantized):
    a, b = integers(3, 4), integers(5, 4, seed=1, dtype=np.int8)
    weights = {"as": F(0.1), "az": np.uint8(9), "b": b if trans else b.T, "bs": example(5, low=0.01, high=0.05)}
    weights |= {"bz": np.zeros(5, np.int8), "c": integers(5, dtype=np.int16).astype(np.int32)}
    weights |= {"ys": F(0.3), "yz": np.uint8(128)} if quantized else {}
    model = node_model("QGemm", {"a": a}, weights, opset=1, domain="com.microsoft", transB=trans)
    module = check(model, {"a": a}, 1 if quantized else 1e-4)
    assert "fully_connected" in [layer.op for layer in module.main]


@pytest.mark.parametrize("trans", [0, 1])
def test_gemm_of_dequantized_weights_is_fully_connected(trans):
    b = integers(5, 4, dtype=np.int8)
    nodes = [
        helper.make_node("DequantizeLinear", ["b", "bs", "bz"], ["bd"], axis=0 if trans else 1),
        helper.make_node("DequantizeLinear", ["c", "cs"], ["cd"]),
        helper.make_node("Gemm", ["a", "bd", "cd"], ["y"], transB=trans),
    ]
    a, constants = example(3, 4), {"b": b if trans else b.T, "bs": example(5, low=0.1), "bz": np.zeros(5, np.int8)}
    constants |= {"c": np.arange(5, dtype=np.int32), "cs": F(0.1)}
    module = check(graph_model(nodes, {"a": a}, constants, ["y"]), {"a": a}, 1e-3)
    assert [layer.op for layer in module.main if layer.results[0].users] == ["cast", "cast", "fully_connected"]


def test_images_with_channels_last_are_refused():
    model = node_model("QLinearGlobalAveragePool", {"x": X}, QX, opset=1, domain="com.microsoft", channels_last=1)
    with pytest.raises(UnsupportedModel, match="channels last"):
        import_onnx(model)
