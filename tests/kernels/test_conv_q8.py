"""Convolutions of bytes, bit for bit: tails, padding, stride, dilation, groups, residuals, bounds, extremes."""

import numpy as np
import pytest
import quantized as q8
import reference as ref
from quantized import Scales
from reference import Case

CASES = [
    Case(3, 5, (6, 6), (3, 3), pads=(1, 1, 1, 1)),
    Case(16, 16, (5, 7), (1, 1)),
    Case(17, 33, (12, 9), (5, 3), stride=(2, 1), pads=(3, 1, 2, 1), dilation=(1, 3)),
    Case(12, 18, (8, 9), (3, 3), stride=(2, 1), pads=(1, 1, 1, 1), groups=3, n=2),
    Case(8, 8, (5, 5), (3, 3), pads=(1, 1, 1, 1), groups=8),
    Case(4, 4, (2, 2), (5, 5), pads=(4, 4, 4, 4)),
]
SCALES = [Scales(), Scales(x_zero=0, zero=3, low=3, high=200, res_zero=7), Scales(x_zero=255, zero=255, low=17)]


def naive(
    o: q8.Operands, case: Case, s: Scales, isa: str, threads: int, w_zero: np.ndarray | None = None
) -> np.ndarray:
    want = q8.conv(o, case, s, w_zero)
    inputs = {"x": o.x, "w": o.w, "bias": q8.folded(o, s, w_zero), "scale": o.scale, "res": o.res, "w_zero": w_zero}
    fields = ref.geometry(case, want.shape) | s.fields | {"groups": case.groups}
    got = ref.run("q8_conv_naive_nchw", inputs, want.size, isa, threads, np.uint8, **fields)
    assert np.array_equal(got.reshape(want.shape), want)
    return want


@pytest.mark.parametrize("scales", SCALES, ids=str)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_naive(any_isa: str, case: Case, scales: Scales) -> None:
    for threads, res in ((1, True), (2, False)):
        want = naive(q8.operands(case, res=res), case, scales, any_isa, threads)
        assert len(np.unique(want)) > 50 or want.size < 200, "results should differ"


def test_naive_with_zero_points_of_weights(any_isa: str) -> None:
    case = CASES[2]
    w_zero = np.random.default_rng(5).integers(-128, 256, case.oc, np.int32)
    naive(q8.operands(case), case, SCALES[1], any_isa, 1, w_zero)


@pytest.mark.parametrize("extreme", ["low", "high"])
def test_naive_extremes(any_isa: str, extreme: str) -> None:
    naive(q8.operands(CASES[2], extreme=extreme), CASES[2], Scales(x_zero=0), any_isa, 1)
