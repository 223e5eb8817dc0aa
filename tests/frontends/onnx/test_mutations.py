"""Damaged files: whatever is changed in a model, the import works or raises one of our errors."""

from __future__ import annotations

import copy
import random

import numpy as np
import onnx
import pytest
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from plait.frontends.onnx import import_onnx
from plait.ir.diagnostics import PlaitError
from plait.testing.onnx_check import example, graph_model
from plait.testing.random_models import random_model

HOSTILE = [0, 1, -1, 2, -(2**63), 2**63 - 1, 2**40, 7, 1 << 31]


def varied_model():
    """A small model with most families of operators."""
    node = helper.make_node
    shape_value = numpy_helper.from_array(np.array([0.5], np.float32))
    nodes = [
        node("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1], strides=[1, 1]),
        node("Clip", ["a", "low", "high"], ["b"]),
        node("MaxPool", ["b"], ["c"], kernel_shape=[2, 2], strides=[2, 2], auto_pad="SAME_UPPER"),
        node("Shape", ["c"], ["s"]),
        node("Slice", ["s", "i0", "i1", "i0"], ["n"]),
        node("Concat", ["n", "m"], ["t"], axis=0),
        node("Reshape", ["c", "t"], ["f"]),
        node("Gemm", ["f", "g"], ["h"], transB=1, alpha=0.5),
        node("Softmax", ["h"], ["p"], axis=-1),
        node("ConstantOfShape", ["size"], ["k"], value=shape_value),
        node("Add", ["p", "k"], ["q"]),
        node("Split", ["q", "parts"], ["u", "v"], axis=1),
        node("Gather", ["u", "ids"], ["z"], axis=1),
        node("Expand", ["z", "wide"], ["e"]),
        node("Pad", ["e", "pads"], ["r"]),
        node("Transpose", ["r"], ["o"], perm=[1, 0]),
        node("ReduceMean", ["v"], ["y"], axes=[1], keepdims=0),
        node("Unsqueeze", ["y", "i0"], ["y1"]),
    ]
    constants = {
        "w": example(4, 3, 3, 3),
        "low": np.float32(0),
        "high": np.float32(6),
        "i0": np.array([0]),
        "i1": np.array([1]),
        "m": np.array([-1]),
        "g": example(5, 64),
        "size": np.array([5]),
        "parts": np.array([2, 3]),
        "ids": np.array([0, -1, 1]),
        "wide": np.array([1, 1]),
        "pads": np.array([0, 1, 0, 2]),
    }
    shapes = {"x": ("N", 3, 8, 8)}
    return graph_model(nodes, {"x": example(1, 3, 8, 8)}, constants, ["o", "y1", "z"], shapes=shapes)


def change_node(model, pick):
    node = pick.choice(model.graph.node)
    match pick.randrange(6):
        case 0:
            node.op_type = pick.choice([*(n.op_type for n in model.graph.node), "Relu", "Nonsense", "If", ""])
        case 1 if node.input:
            node.input[pick.randrange(len(node.input))] = pick.choice(
                [*(n.output[0] for n in model.graph.node), "", "absent"]
            )
        case 2 if node.input:
            del node.input[pick.randrange(len(node.input))]
        case 3:
            node.input.append(pick.choice([t.name for t in model.graph.initializer] + ["x", ""]))
        case 4:
            node.output[pick.randrange(len(node.output))] = pick.choice(["", "x", "y", "new"])
        case _:
            node.domain = pick.choice(["", "ai.onnx", "other", "com.microsoft"])


def change_attribute(model, pick):
    nodes = [n for n in model.graph.node if n.attribute]
    attribute = pick.choice(pick.choice(nodes).attribute) if nodes else AttributeProto()
    match pick.randrange(6):
        case 0:
            attribute.i = pick.choice(HOSTILE)
        case 1 if attribute.ints:
            attribute.ints[pick.randrange(len(attribute.ints))] = pick.choice(HOSTILE)
        case 2:
            attribute.ints.extend(pick.choices(HOSTILE, k=pick.randrange(1, 4)))
        case 3:
            attribute.type = pick.choice([0, *AttributeProto.AttributeType.values()])
        case 4:
            attribute.f = pick.choice([float("nan"), float("inf"), -1.0, 0.0])
        case _:
            attribute.s = pick.choice([b"", b"\xff", b"SAME_LOWER", b"edge"])
    if attribute.HasField("t"):
        change_tensor(attribute.t, pick)


def change_tensor(tensor, pick):
    match pick.randrange(6):
        case 0:
            tensor.dims.append(pick.choice(HOSTILE))
        case 1 if tensor.dims:
            tensor.dims[pick.randrange(len(tensor.dims))] = pick.choice(HOSTILE)
        case 2:
            tensor.data_type = pick.choice([0, 99, *TensorProto.DataType.values()])
        case 3:
            tensor.raw_data = pick.randbytes(pick.choice([0, 1, 4, 8, 16, 64]))
        case 4 if tensor.data_type == TensorProto.INT64:
            count = len(tensor.raw_data) // 8
            tensor.raw_data = np.array(pick.choices(HOSTILE, k=count), np.int64).tobytes()
        case _:
            tensor.data_location = TensorProto.EXTERNAL
            tensor.external_data.add(key="location", value=pick.choice(["", "..", "/dev/zero", "w.bin"]))


def change_graph(model, pick):
    match pick.randrange(5):
        case 0:
            dim = pick.choice(model.graph.input[0].type.tensor_type.shape.dim)
            dim.dim_value = pick.choice(HOSTILE)
        case 1:
            model.graph.input[0].type.tensor_type.elem_type = pick.choice([0, 1, 6, 7, 8, 10, 11, 16, 99])
        case 2:
            model.opset_import[0].version = pick.choice([*range(-1, 32), 2**40])
        case 3:
            del model.graph.node[pick.randrange(len(model.graph.node))]
        case _:
            model.graph.output[0].name = pick.choice(["", "x", "absent", "low"])


def mutate(model, pick):
    model = copy.deepcopy(model)
    for _ in range(pick.randrange(1, 4)):
        match pick.randrange(4):
            case 0:
                change_node(model, pick)
            case 1:
                change_attribute(model, pick)
            case 2:
                change_tensor(pick.choice(model.graph.initializer), pick)
            case _:
                change_graph(model, pick)
    return model


def survives(source):
    """Whether the import works; anything but one of our errors fails the test."""
    try:
        import_onnx(source, fold_limit=1 << 20)
    except PlaitError as error:
        assert str(error)
        return False
    return True


@pytest.mark.parametrize("base", range(3))
def test_changed_models(base):
    original = varied_model() if base < 2 else random_model(3)
    assert survives(original)
    pick = random.Random(base)
    survivors = sum(survives(mutate(original, pick)) for _ in range(300))
    assert 0 < survivors < 250  # the changes do damage, and not always


def test_changed_bytes():
    original = varied_model().SerializeToString()
    pick = random.Random(9)
    for _ in range(300):
        data = bytearray(original)
        for _ in range(pick.randrange(1, 4)):
            place = pick.randrange(len(data))
            if pick.random() < 0.3:
                del data[place : place + pick.randrange(1, 9)]
            else:
                data[place] = pick.randrange(256)
        survives(bytes(data))


def test_cut_files():
    original = varied_model().SerializeToString()
    for end in range(0, len(original), 29):
        survives(original[:end])


def test_deep_nesting():
    """Graphs within graphs, as bytes: an `If` whose branch has an `If`, and so on."""
    data = b""
    for _ in range(60):
        for field in (6, 5, 1):  # AttributeProto.g, NodeProto.attribute, GraphProto.node
            length = len(data)
            data = bytes([field << 3 | 2, length & 127 | 128, length >> 7 & 127 | 128, length >> 14]) + data
    model = onnx.ModelProto(ir_version=8).SerializeToString()
    length = len(data)
    assert not survives(model + bytes([7 << 3 | 2, length & 127 | 128, length >> 7 & 127 | 128, length >> 14]) + data)
