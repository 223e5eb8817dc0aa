"""Every way in which an import fails: code, place and key words of the message."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from plait.frontends import InconsistentModel, ModelError, UnsupportedModel
from plait.frontends.onnx import import_onnx
from plait.frontends.onnx.registry import converter
from plait.testing.onnx_check import example, graph_model, node_model


def fails(error, source, *texts, **options):
    """The import fails with this error, whose message has these texts; returns the message."""
    with pytest.raises(error) as caught:
        import_onnx(source, **options)
    message = str(caught.value)
    code = {ModelError: "P301", UnsupportedModel: "P302", InconsistentModel: "P303"}[error]
    assert caught.value.code == code and f"error[{code}]" in message and caught.value.exit_code == 4
    for text in texts:
        assert text in message, message
    return message


# --- P301: files ---


def relu():
    return node_model("Relu", {"x": example(2, 3)})


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "the file is empty"),
        (b"this is not a model\n" * 20, "is a text file, not an ONNX model"),
        (bytes(range(256)) * 4, "is not an ONNX model, or is truncated or damaged"),
        (relu().SerializeToString()[:-7], "is not an ONNX model, or is truncated or damaged"),
        (onnx.ModelProto(ir_version=8).SerializeToString(), "it has no graph"),
        (helper.make_model(onnx.GraphProto(name="g")).SerializeToString(), "the graph has no outputs"),
    ],
    ids=["empty", "text", "binary", "truncated", "no graph", "no outputs"],
)
def test_file_that_is_not_a_model(tmp_path, content, text):
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    message = fails(ModelError, path, text)
    assert message.startswith(f"{path}: error[P301]") and "\n" not in message
    fails(ModelError, content, text)


def test_missing_file_and_directory(tmp_path):
    fails(ModelError, tmp_path / "absent.onnx", "absent.onnx", "no such file")
    fails(ModelError, tmp_path, "is a directory")
    fails(ModelError, "a\0b.onnx", "cannot read")


# --- P302: all that is not supported, at once ---


def test_all_unsupported_operators_are_in_one_table():
    x = example(1, 4, 4, 4)
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("NonZero", ["a"], ["b"], name="first"),
        helper.make_node("NonZero", ["b"], ["c"], name="second"),
        helper.make_node("Reluu", ["c"], ["d"], name="typo"),
        helper.make_node("Gelu", ["x"], ["e"], name="early"),
        helper.make_node("Softmax", ["x"], ["f"], name="foreign", domain="my.domain"),
        helper.make_node("MaxPool", ["x"], ["g", "h"], name="indices", kernel_shape=[2, 2]),
    ]
    model = graph_model(nodes, {"x": x}, {}, ["d", "e", "f", "g", "h"], domains={"my.domain": 3})
    message = fails(UnsupportedModel, model, "5 things that are not supported", "operator  ", "first node")
    rows = {line.split()[0]: line for line in message.splitlines()[2:]}
    assert rows["NonZero"].split()[:5] == ["NonZero", "ai.onnx", "17", "2", "first"]
    assert "did you mean Relu" in rows["Reluu"]
    assert "supported in opset 20 to 28" in rows["Gelu"]
    assert "my.domain" in rows["Softmax"] and "ai.onnx has a supported Softmax" in rows["Softmax"]
    assert "output 1 of MaxPool" in rows["MaxPool"]


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (
            node_model("Conv", {"x": example(1, 1, 3, 3, 3)}, {"w": example(1, 1, 1, 1, 1)}),
            "Conv over 3 spatial dimensions",
        ),
        (node_model("Reshape", {"x": example(2, 3), "s": np.array([3, 2])}), "the shape must be known at import"),
        (node_model("Dropout", {"x": example(2, 3)}, {"r": np.float32(0.5), "t": np.bool_(True)}), "training mode"),
        (node_model("Relu", {"x": example(2, 3)}, opset=99), "opset 99 is newer than 28"),
        (node_model("Equal", {"x": example(2), "y": example(2)}, outputs=["z"]), "Equal of run-time data"),
        (node_model("Tile", {"x": example(2)}, {"r": np.array([1000])}), "1000 repeats"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_unsupported_use(model, text):
    fails(UnsupportedModel, model, text)


def test_unsupported_inputs():
    model = relu()
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.STRING
    fails(UnsupportedModel, model, "input", "element type string")
    model.graph.input[0].CopyFrom(helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, [1]))
    fails(UnsupportedModel, model, "a graph input of kind sequence")
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", TensorProto.FLOAT, None))
    fails(UnsupportedModel, model, "an input without a shape; give it with input_shapes=")
    assert import_onnx(model, input_shapes={"x": (2, "N")}).module.main.arguments[0].type.rank == 2


def test_constants_that_are_too_large():
    """A few bytes of file must not make gigabytes of constants."""
    vast = np.array([1 << 40, 1 << 20])
    fails(UnsupportedModel, node_model("ConstantOfShape", {}, {"s": vast}), "ConstantOfShape", "fold_limit")
    fails(UnsupportedModel, node_model("Expand", {}, {"x": example(1), "s": vast}), "Expand", "fold_limit")
    fails(
        UnsupportedModel, node_model("Range", {}, {"a": np.int64(0), "b": np.int64(1 << 40), "c": np.int64(1)}), "Range"
    )
    small = node_model("ConstantOfShape", {}, {"s": np.array([64, 64])})
    fails(UnsupportedModel, small, "16,384 bytes", fold_limit=16383)
    assert import_onnx(small, fold_limit=16384).report.constant_bytes == 16384


# --- P303: contradictions ---


def two_relus(first, second, outputs=("y",)):
    return graph_model(
        [helper.make_node("Relu", *first), helper.make_node("Relu", *second)], {"x": example(2)}, {}, outputs
    )


@pytest.mark.parametrize(
    ("model", "texts"),
    [
        (two_relus((["x"], ["a"]), (["b"], ["y"])), ["node Relu_1 (Relu)", "its input 'b' is not defined"]),
        (two_relus((["b"], ["a"]), (["a"], ["b"]), ["a"]), ["node Relu_0 (Relu)", "cycle"]),
        (two_relus((["x"], ["y"]), (["x"], ["y"])), ["node Relu_1 (Relu)", "'y' is defined already by node Relu_0"]),
        (two_relus((["x"], ["x"]), (["x"], ["y"])), ["'x' is defined already by an input or initializer"]),
        (two_relus((["x"], ["a"]), (["a"], ["y"]), ["z"]), ["graph output 'z' is not defined"]),
        (two_relus((["x"], ["a"]), (["a"], ["y"]), ["y", "y"]), ["graph output 'y' is stated twice"]),
        (
            node_model("Add", {"a": example(2, 3), "b": example(4)}),
            ["node the_Add (Add)", "[2x3] and [4] do not broadcast"],
        ),
        (node_model("Add", {"a": example(2)}), ["node the_Add (Add)", "has 1 inputs, ONNX wants 2"]),
        (node_model("Relu", {"x": example(2)}, outputs=["y", "z"]), ["has 2 outputs, ONNX has at most 1"]),
        (node_model("Relu", {"x": example(2)}, alpha=1.0), ["ONNX Relu at opset 17 has no attribute 'alpha'"]),
        (node_model("LeakyRelu", {"x": example(2)}, alpha=1), ["attribute 'alpha' has the wrong type"]),
        (node_model("Concat", {"x": example(2)}), ["attribute 'axis' is missing"]),
        (node_model("MaxPool", {"x": example(1, 1, 4, 4)}, kernel_shape=[9, 9]), ["a window of 9 does not fit into 4"]),
        (node_model("Conv", {"x": example(1, 3, 4, 4)}, {"w": example(2, 4, 1, 1)}), ["x has 3 channels but weight"]),
        (
            node_model("Conv", {"x": example(1, 3, 4, 4)}, {"w": example(2, 3, 1, 1)}, strides=[0, 1]),
            ["must be positive"],
        ),
        (node_model("Transpose", {"x": example(2, 3)}, perm=[0, 0]), ["is not a permutation"]),
        (node_model("Reshape", {"x": example(2, 3)}, {"s": np.array([4, 2])}), ["[2x3] cannot be reshaped to [4, 2]"]),
        (node_model("ConstantOfShape", {}, {"s": np.array([2, -3])}), ["has a negative dimension"]),
        (
            node_model("Gather", {}, {"x": example(3), "i": np.array([7])}),
            ["node the_Gather (Gather)", "out of bounds"],
        ),
        (node_model("Constant", {}), ["wants exactly one attribute, got none"]),
        (node_model("Squeeze", {"x": example(2, 3)}, {"a": np.array([0])}), ["axis 0 of f32[2x3] is not 1"]),
    ],
    ids=lambda value: value[-1][:40] if isinstance(value, list) else "",
)
def test_contradiction(model, texts):
    fails(InconsistentModel, model, *texts)


def with_weight(**changes):
    """A model whose initializer `w`, float [2], is changed."""
    model = node_model("Add", {"x": example(2)}, {"w": example(2)})
    for name, value in changes.items():
        if isinstance(value, list):
            del getattr(model.graph.initializer[0], name)[:]
            getattr(model.graph.initializer[0], name).extend(value)
        else:
            setattr(model.graph.initializer[0], name, value)
    return model


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"dims": [1 << 40]}, "bytes, but 8 bytes of data"),
        ({"dims": [1 << 32, 1 << 32, 1 << 32]}, "bytes, but 8 bytes of data"),
        ({"dims": [-2]}, "has a negative dimension: [-2]"),
        ({"dims": [-1, -2]}, "has a negative dimension"),
        ({"dims": [3]}, "12 bytes, but 8 bytes of data"),
        ({"data_type": 99}, "unknown element type 99"),
        ({"data_type": 0}, "unknown element type 0"),
        ({"raw_data": b"1234567"}, "but 7 bytes of data"),
    ],
    ids=str,
)
def test_weight_that_contradicts_itself(changes, text):
    fails(InconsistentModel, with_weight(**changes), "initializer 'w'", text)


def test_typed_data_of_the_wrong_length():
    model = relu()
    weight = TensorProto(name="w", dims=[5], data_type=TensorProto.FLOAT, float_data=[1, 2])
    model.graph.node[0].op_type = "Add"
    model.graph.node[0].input.append("w")
    model.graph.initializer.append(weight)
    fails(InconsistentModel, model, "5 elements, but 2 in float_data")
    model.graph.initializer.append(weight)
    fails(InconsistentModel, model, "initializer 'w' is defined twice")


def test_wrong_inputs_and_opsets():
    model = relu()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = -2
    fails(InconsistentModel, model, "input 'x' has the dimension -2", "input_shapes=")
    model.graph.input[0].type.tensor_type.elem_type = 77
    fails(InconsistentModel, model, "unknown element type 77")
    model = relu()
    model.graph.input.append(model.graph.input[0])
    fails(InconsistentModel, model, "graph input 'x' is defined twice")
    model = relu()
    model.opset_import[0].version = 0
    fails(InconsistentModel, model, "opset version 0")
    del model.opset_import[:]
    fails(InconsistentModel, model, "the model imports no opset of domain 'ai.onnx'")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"dims": {"M": 2}}, "dims= names 'M', but the symbolic dimensions of the model are N"),
        ({"dims": {"N": 0}}, "a size is a positive integer"),
        ({"dims": {"N": "2"}}, "a size is a positive integer"),
        ({"input_shapes": {"y": (1,)}}, "input_shapes= names 'y'"),
        ({"input_shapes": {"x": (1,)}}, "gives 'x' 1 dimensions, but the model says 2"),
        ({"input_shapes": {"x": (1, -5)}}, "has the dimension -5"),
        ({"constants": {"z": 1}}, "constants= names 'z'"),
    ],
    ids=str,
)
def test_options_that_do_not_fit(options, text):
    model = graph_model(
        [helper.make_node("Relu", ["x"], ["y"])], {"x": example(2, 3)}, {}, ["y"], shapes={"x": ("N", 3)}
    )
    fails(InconsistentModel, model, text, **options)


def test_text_that_is_not_utf8():
    model = node_model("MaxPool", {"x": example(1, 1, 4, 4)}, kernel_shape=[2, 2], auto_pad="VALID")
    next(a for a in model.graph.node[0].attribute if a.name == "auto_pad").s = b"\xff\xfe"
    fails(InconsistentModel, model, "attribute 'auto_pad' is not UTF-8 text")


# --- external data ---


def external(folder, location="w.bin", offset=0, length=None, data=b"\0" * 64):
    """A model whose weight, float [4], lies in a file."""
    model = node_model("Add", {"x": example(4)}, {"w": example(4)})
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    fields = {"location": location, "offset": offset} | ({} if length is None else {"length": length})
    for key, value in fields.items():
        weight.external_data.add(key=key, value=str(value))
    if data is not None:
        (folder / "w.bin").write_bytes(data)
    path = folder / "net.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def test_external_data(tmp_path):
    w = np.arange(4, dtype=np.float32)
    module = import_onnx(external(tmp_path, offset=8, length=16, data=bytes(8) + w.tobytes())).module
    np.testing.assert_array_equal(module.constants["w"].data, w)
    assert not module.constants["w"].data.flags.writeable and module.constants["w"].data.base is not None


@pytest.mark.parametrize("location", ["../w.bin", "/etc/passwd", "", "sub/../../w.bin", "link.bin"])
def test_external_data_outside_the_folder(tmp_path, location):
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "w.bin").write_bytes(bytes(64))
    (folder / "link.bin").symlink_to(tmp_path / "w.bin")
    fails(ModelError, external(folder, location), "initializer 'w'", "outside the folder of the model; refused")


def test_external_data_that_is_missing_or_short(tmp_path):
    fails(ModelError, external(tmp_path, data=None), "external data 'w.bin' is missing")
    fails(InconsistentModel, external(tmp_path, data=bytes(12)), "has 12 bytes, too few for 16 at 0", "truncated")
    fails(InconsistentModel, external(tmp_path, data=b""), "has 0 bytes")
    fails(InconsistentModel, external(tmp_path, offset=60), "too few for 16 at 60")
    fails(InconsistentModel, external(tmp_path, offset=-8), "too few for 16 at -8")
    fails(InconsistentModel, external(tmp_path, length=12), "states 12 bytes of external data")
    fails(InconsistentModel, external(tmp_path, offset="many"), "must be integers")
    fails(ModelError, external(tmp_path).read_bytes(), "import from the path of the model")
    (tmp_path / "w.bin").unlink()
    (tmp_path / "w.bin").mkdir()
    fails(ModelError, external(tmp_path, data=None), "is missing")


def test_converters_may_not_overlap():
    with pytest.raises(ValueError, match=r"Relu is converted by both .*activations\.relu and .*again"):

        @converter("Relu", since=5)
        def again(ctx):
            raise NotImplementedError


def test_sparse_initializers_are_reported():
    model = relu()
    values = numpy_helper.from_array(example(1), "s")
    model.graph.sparse_initializer.add(values=values, dims=[4])
    fails(UnsupportedModel, model, "sparse initializer")
