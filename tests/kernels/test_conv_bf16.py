"""Convolutions of bfloat16: tails, padding, stride, dilation, groups, residuals, activations, NaN beside images."""

import bf16
import numpy as np
import pytest
import reference as ref
from reference import Case

from plait.kernels_pyx import Act, packing, packing_bf16
from plait.kernels_pyx.packing_q8 import to_bfloat16

CASES = [
    Case(16, 16, (5, 7), (1, 1)),
    Case(32, 64, (14, 14), (1, 1)),
    Case(20, 40, (9, 5), (1, 1), n=2),
    Case(50, 33, (7, 31), (1, 1)),
    Case(16, 32, (8, 8), (1, 1), stride=(2, 2)),
    Case(40, 32, (29, 28), (1, 1), stride=(2, 2)),
    Case(24, 48, (14, 15), (3, 3), pads=(1, 1, 1, 1), n=2),
    Case(18, 80, (13, 29), (3, 3), pads=(1, 0, 0, 2)),
    Case(3, 16, (15, 15), (3, 3), stride=(2, 2), pads=(0, 0, 1, 1)),
    Case(16, 16, (12, 10), (3, 2), stride=(1, 3), pads=(2, 1, 0, 1)),
    Case(16, 32, (11, 11), (3, 3), pads=(2, 2, 2, 2), dilation=(2, 2)),
    Case(17, 33, (12, 9), (5, 3), stride=(2, 1), pads=(3, 1, 2, 1), dilation=(1, 3)),
    Case(33, 16, (6, 6), (1, 1), n=2),
    Case(64, 64, (44, 90), (3, 3), pads=(1, 1, 1, 1)),  # several bands
    Case(16, 32, (2, 2), (5, 5), pads=(4, 4, 4, 4)),
    Case(32, 64, (8, 9), (3, 3), pads=(1, 1, 1, 1), groups=2),
    Case(48, 48, (7, 7), (1, 1), groups=3, n=2),
]
STEMS = [
    Case(3, 64, (37, 41), (7, 7), stride=(2, 2), pads=(3, 3, 3, 3)),
    Case(3, 16, (15, 16), (3, 3), stride=(2, 2), pads=(0, 0, 1, 1), n=2),
    Case(3, 40, (8, 9), (3, 3), pads=(1, 1, 1, 1)),
    Case(3, 16, (4, 1), (1, 1)),
    Case(1, 16, (9, 8), (5, 5), pads=(2, 2, 2, 2)),
    Case(4, 32, (9, 8), (2, 3), stride=(1, 3), pads=(0, 1, 0, 2)),
    Case(3, 16, (11, 12), (3, 3), pads=(2, 2, 2, 2), dilation=(2, 2)),
    Case(7, 16, (11, 12), (3, 2), dilation=(1, 3)),
]
ACTS = [(Act.NONE, 0.0, 0.0), (Act.RELU, 0.0, 0.0), (Act.CLIP, -0.25, 1.0), (Act.HARD_SWISH, 0.0, 0.0)]
LATE = [(Act.SILU, 0.0, 0.0), (Act.LEAKY_RELU, 0.1, 0.0), (Act.HARD_SIGMOID, 0.25, 0.4), (Act.GELU, 0.0, 0.0)]


