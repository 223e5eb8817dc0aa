"""Resize and Upsample against ONNX Runtime, over opsets, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper

from plait.frontends import UnsupportedModel
from plait.frontends.onnx import import_onnx
from plait.ir.layers.resize import Resize
from plait.testing.onnx_check import check_import, example, node_model

IMAGE = example(2, 3, 6, 8)
NO = np.zeros(0, np.float32)


def floats(*numbers):
    return np.array(numbers, np.float32)


def run(op, constants, x=IMAGE, **options):
    """Import a one-node model and compare; returns the layers."""
    return list(check_import(node_model(op, {"x": x}, constants, **options), {"x": x}).main)


def by_scales(scales, opset=13, **options):
    return run("Resize", {"roi": NO, "scales": floats(*scales)}, opset=opset, **options)


def by_sizes(*sizes, opset=13, x=IMAGE, **options):
    constants = {"roi": NO, "scales": NO, "sizes": np.array(sizes, np.int64)}
    return run("Resize", constants, x=x, opset=opset, **options)


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("opset", [7, 9])
def test_upsample(mode, opset):
    scales = {"scales": [1.0, 1.0, 2.0, 3.0]} if opset == 7 else {}
    constants = {} if opset == 7 else {"scales": floats(1, 1, 2, 3)}
    (layer,) = run("Upsample", constants, mode=mode, opset=opset, **scales)
    assert (layer.size, layer.coordinates, layer.scale) == ((12, 24), "asymmetric", ())


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_resize_of_opset_10(mode):
    (layer,) = run("Resize", {"scales": floats(1, 1, 2, 0.5)}, mode=mode, opset=10)
    assert (layer.size, layer.coordinates) == ((12, 4), "asymmetric")


@pytest.mark.parametrize("coordinates", ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"])
@pytest.mark.parametrize("opset", [11, 13, 18, 19])
@pytest.mark.parametrize("size", [(12, 16), (9, 5), (3, 4), (1, 1), (13, 24)])
def test_linear(coordinates, opset, size):
    (layer,) = by_sizes(2, 3, *size, opset=opset, mode="linear", coordinate_transformation_mode=coordinates)
    assert (layer.op, layer.size, layer.coordinates) == ("resize", size, coordinates)


@pytest.mark.parametrize("coordinates", ["half_pixel", "align_corners", "asymmetric"])
@pytest.mark.parametrize("rounding", ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
@pytest.mark.parametrize("size", [(12, 16), (9, 4), (3, 4), (24, 5)])
def test_nearest(coordinates, rounding, size):
    options = {"coordinate_transformation_mode": coordinates, "nearest_mode": rounding}
    (layer,) = by_sizes(2, 3, *size, mode="nearest", **options)
    assert (layer.size, layer.rounding) == (size, rounding)


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("scales", [(1, 1, 2, 2), (1, 1, 0.5, 0.75), (1, 1, 1, 3)])
def test_scales(mode, scales):
    (layer,) = by_scales(scales, mode=mode)
    assert layer.scale == ()


def test_scales_that_do_not_fit_the_sizes_are_kept():
    (layer,) = by_scales((1, 1, 2.3, 0.6), mode="linear")
    assert (layer.size, layer.scale) == ((13, 4), (2.3, 0.6))


def test_axes_by_name():
    (layer,) = by_sizes(4, 12, opset=18, axes=[3, 2], mode="linear")
    assert layer.size == (12, 4)


@pytest.mark.parametrize("policy", ["not_larger", "not_smaller"])
def test_keeping_the_ratio(policy):
    (layer,) = by_sizes(9, 9, opset=18, axes=[2, 3], mode="linear", keep_aspect_ratio_policy=policy)
    assert layer.size == {"not_larger": (7, 9), "not_smaller": (9, 12)}[policy]


def test_channels_last_is_transposed():
    x = example(2, 6, 8, 3)
    layers = by_sizes(2, 12, 16, 3, x=x, mode="linear", coordinate_transformation_mode="asymmetric")
    assert [layer.op for layer in layers] == ["transpose", "resize", "transpose"]


@pytest.mark.parametrize("shape", [(6, 8), (3, 6, 8), (2, 3, 2, 6, 8)])
def test_other_ranks_are_reshaped(shape):
    layers = by_sizes(*shape[:-2], 12, 4, x=example(*shape), mode="nearest")
    assert [layer.op for layer in layers] == ["reshape", "resize", "reshape"]


def test_nothing_to_resize():
    assert by_sizes(2, 3, 6, 8) == []


REFUSED = [
    ({"mode": "cubic"}, "resize mode 'cubic'"),
    ({"coordinate_transformation_mode": "tf_crop_and_resize"}, "coordinate transformation mode 'tf_crop_and_resize'"),
    ({"antialias": 1}, "resize with antialiasing"),
]


@pytest.mark.parametrize("attributes, why", REFUSED, ids=[w for _, w in REFUSED])
def test_refused(attributes, why):
    constants = {"roi": NO, "scales": floats(1, 1, 2, 2)}
    with pytest.raises(UnsupportedModel, match=why) as caught:
        import_onnx(node_model("Resize", {"x": IMAGE}, constants, opset=18, **attributes))
    assert caught.value.diagnostics[0].code == "P302"


@pytest.mark.parametrize(
    "sizes, why",
    [((3, 3, 6, 8), r"axes \[0\] of 4 are resized"), ((4, 4, 12, 16), r"axes \[0, 1, 2, 3\] of 4 are resized")],
)
def test_refused_axes(sizes, why):
    with pytest.raises(UnsupportedModel, match=why):
        by_sizes(*sizes)


def _with_symbols():
    node = helper.make_node("Resize", ["x", "", "s"], ["y"], name="up")
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, "H", 8])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3, "A", 16])
    scales = helper.make_tensor("s", TensorProto.FLOAT, [4], [1, 1, 2, 2])
    graph = helper.make_graph([node], "g", [x], [y], [scales])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def test_symbolic_sizes_are_pinned():
    with pytest.raises(UnsupportedModel, match=r"symbolic size is resized; pin it with dims="):
        import_onnx(_with_symbols())
    (layer,) = import_onnx(_with_symbols(), dims={"H": 6}).module.main
    assert isinstance(layer, Resize) and str(layer.result.type.shape[0]) == "N" and layer.size == (12, 16)
