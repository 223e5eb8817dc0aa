"""Resize: where positions come from, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from plait.ir import TensorType, Value
from plait.ir.diagnostics import ShapeError
from plait.ir.dims import symbol
from plait.ir.layers.resize import Resize
from plait.ir.types import DType


def resized(row: list[float], size: int, **attributes: object) -> list[float]:
    data = np.array(row, np.float32).reshape(1, 1, 1, -1)
    layer = Resize(Value("x", TensorType(DType.F32, data.shape)), size=(1, size), **attributes)  # type: ignore[arg-type]
    return [float(v) for v in layer.reference(data).reshape(-1)]


@pytest.mark.parametrize(
    "coordinates, wanted",
    [
        ("half_pixel", [0, 1, 3, 4]),
        ("asymmetric", [0, 2, 4, 4]),
        ("align_corners", [0, 4 / 3, 8 / 3, 4]),
    ],
)
def test_linear_to_twice_the_width(coordinates: str, wanted: list[float]) -> None:
    assert resized([0, 4], 4, mode="linear", coordinates=coordinates) == pytest.approx(wanted)


def test_ties_between_neighbours() -> None:
    """Half the width: every place lies between two elements."""
    row = [0.0, 1, 2, 3]
    assert resized(row, 2, rounding="round_prefer_floor") == [0, 2]
    assert resized(row, 2, rounding="round_prefer_ceil") == [1, 3]
    assert resized(row, 2, rounding="floor") == [0, 2]
    assert resized(row, 2, rounding="ceil") == [1, 3]


def test_one_position() -> None:
    row = [0.0, 1, 2, 3]
    assert resized(row, 1, mode="linear") == [1.5]
    assert resized(row, 1, mode="linear", coordinates="pytorch_half_pixel") == [0]
    assert resized(row, 1, mode="linear", coordinates="align_corners") == [0]


def test_a_scale_that_is_no_ratio_of_sizes() -> None:
    """ONNX: 4 * 0.6 = 2.4 makes 2; corners are aligned over 2.4."""
    found = resized([1, 2, 3, 4], 2, mode="linear", coordinates="align_corners", scale=(1, 0.6))
    assert found == pytest.approx([1, 1 + 3 / 1.4])


def test_symbolic_height_is_refused_symbolic_batch_is_not() -> None:
    n, h = symbol("N"), symbol("H")
    assert Resize(Value("x", TensorType(DType.F32, (n, 3, 4, 4))), size=(8, 8)).infer().shape == (n, 3, 8, 8)
    with pytest.raises(ShapeError, match="symbolic"):
        Resize(Value("x", TensorType(DType.F32, (1, 3, h, 4))), size=(8, 8)).infer()