def check(
    case: Case, isa: str, threads: int = 1, *, tile_b: int = 2, tile_w: int = 0, res: bool = True, stem: bool = False,
    act: tuple[Act, float, float] = ACTS[0], seed: int = 0,
) -> None:  # fmt: skip
    x = bf16.random((case.n, case.ic, *case.size), seed)
    w = bf16.random_filters((case.oc, case.ic // case.groups, *case.kernel), seed + 1)
    bias = ref.random((case.oc,), seed + 2)
    sums = ref.conv(bf16.floats(x), bf16.floats(w), case.stride, case.pads, case.dilation, case.groups)
    residual = bf16.random(sums.shape, seed + 3) if res else None
    sums += bias.astype(np.float64)[:, None, None] + (0 if residual is None else bf16.floats(residual))
    want = ref.activate(sums, *act)
    inputs = {
        "x": bf16.to_layout(x, "nchw" if stem else "nchw16c"),
        "w": packing_bf16.pack_conv_stem(w, tile_b, case.dilation[1] > 1)
        if stem
        else packing_bf16.pack_conv_blocked(w, tile_b, case.groups),
        "bias": packing.pack_channels(bias, 16),
        "res": None if residual is None else bf16.to_layout(residual, "nchw16c"),
    }
    fields = ref.geometry(case, want.shape) | {"groups": case.groups, "tile_b": tile_b, "tile_w": tile_w}
    fields |= {"act": act[0], "act_a": act[1], "act_b": act[2]}
    kernel = "bf16_conv_stem_nchw_nchw16c" if stem else "bf16_conv_nchw16c"
    got = ref.run(kernel, inputs, ref.size_in("nchw16c", want.shape), isa, threads, np.uint16, **fields)
    bf16.assert_rounded(ref.from_layout(got, "nchw16c", want.shape), want)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_blocked(any_isa: str, case: Case) -> None:
    for i, (threads, res) in enumerate(((1, True), (2, False), (2, True))):
        check(case, any_isa, threads, res=res, act=ACTS[i])


@pytest.mark.parametrize("case", STEMS, ids=str)
def test_stems(any_isa: str, case: Case) -> None:
    for threads, res in ((1, True), (2, False)):
        for tile_b in (1, 2, 4):
            check(case, any_isa, threads, res=res, tile_b=tile_b, stem=True)


@pytest.mark.parametrize("act", [*ACTS, *LATE])
def test_activations(any_isa: str, act: tuple[Act, float, float]) -> None:
    for res in (False, True):
        check(Case(24, 48, (9, 17), (3, 3), pads=(1, 1, 1, 1)), any_isa, res=res, act=act)


@pytest.mark.parametrize("tile_b", [1, 2, 4])
@pytest.mark.parametrize("tile_w", [0, 1, 5])
def test_tiles(any_isa: str, tile_b: int, tile_w: int) -> None:
    check(Case(19, 112, (9, 17), (3, 3), pads=(1, 1, 1, 1)), any_isa, tile_b=tile_b, tile_w=tile_w)


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_every_width(any_isa: str, stride: int) -> None:
    for width in range(1, 17):
        for tile_b in (1, 2, 4):
            case = Case(16, tile_b * 16, (2, width * stride), (1, 1), stride=(1, stride))
            check(case, any_isa, tile_b=tile_b, seed=width)


def test_results_are_rounded_once_to_the_nearest_even_one(any_isa: str) -> None:
    """Sums that float32 holds, half way between two numbers of bfloat16 and beside."""
    ties = np.arange(1, 257, dtype=np.float32)[:, None] * np.float32([256, 256 + 2**-8, 256 - 2**-8]) + np.float32(128)
    x = np.ones((1, 16, 1, 1), np.float32)
    bias = ties.ravel()
    w = np.zeros((bias.size, 16, 1, 1), np.float32)
    case = Case(16, bias.size, (1, 1), (1, 1))
    inputs = {
        "x": bf16.to_layout(to_bfloat16(x), "nchw16c"),
        "w": packing_bf16.pack_conv_blocked(to_bfloat16(w), 2),
        "bias": packing.pack_channels(bias, 16),
        "res": None,
    }
    fields = ref.geometry(case, (1, bias.size, 1, 1)) | {"groups": 1, "tile_b": 2, "tile_w": 0}
    fields |= {"act": Act.NONE, "act_a": 0, "act_b": 0}
    got = ref.run("bf16_conv_nchw16c", inputs, bias.size, any_isa, 1, np.uint16, **fields)
    assert np.array_equal(got, to_bfloat16(bias))
    assert len(np.unique(got)) > 100


def test_nan_passes_and_bounds_do_not_stop_it(any_isa: str) -> None:
    case = Case(16, 16, (1, 3), (1, 1))
    x = bf16.random((1, 16, 1, 3))
    x[0, 3, 0, 1] = bf16.QUIET_NAN
    inputs = {
        "x": bf16.to_layout(x, "nchw16c"),
        "w": packing_bf16.pack_conv_blocked(bf16.random_filters((16, 16, 1, 1)), 1),
        "bias": np.zeros(16, np.float32),
        "res": None,
    }
    fields = ref.geometry(case, (1, 16, 1, 3)) | {"groups": 1, "tile_b": 1, "tile_w": 0}
    got = ref.run(
        "bf16_conv_nchw16c", inputs, 48, any_isa, 1, np.uint16, **fields, act=Act.RELU, act_a=0, act_b=0
    )  # fmt: skip
    assert np.isnan(bf16.floats(got).reshape(3, 16)).all(axis=1).tolist() == [False, True, False]


def check_random(isa: str, seeds: range) -> None:
    for seed in seeds:
        rng = np.random.default_rng(seed)
        case = ref.random_case(rng)
        check(
            case,
            isa,
            int(rng.integers(1, 3)),
            tile_b=int(rng.choice([1, 2, 4])),
            res=bool(rng.integers(2)),
            stem=case.groups == 1 and rng.random() < 0.3,
            act=(ACTS + LATE)[int(rng.integers(len(ACTS + LATE)))],
            seed=seed,
        )


def test_random(any_isa: str) -> None:
    check_random(any_isa, range(30))


@pytest.mark.slow
def test_many_random(any_isa: str) -> None:
    check_random(any_isa, range(1000, 3000))
