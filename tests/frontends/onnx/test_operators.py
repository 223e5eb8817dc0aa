"""Converters of windows, products, normalisation and activations against ONNX Runtime, over attributes and opsets."""

from __future__ import annotations

import numpy as np
import pytest

from plait.ir.layers.linear import FullyConnected
from plait.ir.layers.normalization import Softmax
from plait.testing.onnx_check import check_import, example, node_model

IMAGE = example(2, 4, 9, 8)
SEQUENCE = example(2, 4, 11)


def run(op, inputs, constants=None, tolerance=1e-5, **options):
    """Import a one-node model and compare; returns the kinds of the layers."""
    module = check_import(
        node_model(op, inputs, constants, **options), {k: np.asarray(v) for k, v in inputs.items()}, tolerance
    )
    return [layer.op for layer in module.main]


# --- convolution and pooling ---

CONVS = [
    {},
    {"pads": [1, 2, 0, 1]},
    {"strides": [2, 3]},
    {"dilations": [2, 1]},
    {"pads": [1, 1, 1, 1], "strides": [2, 2]},
    {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
    {"auto_pad": "SAME_LOWER", "strides": [2, 3]},
    {"auto_pad": "SAME_UPPER"},
    {"auto_pad": "VALID", "strides": [2, 1]},
    {"kernel_shape": [3, 2]},
]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("attributes", CONVS, ids=str)
@pytest.mark.parametrize("opset", [7, 11, 22])
def test_conv(attributes, bias, opset):
    constants = {"w": example(6, 4, 3, 2, seed=1)} | ({"b": example(6, seed=2)} if bias else {})
    assert run("Conv", {"x": IMAGE}, constants, opset=opset, **attributes) == ["conv2d"]


@pytest.mark.parametrize("groups", [2, 4])
def test_conv_in_groups(groups):
    run("Conv", {"x": IMAGE}, {"w": example(8, 4 // groups, 3, 3)}, group=groups)


@pytest.mark.parametrize(
    "attributes", [{}, {"strides": [2]}, {"pads": [2, 1]}, {"auto_pad": "SAME_UPPER", "strides": [3]}], ids=str
)
def test_conv_over_a_sequence_is_one_over_an_image(attributes):
    kinds = run("Conv", {"x": SEQUENCE}, {"w": example(6, 4, 3), "b": example(6)}, **attributes)
    assert kinds == ["reshape", "conv2d", "reshape"]


def test_conv_with_run_time_weight():
    run("Conv", {"x": IMAGE, "w": example(6, 4, 3, 3)})


POOLS = [
    {"kernel_shape": [2, 2], "strides": [2, 2]},
    {"kernel_shape": [3, 2], "pads": [1, 0, 2, 1]},
    {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1},
    {"kernel_shape": [3, 3], "strides": [2, 3], "pads": [1, 1, 1, 1], "ceil_mode": 1},
    {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
    {"kernel_shape": [2, 3], "strides": [2, 2], "auto_pad": "SAME_LOWER"},
    {"kernel_shape": [2, 3], "strides": [3, 1], "auto_pad": "VALID"},
]


@pytest.mark.parametrize("attributes", [*POOLS, {"kernel_shape": [2, 2], "dilations": [2, 3]}], ids=str)
def test_max_pool(attributes):
    assert run("MaxPool", {"x": IMAGE}, **attributes) == ["max_pool2d"]


@pytest.mark.parametrize("counted", [0, 1])
@pytest.mark.parametrize("attributes", POOLS, ids=str)
def test_average_pool(attributes, counted):
    assert run("AveragePool", {"x": IMAGE}, count_include_pad=counted, **attributes) == ["avg_pool2d"]


@pytest.mark.parametrize("counted", [0, 1])
def test_average_pool_with_dilation(counted):
    attributes = {"kernel_shape": [2, 3], "dilations": [2, 2], "pads": [1, 1, 1, 1], "count_include_pad": counted}
    run("AveragePool", {"x": IMAGE}, opset=19, **attributes)


@pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
def test_pool_over_a_sequence(op):
    run(op, {"x": SEQUENCE}, kernel_shape=[3], strides=[2], pads=[1, 1], ceil_mode=1)


@pytest.mark.parametrize("op", ["GlobalAveragePool", "GlobalMaxPool"])
@pytest.mark.parametrize("shape", [(2, 3, 5, 4), (2, 3, 5), (2, 3, 4, 3, 2)], ids=str)
def test_global_pool(op, shape):
    run(op, {"x": example(*shape)})


# --- matrix products ---


@pytest.mark.parametrize("bias", [None, (5,), (1, 5), (1,), (), (3, 1), (3, 5)], ids=str)
@pytest.mark.parametrize("trans", [(0, 0), (0, 1), (1, 0), (1, 1)], ids=str)
@pytest.mark.parametrize("factors", [{}, {"alpha": 0.5, "beta": 2.0}], ids=str)
def test_gemm(bias, trans, factors):
    a, b = example(4, 3) if trans[0] else example(3, 4), example(5, 4, seed=1) if trans[1] else example(4, 5, seed=1)
    constants = {"b": b} | ({} if bias is None else {"c": example(*bias, seed=2)})
    module = check_import(
        node_model("Gemm", {"a": a}, constants, transA=trans[0], transB=trans[1], **factors), {"a": a}
    )
    layer = next(layer for layer in module.main if layer.op == "fully_connected")
    assert isinstance(layer, FullyConnected)
    assert (layer.bias is not None) == (bias not in (None, (3, 1), (3, 5)))


@pytest.mark.parametrize("trans", [(0, 0), (1, 1)], ids=str)
def test_gemm_with_run_time_weight(trans):
    a, b = example(4, 3) if trans[0] else example(3, 4), example(5, 4) if trans[1] else example(4, 5)
    kinds = run("Gemm", {"a": a, "b": b, "c": example(5)}, transA=trans[0], transB=trans[1], alpha=0.5, beta=3.0)
    assert kinds[-3:] == ["mul", "mul", "add"] and "matmul" in kinds


def test_gemm_with_run_time_bias():
    assert run(
        "Gemm", {"a": example(3, 4), "c": example(5)}, {"b": example(5, 4)}, slots=["a", "b", "c"], transB=1
    ) == ["fully_connected"]
    run("Gemm", {"a": example(3, 4), "c": example(5)}, {"b": example(5, 4)}, slots=["a", "b", "c"], transB=1, beta=0.5)


@pytest.mark.parametrize(
    "shapes",
    [
        ((3, 4), (4, 5)),
        ((2, 3, 4), (4, 5)),
        ((2, 1, 3, 4), (5, 4, 6)),
        ((4,), (4, 5)),
        ((3, 4), (4,)),
        ((4,), (4,)),
        ((2, 3, 4), (4,)),
        ((4,), (2, 4, 3)),
    ],
    ids=str,
)
@pytest.mark.parametrize("constant", [False, True])
def test_matmul(shapes, constant):
    a, b = example(*shapes[0]), example(*shapes[1], seed=1)
    run("MatMul", {"a": a}, {"b": b}) if constant else run("MatMul", {"a": a, "b": b})


# --- normalisation ---


@pytest.mark.parametrize(
    ("opset", "attributes"), [(7, {}), (9, {"epsilon": 1e-3}), (14, {}), (15, {"training_mode": 0})], ids=str
)
@pytest.mark.parametrize("shape", [(2, 4, 5, 3), (2, 4), (2, 4, 6)], ids=str)
def test_batch_norm(opset, attributes, shape):
    stats = {"s": example(4), "b": example(4, seed=1), "m": example(4, seed=2), "v": example(4, seed=3, low=0.5)}
    assert run("BatchNormalization", {"x": example(*shape)}, stats, opset=opset, **attributes) == ["batch_norm"]


@pytest.mark.parametrize("axis", [-1, 1, -2])
def test_layer_norm(axis):
    shape = (2, 3, 4)
    weights = {"s": example(*shape[axis:]), "b": example(*shape[axis:], seed=1)}
    assert run("LayerNormalization", {"x": example(*shape)}, weights, axis=axis, epsilon=1e-3) == ["layer_norm"]
    run("LayerNormalization", {"x": example(*shape)}, weights, axis=axis, outputs=["y", "mean", "inverse"])


@pytest.mark.parametrize("size", [1, 3, 5])  # ONNX Runtime takes odd sizes only
def test_local_response_norm(size):
    run("LRN", {"x": example(2, 7, 4, 3)}, size=size, alpha=0.2, beta=0.6, bias=1.5)


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax"])
@pytest.mark.parametrize("opset", [7, 11, 12, 13, 17])
@pytest.mark.parametrize("axis", [None, 0, 1, 2, -1])
def test_softmax(op, opset, axis):
    if opset < 11 and axis == -1:
        axis = 1
    run(op, {"x": example(3, 4, 5)}, opset=opset, **({} if axis is None else {"axis": axis}))


def test_old_softmax_of_an_image_takes_all_axes_together():
    """What squeezenet relies on: before opset 13, axis 1 of [1, C, 1, 1] stands for C."""
    module = check_import(node_model("Softmax", {"x": example(1, 10, 1, 1)}, opset=9), {"x": example(1, 10, 1, 1)})
    assert [layer.axis for layer in module.main if isinstance(layer, Softmax)] == [1] and len(module.main.body) == 1
    assert run("Softmax", {"x": example(2, 3, 4)}, opset=9) == ["reshape", "softmax", "reshape"]


def test_instance_norm():
    run("InstanceNormalization", {"x": IMAGE}, {"s": example(4), "b": example(4, seed=1)})


# --- activations ---

ACTIVATIONS = [
    ("Relu", {}),
    ("Sigmoid", {}),
    ("Tanh", {}),
    ("LeakyRelu", {}),
    ("LeakyRelu", {"alpha": 0.3}),
    ("Elu", {"alpha": 0.7}),
    ("Selu", {}),
    ("Celu", {"alpha": 1.5}),
    ("HardSigmoid", {}),
    ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
    ("HardSwish", {}),
    ("Softplus", {}),
    ("Softsign", {}),
    ("Dropout", {}),
    ("Identity", {}),
    ("Erf", {}),
]


@pytest.mark.parametrize(("op", "attributes"), ACTIVATIONS, ids=str)
def test_activation(op, attributes):
    run(op, {"x": example(3, 50, low=-6, high=6)}, **attributes)


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu(approximate):
    run("Gelu", {"x": example(3, 50, low=-6, high=6)}, opset=20, approximate=approximate)


def test_gelu_of_microsoft():
    run("Gelu", {"x": example(3, 50)}, opset=1, domain="com.microsoft")


@pytest.mark.parametrize("slope", [(1,), (4, 1, 1), (2, 4, 9, 8)], ids=str)
def test_prelu(slope):
    kinds = run("PRelu", {"x": IMAGE}, {"s": example(*slope)})
    assert (kinds == ["leaky_relu"]) == (slope == (1,))


@pytest.mark.parametrize(
    "bounds", [{}, {"min": 0.0}, {"max": 1.0}, {"min": -0.5, "max": 0.25}, {"min": 0.0, "max": 6.0}], ids=str
)
def test_clip(bounds):
    run("Clip", {"x": IMAGE}, opset=9, **bounds)
    constants = {k: np.float32(v) for k, v in bounds.items()}
    slots = ["x", *(k if k in bounds else "" for k in ("min", "max"))]
    kinds = run("Clip", {"x": IMAGE}, constants, opset=13, slots=slots)
    assert kinds == ([] if not bounds else ["relu"] if bounds == {"min": 0.0} else ["clip"])


def test_clip_with_run_time_bounds():
    kinds = run("Clip", {"x": IMAGE, "low": np.float32(-1), "high": np.float32(1)}, opset=13)
    assert kinds == ["maximum", "minimum"]
