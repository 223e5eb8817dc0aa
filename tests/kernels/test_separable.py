"""A depthwise convolution and one of 1x1 in bands of rows, against the NumPy oracle."""

import numpy as np
import pytest
import reference as ref
from reference import Case, geometry

from plait.kernels_pyx import Act, packing

CASES = [
    Case(16, 16, (9, 7), (3, 3), pads=(1, 1, 1, 1)),
    Case(40, 24, (14, 14), (5, 5), stride=(2, 2), pads=(2, 2, 2, 2), n=2),
    Case(5, 100, (6, 23), (3, 3), stride=(1, 2), pads=(0, 1, 0, 1)),
    Case(33, 17, (12, 15), (3, 3), pads=(2, 2, 2, 2), dilation=(2, 2), n=3),
    Case(20, 65, (8, 9), (2, 3), stride=(2, 1)),
    Case(16, 16, (2, 2), (3, 3), pads=(5, 5, 5, 5)),
]


def inputs_and_result(case, act, layout):
    x, w = ref.random((case.n, case.ic, *case.size), 1), ref.random_filters((case.ic, 1, *case.kernel), 2)
    w1, b, b1 = ref.random_filters((case.oc, case.ic, 1, 1), 3), ref.random((case.ic,), 4), ref.random((case.oc,), 5)
    first = ref.conv(x, w, case.stride, case.pads, case.dilation, groups=case.ic) + b[:, None, None]
    want = ref.conv(np.maximum(first, 0).astype(np.float32), w1) + b1[:, None, None]
    res = ref.random(want.shape, 6)
    inputs = {
        "x": ref.to_layout(x, layout),
        "res": ref.to_layout(res, layout),
        "dw_w": packing.pack_dwconv_blocked(w, ref.block_of(layout)),
        "dw_bias": packing.pack_channels(b, ref.block_of(layout)),
        "bias": packing.pack_channels(b1, ref.block_of(layout)),
    }
    return inputs, w1, ref.activate(want + res, act)


@pytest.mark.parametrize(("isa", "layout"), ref.BLOCKED)
@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("band, tile_b, act", [(1, 1, Act.RELU), (3, 2, Act.HARD_SWISH), (100, 4, Act.NONE)])
def test_against_oracle(case, band, tile_b, act, isa, layout):
    inputs, pointwise, want = inputs_and_result(case, act, layout)
    inputs["w"] = packing.pack_conv_blocked(pointwise, tile_b, ref.block_of(layout))
    fields = geometry(case, want.shape) | {"band": band, "tile_b": tile_b, "act": act, "act_a": 0.0, "act_b": 0.0}
    fields |= {"dw_act": Act.RELU, "dw_act_a": 0.0, "dw_act_b": 0.0}
    size = ref.size_in(layout, want.shape)
    got = ref.run(f"f32_separable_{layout}", inputs, size, isa, 1, **fields)
    ref.assert_close(ref.from_layout(got, layout, want.shape), want)
    for threads in (2, 3):
        again = ref.run(f"f32_separable_{layout}", inputs, size, isa, threads, **fields)
        assert np.array_equal(got, again, equal_nan=True), f"one and {threads} threads differ"
