"""Elements as text: every element of every type reads back bit by bit, and what does not fit is refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plait.ir import IRError, TensorType
from plait.ir.attributes import Call
from plait.ir.dtypes import DType, ElementType, Quantized
from plait.ir.literals import element, element_text, is_inline, literal_text, read_literal
from plait.ir.text import parse_module
from plait.ir.values import Array

SMALL = [d for d in DType if (d.is_float or d.is_integer) and d.size == 1]


def reread(data: Array, dtype: ElementType) -> Array:
    """Through the text of a module."""
    type = TensorType(dtype, data.shape)
    text = f"ir 1\nconst @c : {type} = {literal_text(data, dtype)}\n"
    return parse_module(text).constants["c"].data


def same(a: Array, b: Array) -> None:
    """Equal bits, all NaN being one."""
    assert a.dtype == b.dtype and a.shape == b.shape
    with np.errstate(all="ignore"):
        both_nan = (a != a) & (b != b)
    assert np.array_equal(a[~both_nan].view(np.uint8), b[~both_nan].view(np.uint8))


@pytest.mark.parametrize("dtype", SMALL)
def test_every_element_of_a_small_type(dtype: DType) -> None:
    bits = np.arange(256 if dtype.is_integer and dtype.bits == 8 else 1 << dtype.bits, dtype=np.uint8)
    data = bits.view(dtype.numpy)
    if dtype.is_integer and dtype.bits < 8:
        data = np.arange(*[r + i for i, r in enumerate(dtype.integer_range)]).astype(dtype.numpy)
    same(reread(data, dtype), data)


@pytest.mark.parametrize("dtype", [DType.F64, DType.F32, DType.F16, DType.BF16])
def test_floats_read_back_exactly(dtype: DType) -> None:
    bits = np.random.default_rng(1).integers(0, 256, (500, dtype.size), np.uint8)
    data = np.concatenate([bits.reshape(-1).view(dtype.numpy), np.array([0.0, -0.0, 0.1]).astype(dtype.numpy)])
    same(reread(data, dtype), data)


@given(st.complex_numbers(width=64) | st.just(complex(-0.0, math.nan)))
def test_complex_numbers(value: complex) -> None:
    same(reread(np.array([value], np.complex64), DType.C64), np.array([value], np.complex64))
    same(reread(np.array(value, np.complex128), DType.C128), np.array(value, np.complex128))


@given(st.lists(st.text(), max_size=20))
def test_strings(values: list[str]) -> None:
    data = np.array(values, dtype=object)
    found = reread(data, DType.STRING)
    assert found.dtype == object and found.tolist() == values


def test_strings_are_always_inline() -> None:
    assert is_inline(TensorType(DType.STRING, (1000,))) and not is_inline(TensorType(DType.I4, (17,)))
    assert is_inline(TensorType(DType.BF16, (16,)))


@pytest.mark.parametrize(
    ("value", "dtype", "text"),
    [
        (0.1, DType.BF16, "0.1"),
        (3.3895e38, DType.BF16, "3.39e+38"),
        (6.0, DType.F4E2M1, "6.0"),
        (7.5, DType.F6E2M3, "7.5"),
        (448.0, DType.F8E4M3FN, "448.0"),
        (-0.0, DType.F8E5M2, "-0.0"),
        (math.inf, DType.F8E5M2, "inf"),
        (0.1, DType.F32, "0.1"),
        (1e22, DType.F64, "1.0e+22"),
        (-3, DType.I4, "-3"),
        (True, DType.BOOL, "true"),
        ('a"\n', DType.STRING, '"a\\"\\n"'),
        (1 - 2j, DType.C64, "complex(1.0, -2.0)"),
        (7, Quantized(DType.U8, 0.5), "7"),
    ],
)
def test_text(value: Any, dtype: ElementType, text: str) -> None:
    assert element_text(np.array([value]).astype(dtype.numpy)[0], dtype) == text


@pytest.mark.parametrize(
    ("literal", "dtype", "message"),
    [
        ("1000", "i8", "1000 is outside -128 to 127, the range of i8"),
        ("8", "i4", "8 is outside -8 to 7"),
        ("-1", "u64", "-1 is outside 0 to"),
        ("1.0", "i32", "1.0 is not a number of type i32"),
        ("true", "i32", "True is not a number of type i32"),
        ("true", "f32", "True is not a number"),
        ("relu", "f32", "'relu' is not a number"),
        ("1e39", "f32", "1e[+]39 is not in the range of f32"),
        ("70000.0", "f16", "70000.0 is not in the range of f16"),
        ("465.0", "f8e4m3fn", "465.0 is not in the range"),
        ("inf", "f8e4m3fn", "inf is not in the range"),
        ("6.5", "f4e2m1", "6.5 is not in the range"),
        ("nan", "f4e2m1", "nan is not in the range"),
        ("0.0", "f8e8m0", "0.0 is not in the range"),
        ("-1.0", "f8e8m0", "-1.0 is not in the range"),
        ("complex(1.0, true)", "c64", "True is not a number"),
        ("complex(1.0)", "c64", "is not a number"),
        ("1", "bool", "1 is not true or false"),
        ("1", "string", "1 is not a string"),
    ],
)
def test_what_does_not_fit(literal: str, dtype: str, message: str) -> None:
    with pytest.raises(IRError, match=message) as caught:
        parse_module(f"ir 1\nconst @c : {dtype}[] = {literal}\n")
    assert caught.value.code == "P006"


def test_other_spellings() -> None:
    assert element(3, DType.C64) == 3 and element(Call("complex", (1, 2)), DType.C64) == 1 + 2j
    assert element(1, DType.F32) == 1.0 and element("inf", DType.F16) == math.inf
    with pytest.raises(ValueError, match="3 elements"):
        read_literal((1, 2, 3), TensorType(DType.I8, (2,)))
