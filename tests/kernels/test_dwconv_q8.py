"""Depthwise convolutions of bytes against NumPy, bit for bit."""

import numpy as np
import pytest
import reference_q8 as ref
from reference import Case, geometry
from reference_q8 import Params

from plait.kernels_pyx import packing, packing_q8

CASES = [
    *(
        Case(c, c, (9, width), (k, k), stride=(s, s), pads=(k // 2,) * 4)
        for c, width in [(16, 7), (24, 14), (5, 23)]
        for k in (3, 5, 7)
        for s in (1, 2)
    ),
    Case(16, 16, (3, 2), (5, 5), pads=(2, 2, 2, 2)),
    Case(32, 32, (12, 11), (3, 3), stride=(2, 2), pads=(0, 0, 1, 1), n=2),
    Case(32, 32, (1, 30), (3, 3), stride=(1, 1), pads=(1, 1, 1, 1), n=2),
    Case(20, 20, (12, 11), (3, 5), stride=(1, 3), pads=(2, 1, 0, 3)),
    Case(20, 20, (15, 15), (3, 3), pads=(4, 4, 4, 4), dilation=(4, 4)),
    Case(18, 18, (8, 8), (2, 2), stride=(2, 2), dilation=(3, 1)),
    Case(16, 16, (2, 2), (3, 3), pads=(5, 5, 5, 5)),
    Case(17, 17, (20, 25), (3, 9), stride=(2, 1), pads=(9, 0, 4, 1), dilation=(5, 2)),
]


def convolve(x, w, case, x_zero):
    """Sums of (x - zx) w in int32, where the padding counts as zero."""
    top, left, bottom, right = case.pads
    padded = np.pad(x.astype(np.int32) - x_zero, ((0, 0), (0, 0), (top, bottom), (left, right)))
    (kh, kw), (dh, dw), (sh, sw) = case.kernel, case.dilation, case.stride
    oh = (padded.shape[2] - (kh - 1) * dh - 1) // sh + 1
    ow = (padded.shape[3] - (kw - 1) * dw - 1) // sw + 1
    y = np.zeros((*x.shape[:2], oh, ow), np.int32)
    for i in range(kh):
        for j in range(kw):
            window = padded[:, :, i * dh :: sh, j * dw :: sw][:, :, :oh, :ow]
            y += window * w[:, 0, i, j].astype(np.int32)[:, None, None]
    return y


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("kind", ["plain", "residual", "large"])
def test_against_numpy(case, kind, any_isa):
    rng = np.random.default_rng(5)
    x, w = ref.random_bytes((case.n, case.ic, *case.size), 1), ref.random_weights((case.oc, 1, *case.kernel), 2)
    of, to, low, high = (Params(0.02, 117), Params(0.05, 30), 30, 200) if kind == "residual" else (
        Params(0.02, 0), Params(0.05, 128), 0, 255
    )  # fmt: skip
    bias = rng.integers(-20_000, 20_000, case.oc, np.int32)
    scale = (rng.uniform(0.2, 1, case.oc) / 200 / case.kernel[0]).astype(np.float32)
    if kind == "large":
        scale *= np.float32(1e8)  # results that no int32 holds
    v = (convolve(x, w, case, of.zero) + bias[:, None, None]).astype(np.float32) * scale[:, None, None]
    res = None
    if kind == "residual":
        res, res_of = ref.random_bytes(v.shape, 9), Params(0.03, 99)
        v += (res.astype(np.int32) - res_of.zero).astype(np.float32) * ref.ratio(res_of.scale, over=to.scale)
    want = ref.store(v, to, low, high)
    inputs = {
        "x": ref.to_layout(x, "nchw16c"),
        "w": packing_q8.pack_dwconv_blocked(w),
        "bias": packing_q8.pack_ints(packing_q8.fold_zero(bias, w, of.zero), 16),
        "scale": packing.pack_channels(scale, 16),
        "res": None if res is None else ref.to_layout(res, "nchw16c"),
    }
    fields = geometry(case, want.shape) | {
        "x_zero": of.zero, "zero": to.zero, "low": low, "high": high, "res_zero": 99,
        "res_scale": ref.ratio(0.03, over=to.scale),
    }  # fmt: skip
    got = ref.run_both("q8_dwconv_nchw16c", inputs, ref.size_in("nchw16c", want.shape), any_isa, **fields)
    assert kind == "large" or len(np.unique(want)) > 20 or want.size < 1000
    assert np.array_equal(ref.from_layout(got, "nchw16c", want.shape), want)


@pytest.mark.parametrize("k", [3, 5])
def test_largest_products(k, any_isa):
    """255 x -128 and 255 x 127 everywhere: sums of two do not fit 16 bits."""
    case = Case(16, 16, (8, 9), (k, k), pads=(k // 2,) * 4)
    x = np.full((1, 16, 8, 9), 255, np.uint8)
    w = np.full((16, 1, k, k), -128, np.int8)
    w[::2] = 127
    sums = convolve(x, w, case, 0)
    scale = np.full(16, 1 / 8192, np.float32)
    inputs = {
        "x": ref.to_layout(x, "nchw16c"), "w": packing_q8.pack_dwconv_blocked(w), "bias": np.zeros(16, np.int32),
        "scale": scale, "res": None,
    }  # fmt: skip
    fields = geometry(case, sums.shape) | {
        "x_zero": 0, "zero": 128, "low": 0, "high": 255, "res_zero": 0, "res_scale": 0.0,
    }  # fmt: skip
    got = ref.run_both("q8_dwconv_nchw16c", inputs, sums.size, any_isa, **fields)
    want = ref.store(sums.astype(np.float32) * scale[0], Params(1.0, 128))
    assert np.array_equal(ref.from_layout(got, "nchw16c", sums.shape), want)
