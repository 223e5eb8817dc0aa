"""Changes of scale in fixed point, bit for bit (the oracle is ir/fixed_point.py), by each kernel that has one."""

from typing import Any

import numpy as np
import pytest
import quantized as q8
import reference_q8 as ref
from numpy.typing import NDArray
from quantized import Scales
from reference import Case, geometry
from reference_q8 import Params

from plait.ir.fixed_point import divide, multiply_by_quantized, quantize_multiplier
from plait.kernels_pyx import BinaryOp, packing_q8

MOST = 2**31 - 1
HALVES = 2.0 ** -np.arange(1, 32)
"""Factors that are powers of two: products whose fraction is a half are frequent."""


def factors(real: NDArray[Any], block: int) -> dict[str, Any]:
    """The operand `scale`: multipliers, and behind them shifts, in whole blocks."""
    multiplier, shift = (packing_q8.pack_ints(v, block) for v in quantize_multiplier(real))
    return {"scale": np.concatenate([multiplier, shift])}


def store(steps: NDArray[Any], zero: int, low: int, high: int) -> NDArray[np.uint8]:
    return (np.clip(steps, low - zero, high - zero) + zero).astype(np.uint8)


def test_all_sums_and_factors(any_isa):
    """A fully connected layer whose weights are 0: each output is the change of an int32, small and large ones."""
    rng = np.random.default_rng(1)
    n = 40_000
    sums = rng.integers(-MOST - 1, MOST, n, endpoint=True) >> rng.integers(0, 32, n)
    sums[: n // 8] = rng.choice([-MOST - 1, -MOST, -1, 0, 1, MOST], n // 8)
    with np.errstate(divide="ignore"):
        near = rng.uniform(0, 300, n) / np.abs(sums)  # results within the bounds
    real = np.where(rng.random(n) < 0.7, np.minimum(near, 1e9), 2.0 ** rng.uniform(-45, 40, n))
    real[::3] = rng.choice(HALVES, real[::3].size)
    steps = multiply_by_quantized(sums, real)
    inputs = {
        "x": np.zeros(1, np.uint8), "w": packing_q8.pack_fc(np.zeros((n, 1), np.int8)),
        "bias": packing_q8.pack_ints(sums.astype(np.int32), 64), **factors(real, 64),
    }  # fmt: skip
    fields = {"m": 1, "k": 1, "n": n, "shifts": -(-n // 64) * 64}
    for zero, low, high in ((0, 0, 255), (117, 5, 250)):
        got = ref.run_both("q8_fc", inputs, n, any_isa, **fields, zero=zero, low=low, high=high)
        assert np.array_equal(got, store(steps, zero, low, high))
    assert len(np.unique(store(steps, 128, 0, 255))) == 256


CASES = [
    Case(20, 40, (9, 15), (3, 3), pads=(1, 1, 1, 1)),
    Case(33, 70, (7, 29), (1, 1), n=2),
    Case(16, 64, (11, 9), (3, 2), stride=(2, 3), pads=(2, 1, 0, 1), dilation=(1, 2)),
]


def fixed_conv(o: q8.Operands, case: Case, s: Scales, real: NDArray[Any]) -> NDArray[np.uint8]:
    """The result, NCHW."""
    x = o.x.astype(np.int64) - s.x_zero
    sums = q8.ref.conv(x, o.w, case.stride, case.pads, case.dilation, case.groups).astype(np.int64)
    sums += o.bias.reshape(1, -1, 1, 1)
    return store(multiply_by_quantized(sums, real.reshape(1, -1, 1, 1)), s.zero, s.low, s.high)


def convolve(kernel: str, case: Case, isa: str, block: int, w: NDArray[np.int8], layout: str, **more: int) -> None:
    o, s = q8.operands(case, res=False), Scales(x_zero=77, zero=99, low=3, high=251)
    real = o.scale.astype(np.float64)
    real[::4] = 2.0 ** np.rint(np.log2(real[::4]))
    want = fixed_conv(o, case, s, real)
    inputs = {
        "x": q8.to_layout(o.x, layout), "w": w, "res": None, "bias": packing_q8.pack_ints(q8.folded(o, s), block),
        **factors(real, block), **({"w_zero": None} if "naive" in kernel else {}),
    }  # fmt: skip
    fields = geometry(case, want.shape) | s.fields | {"shifts": -(-case.oc // block) * block} | more
    out = "nchw" if "naive" in kernel else "nchw16c"
    got = ref.run_both(kernel, inputs, ref.size_in(out, want.shape), isa, **fields)
    assert np.array_equal(ref.from_layout(got, out, want.shape), want)
    assert len(np.unique(want)) > 100


@pytest.mark.parametrize("case", CASES, ids=str)
def test_convolutions(any_isa, case):
    w = q8.operands(case).w
    convolve("q8_conv_naive_nchw", case, any_isa, 1, w, "nchw", groups=case.groups)
    for tile_b in (1, 2, 4):
        packed = packing_q8.pack_conv_blocked(w, tile_b)
        convolve("q8_conv_nchw16c", case, any_isa, 16, packed, "nchw16c", groups=1, tile_b=tile_b, tile_w=0)


def test_stems(any_isa):
    case = Case(3, 40, (17, 22), (3, 3), stride=(2, 2), pads=(1, 1, 1, 1))
    packed = packing_q8.pack_conv_stem(q8.operands(case).w, 2)
    for layout in ("nchw", "nhwc"):
        convolve(f"q8_conv_stem_{layout}_nchw16c", case, any_isa, 16, packed, layout, groups=1, tile_b=2, tile_w=0)


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2), (2, 1)])
def test_depthwise(any_isa, kernel, stride):
    case = Case(40, 40, (13, 15), (kernel,) * 2, stride=(stride,) * 2, pads=(kernel // 2,) * 4, groups=40)
    packed = packing_q8.pack_dwconv_blocked(q8.operands(case).w)
    convolve("q8_dwconv_nchw16c", case, any_isa, 16, packed, "nchw16c")


def fixed(real: float, prefix: str = "") -> dict[str, int]:
    multiplier, shift = quantize_multiplier(np.float64(real))
    return {f"{prefix}multiplier": int(multiplier), f"{prefix}shift": int(shift)}


SCALES = [
    (Params(0.02, 128), Params(0.035, 3), Params(0.04, 100)),
    (Params(0.5, 0), Params(0.25, 255), Params(1.0, 7)),
    (Params(3e4, 7), Params(2e3, 255), Params(1e-5, 255)),  # far out of range
]


@pytest.mark.parametrize("op", [BinaryOp.ADD, BinaryOp.SUB, BinaryOp.MUL])
@pytest.mark.parametrize("scales", SCALES)
def test_arithmetic(op, scales, any_isa):
    a_of, b_of, to = scales
    a, b = (x.astype(np.uint8) for x in divmod(np.arange(65536), 256))  # every pair there is
    p, q = a.astype(np.int64) - a_of.zero, b.astype(np.int64) - b_of.zero
    if op == BinaryOp.MUL:
        real = a_of.scale * b_of.scale / to.scale
        steps, fields = multiply_by_quantized(p * q, np.float64(real)), fixed(real)
    else:
        shared = 2 * max(a_of.scale, b_of.scale)
        terms = [multiply_by_quantized(v << 20, np.float64(s.scale / shared)) for v, s in ((p, a_of), (q, b_of))]
        real = shared / (1 << 20) / to.scale
        total = terms[0] + terms[1] if op == BinaryOp.ADD else terms[0] - terms[1]
        steps, fields = multiply_by_quantized(total, np.float64(real)), fixed(real)
        fields |= fixed(a_of.scale / shared, "a_") | fixed(b_of.scale / shared, "b_")
    for low, high in ((0, 255), (to.zero, 251)):
        got = ref.run_both(
            "q8_binary_same", {"a": a, "b": b}, 65536, any_isa, outer=1, rows=1, row=65536, op=op, a_zero=a_of.zero,
            b_zero=b_of.zero, a_scale=0.0, b_scale=0.0, zero=to.zero, low=low, high=high, fixed_point=1, **fields,
        )  # fmt: skip
        assert np.array_equal(got, store(steps, to.zero, low, high))


@pytest.mark.parametrize("keeps", [False, True])
def test_means_of_windows(keeps, any_isa):
    x, zero = ref.random_bytes((1, 20, 9, 11)), 133
    to = zero if keeps else 17
    windows = np.lib.stride_tricks.sliding_window_view(x.astype(np.int64), (2, 3), (2, 3))
    if keeps:
        steps = divide(windows.sum((4, 5)), np.int64(6)) - zero
    else:
        steps = divide(multiply_by_quantized((windows - zero).sum((4, 5)), np.float64(1.7)), np.int64(6))
    fields = dict(n=1, c=20, ih=9, iw=11, oh=8, ow=9, kh=2, kw=3, stride_h=1, stride_w=1, dil_h=1, dil_w=1)
    fields |= dict.fromkeys(("pad_t", "pad_l", "pad_b", "pad_r", "count_include_pad"), 0) | fixed(1.7)
    got = ref.run_both(
        "q8_avgpool_nchw16c", {"x": ref.to_layout(x, "nchw16c"), "scale": None}, ref.size_in("nchw16c", steps.shape),
        any_isa, **fields, x_zero=zero, zero=to, low=5, high=250, fixed_point=2 if keeps else 1,
    )  # fmt: skip
    assert np.array_equal(ref.from_layout(got, "nchw16c", steps.shape), store(steps, to, 5, 250))


def test_means_of_images(any_isa):
    x = ref.random_bytes((2, 37, 5, 7))
    x[:, ::3] //= 5
    steps = divide(multiply_by_quantized(x.astype(np.int64).sum((2, 3)) - 35 * 133, np.float64(0.37)), np.int64(35))
    got = ref.run_both(
        "q8_global_avgpool_nchw16c", {"x": ref.to_layout(x, "nchw16c")}, ref.size_in("nchw16c", (2, 37, 1, 1)),
        any_isa, n=2, c=37, h=5, w=7, scale=0.0, x_zero=133, zero=120, low=0, high=255, fixed_point=1, **fixed(0.37),
    )  # fmt: skip
    assert np.array_equal(ref.from_layout(got, "nchw16c", (2, 37, 1, 1))[:, :, 0, 0], store(steps, 120, 0, 255))
