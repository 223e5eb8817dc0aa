"""Convolutions of bytes with channels last, bit for bit: pixels read in place, and through a table of places."""

import numpy as np
import pytest
import quantized as q8
import reference as ref
from quantized import Scales
from reference import Case

from plait.ir.fixed_point import multiply_by_quantized, quantize_multiplier
from plait.kernels_pyx import Split, packing, packing_q8

SCALES = [Scales(), Scales(x_zero=0, zero=3, low=3, high=200, res_zero=7), Scales(x_zero=255, zero=255, low=17)]
CASES = [
    Case(16, 16, (5, 7), (1, 1)),
    Case(64, 64, (14, 14), (1, 1)),
    Case(130, 200, (9, 5), (1, 1), n=2),
    Case(37, 33, (8, 9), (1, 1), stride=(2, 3)),
    Case(6, 10, (8, 9), (1, 1), groups=2, n=2),
    Case(48, 200, (7, 7), (1, 1), groups=2),
    Case(24, 48, (14, 15), (3, 3), pads=(1, 1, 1, 1), n=2),
    Case(3, 40, (15, 16), (3, 3), stride=(2, 2), pads=(0, 0, 1, 1)),
    Case(17, 65, (12, 9), (5, 3), stride=(2, 1), pads=(3, 1, 2, 1), dilation=(1, 3)),
    Case(12, 18, (8, 9), (3, 3), stride=(2, 1), pads=(1, 1, 1, 1), groups=3, n=2),
    Case(8, 8, (5, 5), (3, 3), pads=(1, 1, 1, 1), groups=8),
    Case(4, 4, (2, 2), (5, 5), pads=(4, 4, 4, 4)),
    Case(128, 8, (30, 90), (3, 3), pads=(1, 1, 1, 1)),  # several chunks
]


def check(
    o: q8.Operands,
    case: Case,
    s: Scales,
    isa: str,
    threads: int,
    split: int = 0,
    fixed: bool = False,
    depthwise: bool = False,
) -> None:
    """`depthwise`: by the kernel that has one filter for each channel, to which all channels are one group."""
    want = q8.conv(o, case, s)
    groups = 1 if depthwise else case.groups
    scale = {"scale": packing_q8.pack_groups(o.scale, groups)}
    if fixed:
        steps = multiply_by_quantized(q8.conv_sums(o, case, s), o.scale.astype(np.float64)[:, None, None])
        want = (np.clip(steps, s.low - s.zero, s.high - s.zero) + s.zero).astype(np.uint8)
        parts = (packing_q8.pack_groups(v.astype(np.int32), groups) for v in quantize_multiplier(o.scale))
        scale = {"scale": np.concatenate(list(parts))}
    in_place = case.kernel == (1, 1) and not any(case.pads)
    places = packing.conv_offsets(
        (*case.size, case.ic), want.shape[2:], case.kernel, case.stride, case.pads[:2], case.dilation
    )
    inputs = {
        "x": q8.to_layout(o.x, "nhwc"),
        "w": packing_q8.pack_dwconv_nhwc(o.w) if depthwise else packing_q8.pack_conv_nhwc(o.w, groups),
        "bias": packing_q8.pack_groups(q8.folded(o, s), groups),
        "res": None if o.res is None else q8.to_layout(o.res, "nhwc"),
        **scale,
    }
    fields = ref.geometry(case, want.shape) | s.fields | {"split": split}
    if not depthwise:
        inputs["offsets"] = None if in_place else places
        fields["groups"] = groups
    if fixed:
        fields["shifts"] = scale["scale"].size // 2
    got = ref.run(
        "q8_dwconv_nhwc" if depthwise else "q8_conv_nhwc", inputs, want.size, isa, threads, np.uint8, **fields
    )
    assert np.array_equal(ref.from_layout(got, "nhwc", want.shape), want)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_shapes(any_isa: str, case: Case) -> None:
    for threads, res, scales in ((1, True, SCALES[0]), (2, False, SCALES[1]), (2, True, SCALES[2])):
        check(q8.operands(case, res=res), case, scales, any_isa, threads)
    for split in (Split.ROWS, Split.CHANNELS):
        check(q8.operands(case), case, SCALES[0], any_isa, 2, split)


@pytest.mark.parametrize("case", CASES[2:10:3], ids=str)
def test_fixed_point(any_isa: str, case: Case) -> None:
    check(q8.operands(case, res=False), case, SCALES[1], any_isa, 2, fixed=True)


@pytest.mark.parametrize("extreme", ["low", "high"])
@pytest.mark.parametrize("case", [CASES[2], CASES[8]], ids=str)
def test_extremes(any_isa: str, case: Case, extreme: str) -> None:
    check(q8.operands(case, extreme=extreme), case, Scales(x_zero=0), any_isa, 1)


DEPTHWISE = [
    Case(16, 16, (5, 7), (3, 3), pads=(1, 1, 1, 1), groups=16),
    Case(64, 64, (9, 8), (3, 3), stride=(2, 2), pads=(0, 0, 1, 1), groups=64, n=2),
    Case(130, 130, (6, 5), (5, 5), pads=(2, 2, 2, 2), groups=130),
    Case(37, 37, (12, 9), (5, 3), stride=(2, 1), pads=(3, 1, 2, 1), dilation=(1, 3), groups=37),
    Case(200, 200, (1, 4), (1, 2), groups=200),
    Case(3, 3, (2, 2), (5, 5), pads=(4, 4, 4, 4), groups=3, n=2),
]


@pytest.mark.parametrize("case", DEPTHWISE, ids=str)
def test_depthwise(any_isa: str, case: Case) -> None:
    for threads, res, scales in ((1, True, SCALES[0]), (2, False, SCALES[1]), (2, True, SCALES[2])):
        check(q8.operands(case, res=res), case, scales, any_isa, threads, depthwise=True)
    check(q8.operands(case, res=False), case, SCALES[1], any_isa, 2, fixed=True, depthwise=True)
    for extreme in ("low", "high"):
        check(q8.operands(case, extreme=extreme), case, Scales(x_zero=0), any_isa, 1, depthwise=True)
