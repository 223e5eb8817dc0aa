"""Packing: where packed weights lie, and sharing them among those who need the same."""

from __future__ import annotations

import numpy as np
import pytest

from plait.kernels_pyx import packing


@pytest.mark.parametrize("shape", [(64, 8), (3, 5)])
def test_packed_weights_lie_where_kernels_read_them(shape: tuple[int, int]) -> None:
    packed = packing.pack_fc(np.ones(shape, np.float32))
    assert packed.ctypes.data % 64 == 0 and packed.flags.c_contiguous
    assert packed.sum() == shape[0] * shape[1]


def test_weights_that_need_no_packing_stay_where_they_are() -> None:
    bias = packing.pack_channels(np.ones(5, np.float32), 16)
    assert packing.pack_channels(bias, 16) is bias


def test_equal_packing_is_shared_within_the_context_alone() -> None:
    w, twin = np.ones((2, 32, 32, 3, 3), np.float32)
    known: packing.Packed = {}
    with packing.sharing(known):
        first = packing.pack_conv_blocked(w, 1, 16)
        assert packing.pack_conv_blocked(w, 1, 16) is first
        assert packing.pack_conv_blocked(w, 2, 16) is not first, "packed in another way"
        assert packing.pack_conv_blocked(w, 1, block=16) is not packing.pack_winograd(w, 2, 1, 16)
        assert packing.pack_conv_blocked(twin, 1, 16) is not first, "another array, although equal"
    assert packing.pack_conv_blocked(w, 1, 16) is not first
    with packing.sharing(known):
        assert packing.pack_conv_blocked(w, 1, 16) is first
