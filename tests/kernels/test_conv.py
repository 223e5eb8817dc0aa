"""Convolutions in every layout against the NumPy oracle: tails, padding, stride, dilation, groups, epilogues."""

from typing import NamedTuple

import numpy as np
import pytest
import reference as ref
from reference import Case, geometry

from plait.kernels_pyx import Act, packing

CASES = [
    Case(16, 16, (5, 7), (1, 1)),
    Case(32, 64, (14, 14), (1, 1)),
    Case(20, 40, (9, 5), (1, 1), n=2),
    Case(48, 33, (7, 31), (1, 1)),
    Case(16, 32, (8, 8), (1, 1), stride=(2, 2)),
    Case(3, 5, (6, 6), (3, 3), pads=(1, 1, 1, 1)),
    Case(16, 32, (7, 7), (3, 3), pads=(1, 1, 1, 1)),
    Case(24, 48, (14, 15), (3, 3), pads=(1, 1, 1, 1), n=2),
    Case(18, 80, (13, 29), (3, 3), pads=(1, 0, 0, 2)),
    Case(32, 16, (15, 15), (3, 3), stride=(2, 2), pads=(0, 0, 1, 1)),
    Case(16, 16, (12, 10), (3, 2), stride=(1, 3), pads=(2, 1, 0, 1)),
    Case(16, 32, (11, 11), (3, 3), pads=(2, 2, 2, 2), dilation=(2, 2)),
    Case(17, 16, (12, 9), (5, 3), stride=(2, 1), pads=(3, 1, 2, 1), dilation=(1, 3)),
    Case(64, 64, (40, 44), (3, 3), pads=(1, 1, 1, 1)),
    Case(3, 64, (37, 41), (7, 7), stride=(2, 2), pads=(3, 3, 3, 3)),
    Case(16, 32, (2, 2), (5, 5), pads=(4, 4, 4, 4)),
    Case(505, 40, (3, 5), (3, 3), pads=(1, 1, 1, 1)),  # a deep reduction
]
GROUPED = [
    Case(32, 64, (8, 9), (3, 3), pads=(1, 1, 1, 1), groups=2),
    Case(48, 48, (7, 7), (1, 1), groups=3, n=2),
]
NARROW_GROUPS = [
    Case(12, 18, (8, 9), (3, 3), stride=(2, 1), pads=(1, 1, 1, 1), groups=3),
    Case(8, 8, (5, 5), (3, 3), pads=(1, 1, 1, 1), groups=8, n=2),
]


class Kernel(NamedTuple):
    """A kernel of an ISA level."""

    isa: str
    kind: str
    x_layout: str
    y_layout: str
    cases: list[Case]

    def __str__(self):
        return f"{self.isa}-{self.kind}-{self.y_layout}"


ALL = CASES + GROUPED + NARROW_GROUPS
TILED = [
    Kernel(isa, kind, source or layout, layout, CASES + ([] if source else GROUPED))
    for isa, layout in ref.BLOCKED
    for kind, source in (("conv", ""), ("conv_stem_nchw", "nchw"), ("conv_stem_nhwc", "nhwc"))
]
KERNELS = TILED + [
    Kernel(isa, kind, layout, layout, ALL)
    for isa in ref.FLOAT_ISAS
    for kind, layout in (
        ("conv_naive", "nchw"),
        ("conv_gemm", "nchw"),
        ("conv_gemm", "nhwc"),
        ("conv_indirect", "nhwc"),
    )
]


def pack(kernel: Kernel, w: np.ndarray, groups: int, tile_b: int) -> np.ndarray:
    block = ref.block_of(kernel.y_layout)
    match kernel.kind, kernel.x_layout:
        case "conv_naive", _:
            return w
        case "conv_gemm", "nchw":
            return packing.pack_conv_gemm_nchw(w, groups)
        case "conv_gemm" | "conv_indirect", _:
            return packing.pack_conv_gemm_nhwc(w, groups)
        case "conv_stem_nchw", _:
            return packing.pack_conv_stem_nchw(w, tile_b, block)
        case "conv_stem_nhwc", _:
            return packing.pack_conv_stem_nhwc(w, tile_b, block)
        case _:
            return packing.pack_conv_blocked(w, tile_b, block, groups)


