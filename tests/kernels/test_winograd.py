"""Winograd F(2, 3), F(4, 3), F(6, 3) against the direct sum; their transforms lose a few digits, F(6, 3) the most."""

import numpy as np
import pytest
import reference as ref
from reference import Case, geometry

from plait.kernels_pyx import Act, packing

CASES = [
    Case(16, 16, (4, 4), (3, 3), pads=(1, 1, 1, 1)),
    Case(24, 48, (14, 15), (3, 3), pads=(1, 1, 1, 1), n=2),
    Case(33, 40, (7, 7), (3, 3), pads=(1, 1, 1, 1)),
    Case(16, 64, (13, 29), (3, 3), pads=(0, 2, 1, 0)),
    Case(5, 17, (3, 3), (3, 3)),
    Case(32, 32, (30, 26), (3, 3), pads=(1, 1, 1, 1)),
]


def convolve(case, isa, layout, threads, tile_m, tile_b=2, tile_block=0, act=Act.RELU, res=True):
    """(result of the kernel, oracle), both NCHW."""
    x, w = ref.random((case.n, case.ic, *case.size), 1), ref.random_filters((case.oc, case.ic, 3, 3), 2)
    want = ref.conv(x, w, pads=case.pads)
    b, r = ref.random((case.oc,), 3), ref.random(want.shape, 4)
    inputs = {
        "x": ref.to_layout(x, layout),
        "w": packing.pack_winograd(w, tile_m, tile_b, ref.block_of(layout)),
        "bias": packing.pack_channels(b, ref.block_of(layout)),
        "res": ref.to_layout(r, layout) if res else None,
    }
    fields = geometry(case, want.shape) | {
        "act": act, "act_a": 0.0, "act_b": 0.0, "tile_m": tile_m, "tile_block": tile_block, "tile_b": tile_b,
    }  # fmt: skip
    got = ref.run(f"f32_conv_winograd_{layout}", inputs, ref.size_in(layout, want.shape), isa, threads, **fields)
    return (
        ref.from_layout(got, layout, want.shape),
        ref.activate(want + b[:, None, None] + (r if res else 0), act),
    )


@pytest.mark.parametrize(("isa", "layout"), ref.BLOCKED)
@pytest.mark.parametrize("tile_m", [2, 4, 6])
@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize(("tile_b", "tile_block", "act", "res"), [(2, 0, Act.RELU, True), (1, 5, Act.SILU, False)])
def test_against_oracle(tile_m, case, tile_b, tile_block, act, res, isa, layout):
    got, want = convolve(case, isa, layout, 1, tile_m, tile_b, tile_block, act, res)
    ref.assert_close(got, want, 5e-5)
    again, _ = convolve(case, isa, layout, 2, tile_m, tile_b, tile_block, act, res)
    assert np.array_equal(got, again), "one and two threads differ"
