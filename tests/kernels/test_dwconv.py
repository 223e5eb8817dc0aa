"""Depthwise convolutions in every layout against the NumPy oracle."""

import numpy as np
import pytest
import reference as ref
from reference import Case, geometry

from plait.kernels_pyx import Act, packing

CASES = [
    *(
        Case(c, c, (9, width), (k, k), stride=(s, s), pads=(k // 2,) * 4)
        for c, width in [(16, 7), (24, 14), (40, 9), (5, 23)]
        for k in (3, 5, 7)
        for s in (1, 2)
    ),
    Case(16, 16, (3, 2), (5, 5), pads=(2, 2, 2, 2)),
    Case(32, 32, (12, 11), (3, 3), stride=(2, 2), pads=(0, 0, 1, 1), n=2),
    Case(20, 20, (12, 11), (3, 5), stride=(1, 3), pads=(2, 1, 0, 3)),
    Case(20, 20, (15, 15), (3, 3), pads=(4, 4, 4, 4), dilation=(4, 4)),
    Case(32, 32, (15, 15), (7, 7), stride=(3, 2), pads=(3, 3, 3, 3)),
    Case(18, 18, (8, 8), (2, 2), stride=(2, 2), dilation=(3, 1)),
    Case(16, 16, (2, 2), (3, 3), pads=(5, 5, 5, 5)),
    Case(21, 21, (9, 30), (7, 7), pads=(3, 3, 3, 3), n=2),
    Case(19, 19, (101, 90), (3, 3), pads=(1, 1, 1, 1)),  # several bands of rows
    Case(3, 3, (103, 110), (5, 5), stride=(2, 2), pads=(2, 2, 2, 2), n=2),
    Case(17, 17, (64, 70), (3, 4), stride=(2, 1), pads=(9, 0, 4, 1), dilation=(5, 2)),
]
PACK = {"nchw": packing.pack_dwconv_nchw, "nhwc": packing.pack_dwconv_nhwc}


def convolve(layout, case, isa, threads, act, res=True):
    x = ref.random((case.n, case.ic, *case.size), 1)
    w = ref.random_filters((case.oc, 1, *case.kernel), 2)
    want = ref.conv(x, w, case.stride, case.pads, case.dilation, groups=case.ic)
    b, r = ref.random((case.oc,), 3), ref.random(want.shape, 4)
    inputs = {
        "x": ref.to_layout(x, layout),
        "w": PACK[layout](w) if layout in PACK else packing.pack_dwconv_blocked(w, ref.block_of(layout)),
        "bias": packing.pack_channels(b, ref.block_of(layout)),
        "res": ref.to_layout(r, layout) if res else None,
    }
    fields = geometry(case, want.shape) | {"act": act, "act_a": 0.0, "act_b": 0.0}
    got = ref.run(f"f32_dwconv_{layout}", inputs, ref.size_in(layout, want.shape), isa, threads, **fields)
    want = want + b[:, None, None] + (r if res else 0)
    return ref.from_layout(got, layout, want.shape), ref.activate(want, act)


@pytest.mark.parametrize(("isa", "layout"), ref.LAYOUTS)
@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("act", [Act.RELU, Act.HARD_SWISH])
def test_against_oracle(layout, case, act, isa):
    got, want = convolve(layout, case, isa, 1, act)
    ref.assert_close(got, want)
    again, _ = convolve(layout, case, isa, 2, act, res=True)
    assert np.array_equal(got, again), "one and two threads differ"