def convolve(kernel, case, threads, act=(Act.NONE, 0.0, 0.0), bias=True, res=True, tile_b=2, tile_w=0):
    """(result of the kernel, oracle), both NCHW."""
    isa, kind, x_layout, y_layout, _ = kernel
    x = ref.random((case.n, case.ic, *case.size), 1)
    w = ref.random_filters((case.oc, case.ic // case.groups, *case.kernel), 2)
    want = ref.conv(x, w, case.stride, case.pads, case.dilation, case.groups)
    b, r = ref.random((case.oc,), 3), ref.random(want.shape, 4)
    inputs = {
        "x": ref.to_layout(x, x_layout),
        "w": pack(kernel, w, case.groups, tile_b),
        "bias": packing.pack_channels(b, ref.block_of(y_layout)) if bias else None,
        "res": ref.to_layout(r, y_layout) if res else None,
    }
    fields = geometry(case, want.shape) | {"act": act[0], "act_a": act[1], "act_b": act[2], "groups": case.groups}
    if kind == "conv_indirect":
        offsets = packing.conv_offsets(
            (*case.size, case.ic), want.shape[2:], case.kernel, case.stride, case.pads[:2], case.dilation
        )
        inputs["offsets"] = offsets.view(np.float32)
    if kernel in TILED:
        fields |= {"tile_w": tile_w, "tile_b": tile_b}
    got = ref.run(f"f32_{kind}_{y_layout}", inputs, ref.size_in(y_layout, want.shape), isa, threads, **fields)
    want = want + (b[:, None, None] if bias else 0) + (r if res else 0)
    return ref.from_layout(got, y_layout, want.shape), ref.activate(want, *act)


@pytest.mark.parametrize(("kernel", "case"), [(k, c) for k in KERNELS for c in k.cases], ids=str)
def test_against_oracle(kernel, case):
    got, want = convolve(kernel, case, threads=1, act=(Act.CLIP, -2.0, 6.0))
    ref.assert_close(got, want)
    again, _ = convolve(kernel, case, threads=2, act=(Act.CLIP, -2.0, 6.0))
    assert np.array_equal(got, again), "one and two threads differ"


@pytest.mark.parametrize("kernel", KERNELS, ids=str)
@pytest.mark.parametrize(
    "act", [(Act.NONE, 0.0, 0.0), (Act.RELU, 0.0, 0.0), (Act.HARD_SWISH, 0.0, 0.0), (Act.SILU, 0.0, 0.0)]
)
@pytest.mark.parametrize(("bias", "res"), [(False, False), (True, False), (False, True)])
def test_epilogue(kernel, act, bias, res):
    case = Case(16, 24, (6, 9), (3, 3), pads=(1, 1, 1, 1))
    ref.assert_close(*convolve(kernel, case, 1, act, bias, res))


@pytest.mark.parametrize("tile_b", [1, 2, 4])
@pytest.mark.parametrize("tile_w", [1, 5, 14])
@pytest.mark.parametrize("kernel", TILED, ids=str)
def test_tiles(kernel, tile_b, tile_w):
    case = Case(19, 112, (9, 17), (3, 3), pads=(1, 1, 1, 1))
    ref.assert_close(*convolve(kernel, case, 1, tile_b=tile_b, tile_w=tile_w))


@pytest.mark.parametrize("width", range(1, 18))
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [k for k in TILED if k.kind == "conv"], ids=str)
def test_every_width(width, stride, kernel):
    for tile_b in (1, 2, 4):
        case = Case(16, tile_b * ref.block_of(kernel.y_layout), (3, width * stride), (1, 1), stride=(1, stride))
        ref.assert_close(*convolve(kernel, case, 1, tile_b=tile_b))
