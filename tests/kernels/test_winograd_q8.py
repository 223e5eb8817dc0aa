"""Winograd F(4, 3) on bytes, bit for bit: edge tiles, padding, residuals, bounds, both roundings, the largest sums."""

import numpy as np
import pytest
import quantized as q8
import reference as ref
from quantized import Scales
from reference import Case

from plait.kernels_pyx import packing, packing_q8

CASES = [
    Case(16, 16, (4, 4), (3, 3), pads=(1, 1, 1, 1)),
    Case(24, 48, (14, 15), (3, 3), pads=(1, 1, 1, 1), n=2),
    Case(33, 40, (7, 7), (3, 3), pads=(1, 1, 1, 1)),
    Case(16, 64, (13, 29), (3, 3), pads=(0, 2, 1, 0)),
    Case(5, 17, (3, 3), (3, 3)),
    Case(32, 100, (30, 26), (3, 3), pads=(1, 1, 1, 1)),
    Case(16, 16, (2, 1), (3, 3), pads=(4, 3, 2, 5)),
]
SCALES = [
    Scales(),
    Scales(x_zero=0, zero=3, low=3, high=200, res_zero=7),
    Scales(x_zero=255, zero=255, low=17),
    Scales(x_zero=5, zero=0, res_zero=0),
]


def convolve(
    o: q8.Operands, case: Case, s: Scales, isa: str, threads: int, tile_b: int = 2, tile_block: int = 0
) -> np.ndarray:
    """NCHW, what the kernel makes."""
    shape = (case.n, case.oc, *ref.conv(o.x[:, :1], o.w[:1, :1], pads=case.pads).shape[2:])
    inputs = {
        "x": q8.to_layout(o.x, "nchw16c"),
        "w": packing_q8.pack_winograd(o.w, tile_b),
        "bias": packing_q8.pack_winograd_bias(q8.folded(o, s)),
        "scale": packing.pack_channels(o.scale, 16),
        "res": None if o.res is None else q8.to_layout(o.res, "nchw16c"),
    }
    fields = ref.geometry(case, shape) | s.fields | {"tile_b": tile_b, "tile_block": tile_block}
    size = ref.size_in("nchw16c", shape)
    got = ref.run("q8_conv_winograd_nchw16c", inputs, size, isa, threads, np.uint8, **fields)
    return ref.from_layout(got, "nchw16c", shape)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_against_oracle(any_isa: str, case: Case) -> None:
    for seed, scales in enumerate(SCALES):
        o = q8.operands(case, seed, res=bool(seed % 2))
        want = q8.conv(o, case, scales)
        assert len(np.unique(want)) > 20 or want.size < 200, "results should differ"
        for threads, tile_b, tile_block in ((1, 2, 0), (2, 1, 5), (2, 4, 0)):
            got = convolve(o, case, scales, any_isa, threads, tile_b, tile_block)
            assert np.array_equal(got, want), (scales, threads, tile_b)


@pytest.mark.parametrize("high", [False, True])
@pytest.mark.parametrize("x_zero", [0, 255])
def test_largest_sums(any_isa: str, high: bool, x_zero: int) -> None:
    """Sums just below 2^25 in size, and transforms as large as they can be."""
    case = Case(112, 32, (9, 10), (3, 3), pads=(1, 1, 1, 1))
    o = q8.operands(case, res=False)
    rng = np.random.default_rng(1)
    o.x[...] = rng.choice(np.uint8([0, 255]), o.x.shape)
    o.x[..., :5] = 255 - x_zero  # a sum with all products of one sign
    o.w[...] = 127 if high else -127
    o.w[::3] *= rng.choice(np.int8([1, -1]), o.w[::3].shape)
    room = packing_q8.WINOGRAD_MOST - 1 - 255 * 127 * o.w[0].size
    o.bias[...] = room if high == (x_zero == 0) else -room
    o = o._replace(scale=o.scale / np.float32(16))
    scales = Scales(x_zero=x_zero)
    sums = ref.conv(o.x.astype(np.int64) - x_zero, o.w.astype(np.int64), pads=case.pads) + o.bias[:, None, None]
    assert np.abs(sums).max() == packing_q8.WINOGRAD_MOST - 1
    assert np.array_equal(convolve(o, case, scales, any_isa, 1), q8.conv(o, case, scales))


def test_scales_of_any_size(any_isa: str) -> None:
    """Results far outside of all bounds, and sums that a float32 does not hold."""
    case = CASES[1]
    o = q8.operands(case)
    for factor in (1e-30, 1e3, 1e25):
        scaled = o._replace(scale=o.scale * np.float32(factor))
        assert np.array_equal(convolve(scaled, case, SCALES[1], any_isa, 1), q8.conv(scaled, case, SCALES[1]))


@pytest.mark.parametrize("width", range(1, 18))
def test_every_number_of_tiles(any_isa: str, width: int) -> None:
    case = Case(16, 16, (3, 4 * width), (3, 3), pads=(1, 1, 1, 1))
    o = q8.operands(case, seed=width)
    assert np.array_equal(convolve(o, case, SCALES[0], any_isa, 1, tile_b=1), q8.conv(o, case, SCALES[0]))
