"""Conversion among all element types, against the reference implementation in the `onnx` package."""

from __future__ import annotations

import numpy as np
import pytest
from onnx.reference.ops.op_cast import cast_to

from plait.frontends.onnx.tensors import DTYPES
from plait.ir.casting import can_cast, cast_array
from plait.ir.diagnostics import ShapeError
from plait.ir.dtypes import DType, element_type
from plait.ir.layers.elementwise import Cast
from plait.ir.types import TensorType
from plait.ir.values import Array, Value

NUMBERS = [d for d in DType if d is not DType.STRING]
CODES = {dtype: code for code, dtype in DTYPES.items()}
FLOATS = [
    0.0,
    -0.0,
    0.4,
    0.5,
    1.0,
    -1.0,
    1.5,
    1.75,
    2.5,
    3.0,
    -3.0,
    100.3,
    440.0,
    500.0,
    -7e4,
    1e6,
    np.inf,
    -np.inf,
    np.nan,
]


def same(a: Array, b: Array) -> None:
    assert a.dtype == b.dtype and a.shape == b.shape
    wide_a, wide_b = (v.astype(np.complex128 if v.dtype.kind == "c" else np.float64) for v in (a, b))
    np.testing.assert_array_equal(wide_a, wide_b)


@pytest.mark.parametrize("saturate", [True, False])
@pytest.mark.parametrize("target", [d for d in NUMBERS if d.is_float and d is not DType.F8E8M0])
def test_floats_to_floats(target: DType, saturate: bool) -> None:
    values = FLOATS[:-3] if target in (DType.F4E2M1, DType.F6E2M3, DType.F6E3M2) else FLOATS
    x = np.array(values, np.float32)
    with np.errstate(all="ignore"):
        wanted = cast_to(x, CODES[target], saturate)
    same(cast_array(x, target, saturate=saturate), wanted)


@pytest.mark.parametrize("rounding", ["up", "down", "nearest"])
@pytest.mark.parametrize("saturate", [True, False])
def test_floats_to_powers_of_two(saturate: bool, rounding: str) -> None:
    x = np.array([*FLOATS, 3.3e38, 2.0**-126, 2.0**127], np.float32)
    wanted = cast_to(x, CODES[DType.F8E8M0], saturate, rounding)
    found = cast_array(x, DType.F8E8M0, saturate=saturate, rounding=rounding)
    assert found.view(np.uint8).tolist() == wanted.view(np.uint8).tolist()


@pytest.mark.parametrize("target", NUMBERS)
@pytest.mark.parametrize("source", NUMBERS)
def test_small_numbers_between_any_two_types(source: DType, target: DType) -> None:
    if not can_cast(source, target):
        assert source.is_complex and not target.is_complex
        return
    x = np.array([1, 1, 0] if DType.F8E8M0 not in (source, target) else [1, 1, 1]).astype(source.numpy)
    found = cast_array(x, target)
    assert found.dtype == target.numpy
    assert [complex(v) for v in found] == [complex(v) for v in x]


@pytest.mark.parametrize(
    ("source", "target", "values", "wanted"),
    [
        ("f32", "i32", [1.9, -1.9], [1, -1]),
        ("bf16", "i4", [1.9, -7.5], [1, -7]),
        ("i32", "i4", [8, 15, -9, 7], [-8, -1, 7, 7]),
        ("i32", "u4", [16, 255], [0, 15]),
        ("i4", "u2", [-1, 5], [3, 1]),
        ("i32", "i8", [300], [44]),
        ("f16", "bool", [0.0, -0.0, 0.5, np.nan], [False, False, True, True]),
        ("i2", "bool", [0, -1], [False, True]),
        ("bool", "f8e4m3fn", [True, False], [1.0, 0.0]),
        ("f8e4m3fn", "f8e5m2", [448.0, 0.5], [448.0, 0.5]),
        ("f64", "c64", [1.5], [1.5 + 0j]),
        ("c64", "c128", [1 + 2j], [1 + 2j]),
    ],
)
def test_values(source: str, target: str, values: list[object], wanted: list[object]) -> None:
    x = np.array(values).astype(DType(source).numpy)
    same(cast_array(x, DType(target)), np.array(wanted).astype(DType(target).numpy))


def test_strings() -> None:
    texts = np.array([["3.5", " -1e2 "], ["inf", "NaN"]], dtype=object)
    same(cast_array(texts, DType.F32), np.array([[3.5, -100], [np.inf, np.nan]], np.float32))
    same(cast_array(texts[:1], DType.BF16), np.array([[3.5, -100]]).astype(DType.BF16.numpy))
    same(cast_array(np.array(["-3", "100"], object), DType.I64), np.array([-3, 100]))
    same(cast_array(np.array(["18446744073709551615"], object), DType.U64), np.array([2**64 - 1], np.uint64))
    same(cast_array(np.array(["1+2j"], object), DType.C64), np.array([1 + 2j], np.complex64))
    assert cast_array(np.array([0.1], np.float32), DType.STRING).tolist() == ["0.1"]
    assert cast_array(np.array([[3], [-4]]).astype(DType.I4.numpy), DType.STRING).tolist() == [["3"], ["-4"]]
    assert cast_array(np.array([0.5]).astype(DType.BF16.numpy), DType.STRING).tolist() == ["0.5"]
    with pytest.raises(ValueError, match="could not convert"):
        cast_array(np.array(["x"], object), DType.F32)


def test_what_the_layer_refuses() -> None:
    with pytest.raises(ShapeError, match="complex numbers stay complex"):
        Cast(Value("x", TensorType(DType.C64, (2,))), to="f32").infer()
    for source, to in [("q8<0.5>", "i8"), ("string", "q8<0.5>")]:
        with pytest.raises(ShapeError, match="from and to floating-point numbers, not"):
            Cast(Value("x", TensorType(element_type(source), (2,))), to=to).infer()
    with pytest.raises(ValueError, match="unknown rounding 'sideways'"):
        Cast(Value("x", TensorType(DType.F32, (2,))), to="f8e8m0", rounding="sideways")
