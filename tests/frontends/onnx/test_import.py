"""What an import keeps, folds and reports: names, locations, constants, symbolic dimensions, old and odd files."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from plait.backends.reference import evaluate
from plait.frontends.errors import InconsistentModel, UnsupportedModel
from plait.frontends.onnx import import_onnx
from plait.frontends.onnx.tensors import DTYPES
from plait.ir.diagnostics import Location
from plait.ir.dtypes import DType
from plait.ir.values import Constant
from plait.testing.onnx_check import check_import, check_text, example, graph_model, node_model

node = helper.make_node


def test_names_and_locations(tmp_path):
    nodes = [node("MatMul", ["x", "w"], ["h/1"], name="layer/one"), node("Relu", ["h/1"], ["y"])]
    path = tmp_path / "net.onnx"
    onnx.save(graph_model(nodes, {"x": example(2, 3)}, {"w": example(3, 4)}, ["y", "h/1"]), str(path))
    module = import_onnx(path).module
    first, second = module.main
    assert (first.result.name, second.result.name) == ("h/1", "y")
    assert first.locations == (Location("net.onnx", "layer/one"),)
    assert second.locations == (Location("net.onnx", "Relu_1"),)
    assert list(module.constants) == ["w"] and module.main.output_names == ["y", "h/1"]
    assert module.main.outputs == (second.result, first.result)
    check_text(module)


def test_intermediate_results_are_named_after_the_output():
    names = [layer.result.name for layer in import_onnx(node_model("ReduceL2", {"x": example(3)})).module.main]
    assert names == ["y.mul", "y.reduce", "y"]


def test_constants_are_read_late_and_read_only():
    w = import_onnx(node_model("Add", {"x": example(3)}, {"w": example(3)})).module.constants["w"]
    assert w._data is None
    np.testing.assert_array_equal(w.data, example(3))
    with pytest.raises(ValueError, match="read-only"):
        w.data[0] = 1


def test_outputs_may_be_inputs_or_constants():
    nodes = [node("Identity", ["x"], ["same"]), node("Add", ["a", "b"], ["sum"])]
    module = import_onnx(
        graph_model(nodes, {"x": example(2)}, {"a": example(2), "b": example(2)}, ["same", "sum", "a"])
    ).module
    check_text(module)
    assert len(module.main.body) == 0 and list(module.constants) == ["sum", "a"]
    results = evaluate(module, [example(2, seed=5)])
    np.testing.assert_array_equal(results["same"], example(2, seed=5))
    np.testing.assert_array_equal(results["sum"], 2 * example(2))


def test_nodes_out_of_order_are_sorted_and_dead_ones_dropped():
    nodes = [node("Relu", ["a"], ["y"]), node("Exp", ["x"], ["a"]), node("NonZero", ["x"], ["unused"])]
    result = import_onnx(graph_model(nodes, {"x": example(2)}, {}, ["y"]))
    assert [layer.op for layer in result.module.main] == ["unary", "relu"]
    assert result.report.dead_nodes == 1


def test_initializers_that_are_inputs_are_constants():
    model = node_model("Add", {"x": example(2)}, {"w": example(2)})
    model.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [2]))
    result = import_onnx(model)
    assert [a.name for a in result.module.main.arguments] == ["x"]
    assert "1 initializers are also inputs; taken as constants" in str(result.report)


def test_report():
    nodes = [node("Exp", ["w"], ["e"]), node("Add", ["x", "e"], ["y"])]
    model = graph_model(nodes, {"x": example(2, 4)}, {"w": example(4)}, ["y"], shapes={"x": ["N", 4]})
    model.producer_name = "someone"
    report = import_onnx(model).report
    assert (report.nodes, report.layers, report.constants, report.folded_nodes, report.opset) == (2, 1, 1, 1, 17)
    assert report.symbols == ("N",) and report.constant_bytes == 16
    text = str(report)
    assert "test: someone, IR version 8, opset 17" in text and "2 nodes -> 1 layers, 1 constants" in text


def test_inputs_can_be_made_constants():
    model = node_model("Reshape", {"x": example(2, 3), "shape": np.array([3, 2])})
    module = import_onnx(model, constants={"shape": np.array([6])}).module
    assert [a.name for a in module.main.arguments] == ["x"] and module.main.outputs[0].type.shape == (6,)


def test_large_folded_constants_are_computed_late():
    nodes = [
        node("ConstantOfShape", ["s"], ["w"]),
        node("Transpose", ["w"], ["t"], perm=[1, 0]),
        node("MatMul", ["x", "t"], ["y"]),
    ]
    module = import_onnx(graph_model(nodes, {"x": example(1, 8000)}, {"s": np.array([16000, 8000])}, ["y"])).module
    (constant,) = module.constants.values()
    assert constant.name == "t" and constant._data is None and constant.type.shape == (8000, 16000)


@pytest.mark.parametrize(
    "dtype",
    [
        np.float16,
        np.float64,
        np.int64,
        np.int32,
        np.int16,
        np.int8,
        np.uint8,
        np.uint16,
        np.uint32,
        np.uint64,
        np.bool_,
    ],
    ids=lambda d: d.__name__,
)
@pytest.mark.parametrize("raw", [True, False])
def test_forms_of_tensor_data(dtype, raw):
    data = np.array([[0, 1, 2], [3, 4, 100]]).astype(dtype)
    values = data.tobytes() if raw else data.view(np.uint16).ravel() if dtype is np.float16 else data.ravel()
    if dtype is np.float16 and not raw:
        values = data.ravel()
    tensor = helper.make_tensor("w", helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), data.shape, values, raw=raw)
    model = node_model("Identity", {}, {"w": data})
    model.graph.initializer[0].CopyFrom(tensor)
    (got,) = evaluate(import_onnx(model).module, {}).values()
    assert got.dtype == data.dtype
    np.testing.assert_array_equal(got, data)


CODES = {dtype: code for code, dtype in DTYPES.items()}


@pytest.mark.parametrize("form", ["raw", "field", "external", "large"])
@pytest.mark.parametrize("dtype", [d for d in DTYPES.values() if d is not DType.STRING])
def test_every_element_type_loads_exactly(dtype, form, tmp_path):
    count = 5 if form != "large" else 6001
    # Bytes up to 99 make no NaN, which the helper for fields changes.
    high = 2 if dtype is DType.BOOL else 100 if form == "field" else 256
    raw = np.random.default_rng(1).integers(0, high, count * dtype.size, np.uint8)
    data = raw.view(dtype.numpy)
    if dtype.bits < 8:
        low = raw & (1 << dtype.bits) - 1
        data = low.view(dtype.numpy) if dtype.is_float else low.view(np.int8).astype(dtype.numpy)
    tensor = numpy_helper.from_array(data, "w")
    if form == "field":
        values = data.view(np.uint8) if dtype.bits == 6 else data
        if dtype.bits == 6:
            tensor = TensorProto(name="w", data_type=CODES[dtype], dims=[count], int32_data=values.tolist())
        else:
            tensor = helper.make_tensor("w", CODES[dtype], [count], values)
        assert not tensor.HasField("raw_data")
    model = graph_model([node("Reshape", ["w", "s"], ["y"])], {}, {"s": np.array([count, 1])}, ["y"])
    model.graph.initializer.append(tensor)
    path = tmp_path / "m.onnx"
    onnx.save(model, path, save_as_external_data=form == "external", size_threshold=0, location="w.bin")
    (got,) = evaluate(import_onnx(path).module, {}).values()
    assert got.dtype == dtype.numpy and got.shape == (count, 1)
    assert got.tobytes() == data.tobytes()


def test_strings():
    tensor = numpy_helper.from_array(np.array(["1.5", "-2", "é"], dtype=object), "w")
    nodes = [node("Slice", ["w", "a", "b"], ["t"]), node("Cast", ["t"], ["y"], to=TensorProto.FLOAT)]
    model = graph_model(nodes, {}, {"a": np.array([0]), "b": np.array([2])}, ["y"])
    model.graph.initializer.append(tensor)
    (got,) = evaluate(import_onnx(model).module, {}).values()
    assert got.tolist() == [1.5, -2] and got.dtype == np.float32
    fails_on = graph_model([node("Relu", ["w"], ["y"])], {}, {}, ["y"])
    fails_on.graph.initializer.append(tensor)
    with pytest.raises(UnsupportedModel, match="relu of strings"):
        import_onnx(fails_on)
    for damage, message in [
        (lambda t: t.string_data.append(b"x"), "3 elements, but 4 in string_data"),
        (lambda t: t.string_data.__setitem__(0, b"\xff"), "strings that are not UTF-8"),
        (lambda t: setattr(t, "raw_data", b"abc"), "strings as raw or external data"),
    ]:
        wrong = onnx.ModelProto()
        wrong.CopyFrom(model)
        damage(next(t for t in wrong.graph.initializer if t.name == "w"))
        with pytest.raises(InconsistentModel, match=message):
            import_onnx(wrong)


def test_empty_names_of_nodes_and_functions_of_the_model():
    body = [node("Add", ["a", "a"], ["b"]), node("Relu", ["b"], ["c"])]
    opset = [helper.make_opsetid("", 17)]
    function = helper.make_function("my", "Twice", ["a"], ["c"], body, opset)
    model = graph_model([node("Twice", ["x"], ["y"], domain="my")], {"x": example(3)}, {}, ["y"], domains={"my": 1})
    model.functions.append(function)
    assert [layer.op for layer in import_onnx(model).module.main] == ["add", "relu"]


# --- symbolic dimensions ---


def flatten_by_shape():
    """What exporters write for `x.view(x.size(0), -1)`."""
    nodes = [
        node("Shape", ["x"], ["shape"]),
        node("Gather", ["shape", "zero"], ["n"]),
        node("Unsqueeze", ["n", "axes"], ["n1"]),
        node("Concat", ["n1", "rest"], ["target"], axis=0),
        node("Reshape", ["x", "target"], ["y"]),
    ]
    constants = {"zero": np.int64(0), "axes": np.array([0]), "rest": np.array([-1])}
    return nodes, {"x": example(2, 3, 4)}, constants, ["y"]


def test_shape_computation_folds_with_symbolic_batch():
    model = graph_model(*flatten_by_shape(), shapes={"x": ("batch size", 3, 4)})
    module = check_import(model, {"x": example(5, 3, 4)})
    (layer,) = module.main
    assert layer.op == "reshape" and layer.shape == (0, -1) and module.main.symbols() == ["batch_size"]


@pytest.mark.parametrize("name", ["batch size", "batch_size"])
def test_dimension_is_pinned_by_either_name(name):
    model = graph_model(*flatten_by_shape(), shapes={"x": ("batch size", 3, 4)})
    module = import_onnx(model, dims={name: 2}).module
    assert module.main.arguments[0].type.shape == (2, 3, 4) and module.main.symbols() == []


def test_names_of_dimensions():
    nodes = [node("Relu", ["x"], ["y"])]
    shape = ("axis", "aXis", "7", "", "?", None, -1, "axis")
    model = graph_model(nodes, {"x": example(*[1] * 8)}, {}, ["y"], shapes={"x": shape})
    dims = [str(d) for d in import_onnx(model).module.main.arguments[0].type.shape]
    assert dims == ["aXis", "aXis_1", "d7", "X_3", "X_4", "X_5", "X_6", "aXis"]


def test_input_shapes_replace_those_of_the_model():
    model = node_model("Relu", {"x": example(2, 3)})
    module = import_onnx(model, input_shapes={"x": ("B", 5)}).module
    assert str(module.main.outputs[0].type) == "f32[Bx5]"


def reshape_to(entries, constants=None, shapes=("B", "S", 24)):
    """A reshape whose target is put together from dims of x (`d0`, `d1`, their product `p`) and numbers."""
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Slice", ["s", "i0", "i1"], ["d0"]),
        node("Slice", ["s", "i1", "i2"], ["d1"]),
        node("Mul", ["d0", "d1"], ["p"]),
        node("Div", ["p", "d1"], ["q"]),
        node("Concat", entries, ["t"], axis=0),
        node("Reshape", ["x", "t"], ["y"]),
    ]
    numbers = {f"i{i}": np.array([i]) for i in range(3)} | {f"n{i}": np.array([i]) for i in (-1, 4, 6)}
    return graph_model(nodes, {"x": example(2, 3, 24)}, numbers, ["y"], shapes={"x": shapes})


@pytest.mark.parametrize(
    ("entries", "shape", "result"),
    [
        (["d0", "d1", "n4", "n6"], (0, 0, 4, 6), "f32[BxSx4x6] nchw"),
        (["p", "n4", "n6"], (-1, 4, 6), "f32[B*Sx4x6]"),
        (["d0", "n4", "n-1"], (0, 4, -1), "f32[Bx4x6*S]"),
        (["n-1", "d1", "n4", "n6"], (-1, 0, 4, 6), "f32[BxSx4x6] nchw"),
    ],
    ids=str,
)
def test_reshape_with_computed_dimensions(entries, shape, result):
    module = check_import(reshape_to(entries), {"x": example(2, 3, 24)})
    (layer,) = module.main
    assert layer.shape == shape and str(layer.result.type) == result


def test_shape_that_is_needed_at_run_time_is_computed_there():
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Cast", ["s"], ["f"], to=TensorProto.FLOAT),
        node("Mul", ["f", "f"], ["y"]),
    ]
    model = graph_model(nodes, {"x": example(2, 3)}, {}, ["y", "s"], shapes={"x": ("N", 3)})
    module = check_import(model, {"x": example(4, 3)})
    assert module.main.body.first.op == "shape"


def test_symbolic_image_through_convolution_and_pooling():
    nodes = [
        node("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1], strides=[2, 2]),
        node("MaxPool", ["a"], ["b"], kernel_shape=[2, 2], strides=[2, 2]),
        node("GlobalAveragePool", ["b"], ["c"]),
        node("Flatten", ["c"], ["d"]),
        node("Flatten", ["b"], ["e"]),
    ]
    inputs = {"x": example(2, 3, 17, 20)}
    model = graph_model(nodes, inputs, {"w": example(4, 3, 3, 3)}, ["d", "e"], shapes={"x": ("N", 3, "H", "W")})
    module = check_import(model, inputs)
    assert str(module.main.outputs[0].type) == "f32[Nx4]"
    assert set(module.main.symbols()) == {"N", "H", "W"}


def test_constant_operands_of_shape_arithmetic():
    """`expand_as` as PyTorch exports it: Where(Equal(shape, -1), ones, shape)."""
    nodes = [
        node("Shape", ["r"], ["rank"]),
        node("ConstantOfShape", ["rank"], ["ones"], value=numpy_helper.from_array(np.array([1]))),
        node("Mul", ["ones", "minus"], ["m"]),
        node("Equal", ["r", "m"], ["eq"]),
        node("Where", ["eq", "ones", "r"], ["t"]),
        node("Expand", ["x", "t"], ["y"]),
    ]
    constants = {"r": np.array([2, -1, 4]), "minus": np.array([-1])}
    module = check_import(graph_model(nodes, {"x": example(3, 1)}, constants, ["y"]), {"x": example(3, 1)})
    assert [layer.op for layer in module.main] == ["expand"] and not any(
        isinstance(a, Constant) for a in module.main.arguments
    )
