"""Converters of arithmetic, reductions, data movement and constants against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest

from plait.testing.onnx_check import check_import, example, node_model

IMAGE = example(2, 4, 9, 8)


def run(op, inputs, constants=None, tolerance=1e-5, **options):
    """Import a one-node model and compare; returns the kinds of the layers."""
    model = node_model(op, inputs, constants, **options)
    module = check_import(model, {k: np.asarray(v) for k, v in inputs.items()}, tolerance)
    return [layer.op for layer in module.main]


# --- arithmetic ---


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div"])
@pytest.mark.parametrize(
    "shapes", [((2, 3, 4), (2, 3, 4)), ((2, 3, 4), (3, 1)), ((1,), (5, 1, 2)), ((), (3,))], ids=str
)
@pytest.mark.parametrize("opset", [7, 14])
def test_binary(op, shapes, opset):
    run(op, {"a": example(*shapes[0]), "b": example(*shapes[1], low=0.5)}, opset=opset)


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div"])
def test_integers(op):
    run(op, {"a": np.array([7, -7, 5], np.int64), "b": np.array([2, 2, -3], np.int64)})


@pytest.mark.parametrize(("axis", "shape"), [(0, (2, 3)), (1, (3,)), (1, (3, 4)), (2, (4,)), (None, (3, 4))], ids=str)
def test_old_broadcasting(axis, shape):
    """Opset 6: B begins at `axis` of A. Compared with NumPy, since ONNX Runtime starts at opset 7."""
    from plait.backends.reference import evaluate
    from plait.frontends.onnx import import_onnx

    a, b = example(2, 3, 4), example(*shape, seed=1)
    attributes = {"broadcast": 1} | ({} if axis is None else {"axis": axis})
    module = import_onnx(node_model("Add", {"a": a}, {"b": b}, opset=6, **attributes)).module
    tail = 0 if axis is None else 3 - axis - len(shape)
    np.testing.assert_array_equal(evaluate(module, [a])["y"], a + b.reshape(*shape, *[1] * tail))


@pytest.mark.parametrize("op", ["Sum", "Mean", "Max", "Min"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_of_many(op, count):
    run(op, {f"x{i}": example(*([3, 4] if i else [1, 4]), seed=i) for i in range(count)}, opset=13)


@pytest.mark.parametrize("op", ["Exp", "Log", "Sqrt", "Abs", "Neg", "Floor", "Ceil", "Reciprocal"])
def test_unary(op):
    run(op, {"x": example(4, 5, low=0.1 if op in ("Log", "Sqrt", "Reciprocal") else -3, high=3)})


@pytest.mark.parametrize(
    "dtypes", [(np.float32, np.float32), (np.float32, np.int64), (np.int64, np.float32), (np.int64, np.int64)], ids=str
)
def test_pow(dtypes):
    run("Pow", {"a": np.array([1, 2, 3]).astype(dtypes[0]), "b": np.array([2, 3, 2]).astype(dtypes[1])})


@pytest.mark.parametrize("to", [np.float64, np.float16, np.int64, np.int32, np.int8, np.uint8, np.bool_], ids=str)
def test_cast(to):
    from onnx import helper

    run("Cast", {"x": example(20, low=0, high=100)}, to=helper.np_dtype_to_tensor_dtype(np.dtype(to)))


# --- reductions ---


@pytest.mark.parametrize("op", ["Mean", "Sum", "Max", "Min", "Prod", "L1", "L2", "SumSquare", "LogSumExp"])
@pytest.mark.parametrize("axes", [None, [1], [-1, 0]], ids=str)
@pytest.mark.parametrize("keep", [0, 1])
def test_reduce(op, axes, keep):
    x = {"x": example(3, 4, 5)}
    as_attribute = {} if axes is None else {"axes": axes}
    as_operand = {} if axes is None else {"axes": np.array(axes, np.int64)}
    run(f"Reduce{op}", x, opset=11, keepdims=keep, **as_attribute)
    run(f"Reduce{op}", x, as_operand, opset=18, keepdims=keep)


def test_reduce_without_axes_may_do_nothing():
    assert run("ReduceSum", {"x": example(3, 4)}, opset=13, noop_with_empty_axes=1) == []


# --- moving elements ---


def ints(*values):
    return np.array(values, np.int64)


@pytest.mark.parametrize("shape", [(4, 6), (0, -1), (-1,), (2, 0, 4), (1, 24, 1)], ids=str)
def test_reshape(shape):
    run("Reshape", {"x": example(2, 3, 4)}, {"shape": ints(*shape)})


@pytest.mark.parametrize("axis", [0, 1, 2, 3, -1])
def test_flatten(axis):
    run("Flatten", {"x": example(2, 3, 4)}, axis=axis, opset=13)


@pytest.mark.parametrize("axes", [None, [0], [0, -2]], ids=str)
def test_squeeze(axes):
    x = {"x": example(1, 3, 1, 4)}
    run("Squeeze", x, opset=11, **({} if axes is None else {"axes": axes}))
    run("Squeeze", x, {} if axes is None else {"axes": ints(*axes)}, opset=13)


@pytest.mark.parametrize("axes", [[0], [1, -1], [3, 0]], ids=str)
def test_unsqueeze(axes):
    run("Unsqueeze", {"x": example(3, 4)}, opset=11, axes=axes)
    run("Unsqueeze", {"x": example(3, 4)}, {"axes": ints(*axes)}, opset=13)


@pytest.mark.parametrize("perm", [None, [1, 2, 0]], ids=str)
def test_transpose(perm):
    run("Transpose", {"x": example(2, 3, 4)}, **({} if perm is None else {"perm": perm}))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_concat(axis):
    run("Concat", {"a": example(2, 2), "b": example(2, 2, seed=1), "c": example(2, 2, seed=2)}, axis=axis)


def test_split():
    x = {"x": example(2, 7)}
    run("Split", x, opset=11, axis=1, split=[3, 4], outputs=["a", "b"])
    run("Split", x, {"sizes": ints(1, 4, 2)}, opset=13, axis=-1, outputs=["a", "b", "c"])
    run("Split", x, opset=13, axis=0, outputs=["a", "b"])
    run("Split", x, opset=18, axis=1, num_outputs=3, outputs=["a", "b", "c"])


SLICES = [
    ((1,), (3,), (0,), (1,)),
    ((0, -2), (9, 100), (0, 2), (1, 1)),
    ((-1,), (-(10**9),), (1,), (-1,)),
    ((5,), (0,), (1,), (-2,)),
    ((3,), (1,), (1,), (1,)),
    ((0,), (2**63 - 1,), (1,), (2,)),
    ((-100,), (2,), (0,), (1,)),
    ((100,), (-100,), (2,), (-1,)),
]


@pytest.mark.parametrize("case", SLICES, ids=str)
def test_slice(case):
    operands = dict(zip(("starts", "ends", "axes", "steps"), (ints(*c) for c in case), strict=True))
    run("Slice", {"x": example(4, 6, 5)}, operands, opset=13)
    if set(case[3]) == {1}:
        run("Slice", {"x": example(4, 6, 5)}, opset=9, starts=case[0], ends=case[1], axes=case[2])


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect"])
@pytest.mark.parametrize("pads", [(0, 1, 2, 1), (1, 0, 0, 0)], ids=str)
def test_pad(mode, pads):
    run("Pad", {"x": example(4, 5)}, opset=10, mode=mode, pads=pads)
    constants = {"pads": ints(*pads)} | ({"value": np.float32(1.5)} if mode == "constant" else {})
    run("Pad", {"x": example(4, 5)}, constants, opset=13, mode=mode)


def test_pad_crops_and_takes_axes():
    run("Pad", {"x": example(4, 5)}, {"pads": ints(-1, 0, 2, -2)}, opset=13)
    run("Pad", {"x": example(4, 5)}, {"pads": ints(2, 1), "axes": ints(-1)}, slots=["x", "pads", "", "axes"], opset=18)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("indices", [[0, -1, 1], [[1, 0], [0, 1]], 1], ids=str)
def test_gather(axis, indices):
    run("Gather", {"x": example(3, 4, 2)}, {"i": np.array(indices, np.int64)}, axis=axis)


@pytest.mark.parametrize("shape", [(2, 3, 4), (3, 4), (1, 1, 1), (5, 1, 3, 1)], ids=str)
def test_expand(shape):
    run("Expand", {"x": example(3, 1)}, {"shape": ints(*shape)})


def test_tile():
    run("Tile", {"x": example(2, 3)}, {"repeats": ints(3, 2)})


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_depth_to_space(mode):
    run("DepthToSpace", {"x": example(2, 8, 3, 2)}, blocksize=2, mode=mode)
    run("SpaceToDepth", {"x": example(2, 2, 4, 6)}, blocksize=2)


# --- constants ---


@pytest.mark.parametrize(
    "attributes",
    [{"value_float": 2.5}, {"value_floats": [1.0, 2.0]}, {"value_int": 3}, {"value_ints": [3, 4]}],
    ids=str,
)
def test_constant(attributes):
    assert run("Constant", {}, opset=13, **attributes) == []


def test_constant_of_shape():
    from onnx import numpy_helper

    assert run("ConstantOfShape", {}, {"shape": ints(2, 3)}) == []
    run("ConstantOfShape", {}, {"shape": ints(4)}, value=numpy_helper.from_array(np.array([7], np.int32)))


def test_shape_and_size_of_a_static_tensor_are_constants():
    assert run("Shape", {"x": IMAGE}) == []
    assert run("Shape", {"x": IMAGE}, start=1, end=-1, opset=15) == []
    assert run("Size", {"x": IMAGE}) == []


def test_range_and_where_fold():
    run("Range", {}, {"a": np.int64(2), "b": np.int64(11), "c": np.int64(3)})
    run("Where", {}, {"c": np.array([True, False]), "a": ints(1, 2), "b": ints(3, 4)})
