"""A depthwise convolution and one of 1x1 in bands of rows, against the NumPy oracle."""

import bf16
import numpy as np
import pytest
import reference as ref
from reference import Case, geometry

from plait.kernels_pyx import Act, packing, packing_bf16
from plait.kernels_pyx.packing_q8 import to_bfloat16

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


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("band, tile_b, act", [(1, 1, Act.RELU), (3, 2, Act.HARD_SWISH), (100, 4, Act.SILU)])
def test_bfloat16_rounds_the_band_and_the_result(case, band, tile_b, act, any_isa):
    """Lanes beyond the last channel are NaN."""
    x, w = bf16.random((case.n, case.ic, *case.size), 1), ref.random_filters((case.ic, 1, *case.kernel), 2)
    w1, b, b1 = bf16.random_filters((case.oc, case.ic, 1, 1), 3), ref.random((case.ic,), 4), ref.random((case.oc,), 5)
    first = np.maximum(
        ref.conv(bf16.floats(x), w, case.stride, case.pads, case.dilation, case.ic) + b[:, None, None], 0
    )
    shape = (case.n, case.oc, *first.shape[2:])
    res = bf16.random(shape, 6)
    inputs = {
        "x": bf16.to_layout(x, "nchw16c"),
        "bias": packing.pack_channels(b1, 16),
        "w": packing_bf16.pack_conv_blocked(w1, tile_b),
        "res": bf16.to_layout(res, "nchw16c"),
    }
    depthwise = {"dw_w": packing.pack_dwconv_blocked(w, 16), "dw_bias": packing.pack_channels(b, 16)}
    fields = geometry(case, shape) | {"band": band, "tile_b": tile_b, "act": act, "act_a": 0.0, "act_b": 0.0}
    fields |= {"dw_act": Act.RELU, "dw_act_a": 0.0, "dw_act_b": 0.0}
    size = ref.size_in("nchw16c", shape)
    got = ref.run("bf16_separable_nchw16c", inputs | depthwise, size, any_isa, 1, np.uint16, **fields)
    again = ref.run("bf16_separable_nchw16c", inputs | depthwise, size, any_isa, 3, np.uint16, **fields)
    assert np.array_equal(ref.from_layout(got, "nchw16c", shape), ref.from_layout(again, "nchw16c", shape))
    middle = bf16.floats(to_bfloat16(first.astype(np.float32)))
    want = ref.activate(ref.conv(middle, bf16.floats(w1)) + b1[:, None, None] + bf16.floats(res), act)
    # A number of the band that is rounded the other way moves the sum by half a unit of it.
    error = np.abs(bf16.floats(ref.from_layout(got, "nchw16c", shape)) - want)
    assert (error <= np.abs(want) * 2.0**-8 + 2.0**-9 * np.abs(middle).max() * np.abs(bf16.floats(w1)).max()).all()
