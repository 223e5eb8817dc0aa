"""Convolutions of bytes, bit for bit: tails, padding, stride, dilation, groups, residuals, bounds, extremes."""

import numpy as np
import pytest
import quantized as q8
import reference as ref
from quantized import Scales
from reference import Case

from plait.kernels_pyx import packing, packing_q8

CASES = [
    Case(3, 5, (6, 6), (3, 3), pads=(1, 1, 1, 1)),
    Case(16, 16, (5, 7), (1, 1)),
    Case(17, 33, (12, 9), (5, 3), stride=(2, 1), pads=(3, 1, 2, 1), dilation=(1, 3)),
    Case(12, 18, (8, 9), (3, 3), stride=(2, 1), pads=(1, 1, 1, 1), groups=3, n=2),
    Case(8, 8, (5, 5), (3, 3), pads=(1, 1, 1, 1), groups=8),
    Case(4, 4, (2, 2), (5, 5), pads=(4, 4, 4, 4)),
]
SCALES = [
    Scales(),
    Scales(x_zero=0, zero=3, low=3, high=200, res_zero=7),
    Scales(x_zero=255, zero=255, low=17),
    Scales(x_zero=5, zero=0, res_zero=0),
]


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


BLOCKED = [
    Case(16, 16, (5, 7), (1, 1)),
    Case(32, 64, (14, 14), (1, 1)),
    Case(20, 40, (9, 5), (1, 1), n=2),
    Case(50, 33, (7, 31), (1, 1)),
    Case(16, 32, (8, 8), (1, 1), stride=(2, 2)),
    Case(24, 48, (14, 15), (3, 3), pads=(1, 1, 1, 1), n=2),
    Case(18, 80, (13, 29), (3, 3), pads=(1, 0, 0, 2)),
    Case(3, 16, (15, 15), (3, 3), stride=(2, 2), pads=(0, 0, 1, 1)),
    Case(16, 16, (12, 10), (3, 2), stride=(1, 3), pads=(2, 1, 0, 1)),
    Case(16, 32, (11, 11), (3, 3), pads=(2, 2, 2, 2), dilation=(2, 2)),
    Case(17, 33, (12, 9), (5, 3), stride=(2, 1), pads=(3, 1, 2, 1), dilation=(1, 3)),
    Case(64, 64, (44, 90), (3, 3), pads=(1, 1, 1, 1)),  # several bands
    Case(16, 32, (2, 2), (5, 5), pads=(4, 4, 4, 4)),
    Case(32, 64, (8, 9), (3, 3), pads=(1, 1, 1, 1), groups=2),
    Case(48, 48, (7, 7), (1, 1), groups=3, n=2),
]


X_SCALE = 0.0625


def floats_of(x: np.ndarray, zero: int) -> np.ndarray:
    """Numbers that are quantized to x: ties to even, others near, and for the least and greatest ones far outside."""
    steps = x.astype(np.float64) - zero
    off = np.random.default_rng(7).choice([-0.5, -0.375, 0, 0.375, 0.5], x.shape)
    even = np.abs(off) == 0.5
    steps += np.where(even & (steps % 2 == 1), 0, off)
    steps = np.where(x == 255, 300.0 + np.abs(steps) * 1e6, np.where(x == 0, -1e9, steps))
    return (steps * X_SCALE).astype(np.float32)


def blocked(
    o: q8.Operands, case: Case, s: Scales, isa: str, threads: int, tile_b: int = 2, tile_w: int = 0, source: str = ""
) -> None:
    """`source`: the layout that a stem reads; "f32_" before it: floats, of which the kernel makes these bytes."""
    want = q8.conv(o, case, s)
    x = floats_of(o.x, s.x_zero) if source.startswith("f32_") else o.x
    inputs = {
        "x": q8.to_layout(x, source.removeprefix("f32_") or "nchw16c"),
        "w": packing_q8.pack_conv_stem(o.w, tile_b, case.dilation[1] > 1)
        if source
        else packing_q8.pack_conv_blocked(o.w, tile_b, case.groups),
        "bias": packing_q8.pack_ints(q8.folded(o, s), 16),
        "scale": packing.pack_channels(o.scale, 16),
        "res": None if o.res is None else q8.to_layout(o.res, "nchw16c"),
    }
    fields = ref.geometry(case, want.shape) | s.fields | {"groups": case.groups, "tile_b": tile_b, "tile_w": tile_w}
    if x.dtype == np.float32:
        fields |= {"x_scale": X_SCALE, "x_nan": int(np.random.default_rng(7).integers(256))}
    kernel = f"q8_conv_stem_{source}_nchw16c" if source else "q8_conv_nchw16c"
    got = ref.run(kernel, inputs, ref.size_in("nchw16c", want.shape), isa, threads, np.uint8, **fields)
    assert np.array_equal(ref.from_layout(got, "nchw16c", want.shape), want)


@pytest.mark.parametrize("case", BLOCKED, ids=str)
def test_blocked(any_isa: str, case: Case) -> None:
    for threads, res, scales in ((1, True, SCALES[0]), (2, False, SCALES[1]), (2, True, SCALES[2])):
        blocked(q8.operands(case, res=res), case, scales, any_isa, threads)


