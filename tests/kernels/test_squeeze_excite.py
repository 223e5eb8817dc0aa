"""Squeeze and excitation: sums of rows, and products of them with small matrices."""

import bf16
import numpy as np
import pytest
import reference as ref

from plait import kernels_pyx as kernels
from plait.kernels_pyx import Act, Split, packing
from plait.kernels_pyx.packing_q8 import pack_fc_stored, to_bfloat16


@pytest.mark.parametrize(("isa", "layout"), [(i, y) for i, y in ref.LAYOUTS if y != "nchw"])
@pytest.mark.parametrize("shape", [(1, 16, 7, 7), (2, 40, 14, 9), (3, 5, 1, 2), (1, 17, 28, 1), (2, 3, 15, 31)])
def test_squeeze(layout, shape, isa):
    n, c, h, w = shape
    x = ref.random(shape)
    lanes = -(-c // ref.block_of(layout)) * ref.block_of(layout)
    inputs, fields = {"x": ref.to_layout(x, layout)}, {"n": n, "c": c, "h": h, "w": w}
    got = ref.run(f"f32_squeeze_{layout}", inputs, n * h * lanes, isa, 1, **fields)
    for split in Split:
        again = ref.run(f"f32_squeeze_{layout}", inputs, n * h * lanes, isa, 2, **fields, split=split)
        assert np.array_equal(got, again, equal_nan=True)
    ref.assert_close(got.reshape(n, h, lanes)[:, :, :c].transpose(0, 2, 1), x.sum(axis=3, dtype=np.float64))


@pytest.mark.parametrize("k, o", [(1, 1), (3, 16), (16, 17), (40, 10), (127, 64), (24, 100)])
@pytest.mark.parametrize("rows", [1, 2, 7])
@pytest.mark.parametrize("act", [Act.RELU, Act.HARD_SIGMOID])
@pytest.mark.parametrize("bias", [False, True])
def test_excite(k, o, rows, act, bias, isa):
    n, x_row = 2, k + 5
    x, w, b = ref.random((n, rows, x_row), 1), ref.random_filters((o, k), 2), ref.random((o,), 3)
    x[:, :, k:] = np.nan  # lanes that no sum may read
    inputs = {
        "x": x,
        "w": packing.pack_excite(w),
        "bias": packing.pack_channels(b, packing.EXCITE_PANEL) if bias else None,
    }
    fields = {"n": n, "rows": rows, "x_row": x_row, "k": k, "o": o, "scale": 0.25, "act": act}
    size = -(-o // 16) * 16
    got = ref.run("f32_excite", inputs, n * size, isa, 1, **fields, act_a=0.2, act_b=0.5)
    again = ref.run("f32_excite", inputs, n * size, isa, 2, **fields, act_a=0.2, act_b=0.5)
    assert np.array_equal(got, again)
    means = 0.25 * x[:, :, :k].sum(axis=1, dtype=np.float64)
    want = ref.activate(means @ w.T.astype(np.float64) + (b if bias else 0), act, 0.2, 0.5)
    ref.assert_close(got.reshape(n, size)[:, :o], want)


FLOATS = kernels.isas_with("f32_fill")


@pytest.mark.parametrize(("dtype", "isas"), [("bf16", kernels.available_isas()), ("f16", FLOATS)])
@pytest.mark.parametrize("k, o", [(1, 1), (16, 17), (127, 64)])
def test_weights_of_16_bits_are_widened(k, o, dtype, isas):
    x, w = ref.random((1, 3, k), 1), ref.random_filters((o, k), 2)
    bits = to_bfloat16(w) if dtype == "bf16" else w.astype(np.float16).view(np.uint16)
    floats = bf16.floats(bits) if dtype == "bf16" else bits.view(np.float16)
    inputs = {"x": x, "w": pack_fc_stored(bits, packing.EXCITE_PANEL), "bias": None}
    fields = {"n": 1, "rows": 3, "x_row": k, "k": k, "o": o, "scale": 0.5, "act": Act.NONE, "act_a": 0.0, "act_b": 0.0}
    want = 0.5 * x[0].sum(axis=0, dtype=np.float64) @ floats.T.astype(np.float64)
    for isa in isas:
        got = ref.run(f"{dtype}_excite", inputs, -(-o // 16) * 16, isa, 2, **fields)
        ref.assert_close(got[:o], want)
