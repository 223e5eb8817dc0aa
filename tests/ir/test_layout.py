"""Layouts: names and expressions, what is wrong with them, and where each element lies."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plait.ir import DType, TensorType
from plait.ir.layout import (
    NCHW,
    NCHW16C,
    NHWC,
    ROW_MAJOR,
    Format,
    Layout,
    Term,
    blocked,
    default_layout,
    layout_named,
    layout_of,
)


@st.composite
def layouts(draw: st.DrawFn, rank: int | None = None) -> Layout:
    """Any layout of a rank up to 4: each axis is cut into up to 3 levels, then all terms are shuffled."""
    terms = []
    for axis in range(rank or draw(st.integers(1, 4))):
        factors = draw(st.lists(st.integers(2, 4), max_size=2))
        bounds = [math.prod(factors[i:]) for i in range(len(factors))]
        terms += [Term(axis, m, d) for m, d in itertools.pairwise([0, *bounds, 1])]
    return layout_of(draw(st.permutations(terms)))


@given(layouts())
def test_expressions_read_back(layout: Layout) -> None:
    found = layout_named(layout.name)
    assert found == layout and found.terms == layout.terms and str(found) == layout.name
    expression = f"<{', '.join(str(t) for t in layout.terms or ())}>"
    assert layout_named(expression) == layout


@given(st.data(), layouts())
def test_each_element_lies_where_the_terms_say(data: st.DataObject, layout: Layout) -> None:
    assert layout.rank is not None and layout.terms is not None
    shape = tuple(data.draw(st.lists(st.integers(0, 9), min_size=layout.rank, max_size=layout.rank)))
    array = np.arange(1, 1 + math.prod(shape)).reshape(shape)
    stored = layout.pack(array, fill=-1)
    assert stored.shape == layout.storage_shape(shape) and stored.flags.c_contiguous
    for index in np.ndindex(shape):
        place = tuple((index[t.axis] % t.modulo if t.modulo else index[t.axis]) // t.divisor for t in layout.terms)
        assert stored[place] == array[index]
    assert np.count_nonzero(stored == -1) == stored.size - array.size
    assert np.array_equal(layout.unpack(stored, shape), array)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("<d0, d2, d3, d1>", "nhwc"),
        ("<d0,d1,d2,d3>", "nchw"),
        ("< d0, d1/16, d2, d3, d1%16 >", "nchw16c"),
        ("nchw4c", "nchw4c"),
        ("<d1, d0>", "<d1, d0>"),
        ("<d0, d1/64, d1%64/4, d1%4>", "<d0, d1/64, d1%64/4, d1%4>"),
        ("<d0, d1/64, d1/4%16, d1%4>", "<d0, d1/64, d1%64/4, d1%4>"),
        ("<d0/1>", "<d0>"),
        ("", ""),
    ],
)
def test_names(text: str, name: str) -> None:
    assert layout_named(text).name == name and layout_named(name) == layout_named(text)


def test_known_layouts() -> None:
    assert (NHWC.rank, ROW_MAJOR.rank, blocked(4).rank) == (4, None, 4)
    assert (NHWC.order, NCHW16C.order, ROW_MAJOR.order) == ((0, 2, 3, 1), None, None)
    assert NCHW.is_row_major and ROW_MAJOR.is_row_major and not NHWC.is_row_major and not NCHW16C.is_row_major
    assert blocked(16) == NCHW16C != blocked(8) and blocked(16).terms == NCHW16C.terms
    assert default_layout(4) is NCHW and default_layout(3) is ROW_MAJOR
    assert layout_named("<d1, d0>") is layout_named("<d1, d0>")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nhcw", "unknown layout 'nhcw'"),
        ("nchw0c", r"unknown layout 'nchw0c' \(known: nchw, nhwc"),
        ("nchw1c", "unknown layout"),
        ("<>", "'' is not a term of a layout"),
        ("<d0, e1>", "'e1' is not a term"),
        ("<d0, d1*4>", r"'d1\*4' is not a term"),
        ("<d0/2/2>", "'d0/2/2' is not a term"),
        ("<d0/0>", "'d0/0' divides by zero"),
        ("<d0, d2>", "must say where d1 goes"),
        ("<d0, d0>", "d0 must cover it once: d0 is too much"),
        ("<d0/16>", "d0%16 is missing"),
        ("<d0%16>", "d0%16 stands where d0 or d0/<block> is wanted"),
        ("<d0/16, d0%8>", "d0%8 stands where d0%16 is wanted"),
        ("<d0/16, d0%16, d0%16>", "cover it once"),
        ("<d0/16, d0%16/3, d0%3>", "d0%16/3 does not divide blocks of 16"),
        ("<d0/16, d0%16/16, d0%16>", "does not divide"),
    ],
)
def test_wrong_layouts(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        layout_named(text)


def test_types_take_row_major_expressions_as_their_default() -> None:
    assert TensorType(DType.F32, (2, 3), layout_named("<d0, d1>")) == TensorType(DType.F32, (2, 3))
    assert TensorType(DType.F32, (1, 2, 3, 4), layout_named("<d0, d1, d2, d3>")).layout == NCHW
    assert str(TensorType(DType.F32, (2, 3), layout_named("<d1, d0>"))) == "f32[2x3] <d1, d0>"


@pytest.mark.parametrize("text", ["<d1, d0>", "<d0, d1/8, d1%8>"])
@pytest.mark.parametrize("dtype", ["f32", "q8<0.5:3>", "i4"])
def test_formats_read_back(text: str, dtype: str) -> None:
    plain = TensorType(DType.F32, (5, 20))
    there = plain.with_format(Format(dtype, text, "gpu"))
    assert str(there) == f"{dtype}[5x20] {text} on gpu"
    assert plain.with_format(there.format) == there and there.with_format(plain.format) == plain


def test_scalars_and_vectors_are_not_changed() -> None:
    for array in (np.array(3.0), np.arange(4.0)):
        assert ROW_MAJOR.pack(array).shape == array.shape == ROW_MAJOR.unpack(array, array.shape).shape