SOURCES = ["nchw", "nhwc", "f32_nchw", "f32_nhwc"]
STEMS = [
    Case(3, 64, (37, 41), (7, 7), stride=(2, 2), pads=(3, 3, 3, 3)),
    Case(3, 16, (15, 16), (3, 3), stride=(2, 2), pads=(0, 0, 1, 1), n=2),
    Case(3, 40, (8, 9), (3, 3), pads=(1, 1, 1, 1)),
    Case(3, 16, (4, 1), (1, 1)),
    Case(3, 16, (16, 16), (4, 4), stride=(4, 4)),
    Case(1, 16, (9, 8), (5, 5), pads=(2, 2, 2, 2)),
    Case(4, 32, (9, 8), (2, 3), stride=(1, 3), pads=(0, 1, 0, 2)),
    Case(3, 16, (11, 12), (3, 3), pads=(2, 2, 2, 2), dilation=(2, 2)),
    Case(7, 16, (11, 12), (3, 2), dilation=(1, 3)),
]


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("case", STEMS, ids=str)
def test_stems(any_isa: str, case: Case, source: str) -> None:
    for threads, res, scales in ((1, True, SCALES[0]), (2, False, SCALES[1])):
        for tile_b in (1, 2, 4):
            blocked(q8.operands(case, res=res), case, scales, any_isa, threads, tile_b, source=source)


@pytest.mark.parametrize("extreme", ["low", "high"])
@pytest.mark.parametrize("x_zero", [0, 255])
def test_blocked_extremes(any_isa: str, extreme: str, x_zero: int) -> None:
    case = Case(100, 32, (5, 6), (3, 3), pads=(1, 1, 1, 1))
    blocked(q8.operands(case, extreme=extreme), case, Scales(x_zero=x_zero), any_isa, 1)


@pytest.mark.parametrize("tile_b", [1, 2, 4])
@pytest.mark.parametrize("tile_w", [0, 1, 5])
def test_tiles(any_isa: str, tile_b: int, tile_w: int) -> None:
    case = Case(19, 112, (9, 17), (3, 3), pads=(1, 1, 1, 1))
    blocked(q8.operands(case), case, SCALES[1], any_isa, 1, tile_b, tile_w)


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_every_width(any_isa: str, stride: int) -> None:
    for width in range(1, 17):
        for tile_b in (1, 2, 4):
            case = Case(16, tile_b * 16, (2, width * stride), (1, 1), stride=(1, stride))
            blocked(q8.operands(case, seed=width), case, SCALES[0], any_isa, 1, tile_b)


def test_scales_of_any_size(any_isa: str) -> None:
    """Results far outside of all bounds, and sums that a float32 does not hold."""
    case = Case(200, 32, (3, 7), (3, 3), pads=(1, 1, 1, 1))
    o = q8.operands(case)
    for factor in (1e-30, 1e3, 1e25):
        blocked(o._replace(scale=o.scale * np.float32(factor)), case, SCALES[1], any_isa, 1)
    many = q8.operands(case, extreme="high")
    blocked(many._replace(scale=many.scale * np.float32(3e-3)), case, Scales(x_zero=0, zero=0), any_isa, 1)


def check_random(isa: str, seeds: range) -> None:
    for seed in seeds:
        rng = np.random.default_rng(seed)
        case = ref.random_case(rng)
        low, high = sorted(rng.integers(0, 256, 2).tolist())
        scales = Scales(
            *(int(z) for z in rng.integers(0, 256, 2)), low, high, int(rng.integers(0, 256)), float(rng.random())
        )
        o = q8.operands(case, seed, res=bool(rng.integers(2)))
        source = str(rng.choice(SOURCES)) if case.groups == 1 and rng.random() < 0.3 else ""
        blocked(o, case, scales, isa, int(rng.integers(1, 3)), int(rng.choice([1, 2, 4])), source=source)


def test_random(any_isa: str) -> None:
    check_random(any_isa, range(40))


@pytest.mark.slow
def test_many_random(any_isa: str) -> None:
    check_random(any_isa, range(1000, 4000))


def test_a_stem_takes_nan_as_told(any_isa: str) -> None:
    case = STEMS[1]
    o = q8.operands(case)
    nan_byte = int(np.random.default_rng(7).integers(256))
    at = np.random.default_rng(3).random(o.x.shape) < 0.1
    o = o._replace(x=np.where(at, nan_byte, o.x).astype(np.uint8))
    s, want = Scales(), q8.conv(o, case, Scales())
    x = np.where(at, np.nan, floats_of(o.x, s.x_zero)).astype(np.float32)
    for source in ("nchw", "nhwc"):
        inputs = {
            "x": q8.to_layout(x, source), "w": packing_q8.pack_conv_stem(o.w, 1),
            "bias": packing_q8.pack_ints(q8.folded(o, s), 16), "scale": packing.pack_channels(o.scale, 16),
            "res": q8.to_layout(o.res, "nchw16c"),
        }  # fmt: skip
        fields = ref.geometry(case, want.shape) | s.fields | {"groups": 1, "tile_b": 1, "tile_w": 0}
        fields |= {"x_scale": X_SCALE, "x_nan": nan_byte}
        size = ref.size_in("nchw16c", want.shape)
        got = ref.run(f"q8_conv_stem_f32_{source}_nchw16c", inputs, size, any_isa, 1, np.uint8, **fields)
        assert np.array_equal(ref.from_layout(got, "nchw16c", want.shape), want)
