"""Types, layouts, formats, activations and attribute values."""

from __future__ import annotations

import math

import numpy as np
import pytest

from plait.ir.activation import KINDS, RELU6, Activation, activation
from plait.ir.attributes import Call, attribute_text, boolean, dtype, integer, ints, number, pads, pair
from plait.ir.dims import symbol
from plait.ir.layout import NCHW, NHWC, ROW_MAJOR, Format, blocked, default_layout, layout_named
from plait.ir.types import DType, TensorType


def test_layout_defaults_by_rank() -> None:
    assert TensorType(DType.F32, (1, 2, 3, 4)).layout == NCHW
    assert TensorType(DType.F32, (1, 2)).layout == ROW_MAJOR
    assert default_layout(4) is NCHW and default_layout(3) is ROW_MAJOR


@pytest.mark.parametrize(
    ("layout", "storage"),
    [("nchw", (2, 20, 5, 7)), ("nhwc", (2, 5, 7, 20)), ("nchw16c", (2, 2, 5, 7, 16)), ("nchw8c", (2, 3, 5, 7, 8))],
)
def test_storage_shape_and_bytes(layout: str, storage: tuple[int, ...]) -> None:
    type = TensorType(DType.F32, (2, 20, 5, 7), layout_named(layout))
    assert type.storage_shape == storage
    assert type.nbytes == 4 * math.prod(storage)
    assert type.elements == 2 * 20 * 5 * 7
    assert str(type) == f"f32[2x20x5x7] {layout}"


def test_layouts_are_equal_by_name() -> None:
    assert blocked(16) == layout_named("nchw16c") != blocked(8)
    assert (NHWC.rank, ROW_MAJOR.rank, blocked(4).rank) == (4, None, 4)
    with pytest.raises(ValueError, match=r"unknown layout 'nchw0c' \(known: nchw, nhwc"):
        layout_named("nchw0c")


def test_formats_say_device_dtype_and_layout() -> None:
    type = TensorType(DType.F16, (1, 2, 3, 4), NHWC, "gpu0")
    assert str(type.format) == "gpu0/f16/nhwc"
    assert str(type) == "f16[1x2x3x4] nhwc on gpu0"
    other = type.with_format(Format("f32", "nchw16c"))
    assert str(other) == "f32[1x2x3x4] nchw16c"
    assert not type.same_logical(other) and type.same_logical(TensorType(DType.F16, (1, 2, 3, 4)))


def test_symbolic_types() -> None:
    type = TensorType(DType.F32, (symbol("N"), 3, symbol("H") * 2))
    assert not type.is_static and type.symbols() == {"N", "H"}
    assert type.substitute({"N": 1, "H": 4}).static_shape == (1, 3, 8)
    with pytest.raises(ValueError, match="symbolic"):
        _ = type.static_shape


@pytest.mark.parametrize("type", list(DType))
def test_dtypes_have_a_numpy_counterpart(type: DType) -> None:
    assert type.size == type.numpy.itemsize
    if type is not DType.BF16:
        assert DType.of(type.numpy) is type
    assert str(type) == type.value


def test_numpy_dtypes_without_counterpart() -> None:
    with pytest.raises(ValueError, match="complex64 has no counterpart"):
        DType.of(np.complex64)


@pytest.mark.parametrize("kind", list(KINDS))
def test_activations_keep_dtype_and_shape(kind: str) -> None:
    act = Activation(kind, (0.25, 0.5)[: KINDS[kind][0]])
    x = np.linspace(-8, 8, 33, dtype=np.float32).reshape(3, 11)
    y = act(x)
    assert y.dtype == x.dtype and y.shape == x.shape and np.isfinite(y).all()
    assert activation(Call(kind, act.params) if act.params else kind) == act
    assert bool(act) == (kind != "none")


def test_activation_values() -> None:
    x = np.array([-4, -1, 0, 1, 4], np.float64)
    np.testing.assert_allclose(Activation("hard_swish")(x), [0, -1 / 3, 0, 2 / 3, 4])
    assert RELU6(2 * x).tolist() == [0, 0, 0, 2, 6] and str(RELU6) == "relu6"
    np.testing.assert_allclose(Activation("gelu")(x), [-1.2668e-04, -1.5866e-01, 0, 8.4134e-01, 3.99987], rtol=1e-4)
    assert str(Activation("clip", (0.0, 1.0))) == "clip(0.0, 1.0)"


def test_wrong_activations() -> None:
    with pytest.raises(ValueError, match="unknown activation 'swosh'"):
        activation("swosh")
    with pytest.raises(ValueError, match="clip takes 2 parameters, got 1"):
        Activation("clip", (1.0,))
    with pytest.raises(TypeError, match="wants an activation"):
        activation(3)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        (True, "true"),
        (0.5, "0.5"),
        (1e-5, "1e-05"),
        (2.0, "2.0"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        ("mean", "mean"),
        ("true", '"true"'),
        ("a b", '"a b"'),
        ((1, (2.5, "x")), "[1, [2.5, x]]"),
        (DType.F16, "f16"),
        (Call("clip", (0, 6)), "clip(0, 6)"),
        (RELU6, "relu6"),
    ],
)
def test_attribute_text(value: object, text: str) -> None:
    assert attribute_text(value) == text


def test_values_without_text() -> None:
    with pytest.raises(TypeError, match="set is not an attribute value"):
        attribute_text({1})


def test_converters() -> None:
    assert pair(2) == (2, 2) and pair([1, 2]) == (1, 2)
    assert pads(1) == (1, 1, 1, 1) and pads([1, 2]) == (1, 2, 1, 2) and pads([1, 2, 3, 4]) == (1, 2, 3, 4)
    assert (
        ints([1, np.int64(2)]) == (1, 2)
        and integer(3) == 3
        and number(3) == 3.0
        and boolean(True)
        and dtype("f32") is DType.F32
    )
    for converter, wrong in [
        (pair, [1]),
        (pads, [1, 2, 3]),
        (ints, [1.5]),
        (integer, True),
        (number, "1"),
        (boolean, 1),
        (dtype, "f31"),
    ]:
        with pytest.raises((TypeError, ValueError)):
            converter(wrong)  # type: ignore[operator]
