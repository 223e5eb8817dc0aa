"""Comparing the elements of constants, large ones without copies of them."""

from __future__ import annotations

import numpy as np
import pytest

from plait.ir.values import Array
from plait.passes.support.constants import equal_content, sample

SIZES = (0, 1, 7, 8, 1000, (1 << 18) + 1, 1 << 19)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", ["f4", "f8", "i1", "?"])
def test_any_element_tells_arrays_apart(size: int, dtype: str) -> None:
    array = (np.arange(size) % 2).astype(dtype)
    same = array.copy()
    assert equal_content(array, same) and sample(array) == sample(same)
    for place in {0, size // 2, size - 1} if size else ():
        other = array.copy()
        other[place] = 1 - other[place].astype("i1")
        assert not equal_content(array, other)


def test_elements_are_compared_bit_for_bit() -> None:
    zeros, nan = np.zeros(3, np.float32), np.full(3, np.nan, np.float32)
    assert not equal_content(zeros, -zeros)
    assert equal_content(nan, nan.copy())


@pytest.mark.parametrize("array", [np.arange(12.0).reshape(3, 4).T, np.array(["a", "b"], object), np.array(3.0)])
def test_all_kinds_of_arrays(array: Array) -> None:
    other = array.copy()
    assert equal_content(array, other) and sample(array) == sample(other)
    other[...] = array[(0,) * array.ndim] if array.dtype.hasobject else array + 1
    assert not equal_content(array, other)


def test_samples_come_from_all_over() -> None:
    data = np.zeros(100_000, np.float32)
    other = data.copy()
    other[50_000:] = 1
    assert len(sample(data)) < 4096 and sample(data) != sample(other)
