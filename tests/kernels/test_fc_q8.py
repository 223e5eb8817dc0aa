"""Fully connected layers of bytes, bit for bit, and of floats with weights stored in fewer bits."""

import numpy as np
import pytest
import reference
import reference_q8 as ref
from reference_q8 import Params

from plait.kernels_pyx import Act, packing, packing_q8

SHAPES = [(1, 64, 64), (1, 37, 100), (3, 130, 65), (5, 1, 1), (1, 1280, 1000)]  # m, k, n


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("largest", [False, True])
def test_bytes(shape, largest, any_isa):
    m, k, n = shape
    rng = np.random.default_rng(4)
    x, w = ref.random_bytes((m, k), 1), ref.random_weights((n, k), 2)
    if largest:
        x[...], w[::2], w[1::2] = 255, -128, 127
    of, to = Params(0.02, 121), Params(0.1, 90)
    bias = rng.integers(-9999, 9999, n, np.int32)
    scale = (rng.uniform(0.5, 1, n) / 60 / np.sqrt(k)).astype(np.float32)
    sums = (x.astype(np.int64) - of.zero) @ w.astype(np.int64).T + bias
    v = sums.astype(np.int32).astype(np.float32) * scale
    inputs = {
        "x": x, "w": packing_q8.pack_fc(w), "scale": packing.pack_channels(scale, 64),
        "bias": packing_q8.pack_ints(packing_q8.fold_zero(bias, w, of.zero), 64),
    }  # fmt: skip
    fields = {"m": m, "k": k, "n": n}
    got = ref.run_both("q8_fc", inputs, m * n, any_isa, **fields, zero=to.zero, low=10, high=240)
    assert np.array_equal(got.reshape(m, n), ref.store(v, to, 10, 240))
    got = ref.run_both("q8_fc_f32", inputs, m * n, any_isa, np.float32, **fields)
    assert np.array_equal(got.reshape(m, n), v)


def stored(kind, w):
    """Packed weights, scales or None, and the numbers that they stand for."""
    if kind == "bf16":
        bits = packing_q8.to_bfloat16(w)
        return packing_q8.pack_fc_stored(bits), None, (bits.astype(np.uint32) << 16).view(np.float32)
    if kind == "f16":
        half = w.astype(np.float16)
        return packing_q8.pack_fc_stored(half), None, half.astype(np.float32)
    scale = np.abs(w).max(1) / np.float32(127)
    bytes_ = np.rint(w / scale[:, None]).astype(np.int8)
    return packing_q8.pack_fc_stored(bytes_), packing.pack_channels(scale, 64), bytes_ * scale[:, None]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["bf16", "f16", "s8"])
def test_weights_in_fewer_bits(kind, shape, any_isa):
    m, k, n = shape
    x, bias, res = (reference.random(s, i) for i, s in enumerate(((m, k), (n,), (m, n))))
    packed, scale, w = stored(kind, reference.random_filters((n, k), 5))
    for act, added in ((Act.NONE, None), (Act.HARD_SWISH, res)):
        want = reference.activate(x.astype(np.float64) @ w.T + bias + (0 if added is None else added), act)
        inputs = {"x": x, "w": packed, "bias": bias, "res": added} | ({} if scale is None else {"scale": scale})
        got = ref.run_both(
            f"f32_fc_{kind}", inputs, m * n, any_isa, np.float32, m=m, k=k, n=n, act=act, act_a=0.0, act_b=0.0
        )
        reference.assert_close(got.reshape(m, n), want)


def test_all_halves(any_isa):
    """Every float16 there is, through a sum of one product."""
    bits = np.arange(65536, dtype=np.uint16)
    half = bits.view(np.float16)[:, None]
    got = ref.run(
        "f32_fc_f16", {"x": np.ones(1, np.float32), "w": packing_q8.pack_fc_stored(half), "bias": None, "res": None},
        65536, any_isa, m=1, k=1, n=65536, act=Act.NONE, act_a=0.0, act_b=0.0,
    )  # fmt: skip
    assert np.array_equal(got, half[:, 0].astype(np.float32), equal_nan=True)


def test_bfloat16_is_the_nearest():
    values = np.array([1, 1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-8 + 2**-20, -3.38e38, -3.4e38, np.nan, 2**-133], np.float32)
    back = (packing_q8.to_bfloat16(values).astype(np.uint32) << 16).view(np.float32)
    want = np.array([1, 1, 1 + 2**-6, 1 + 2**-7, -1.984375 * 2.0**127, -np.inf, np.nan, 2**-133], np.float32)
    assert np.array_equal(back, want, equal_nan=True)
