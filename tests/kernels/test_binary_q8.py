"""Sums, differences and products of bytes against NumPy, bit for bit."""

import numpy as np
import pytest
import reference_q8 as ref
from reference_q8 import Params

from plait.kernels_pyx import BinaryOp

OPS = [BinaryOp.ADD, BinaryOp.SUB, BinaryOp.MUL]
# The last has results far out of range of int32.
PARAMS = [
    (Params(0.02, 128), Params(0.035, 3), Params(0.04, 100)),
    (Params(0.02, 0), Params(0.02, 0), Params(0.03, 0)),
    (Params(3e9, 7), Params(2e8, 255), Params(0.01, 255)),
]


def combined(op, a, b, a_of, b_of, to):
    """Steps of the result in float32, and the fields that say so."""
    p, q = (x.astype(np.int32) - of.zero for x, of in ((a, a_of), (b, b_of)))
    if op == BinaryOp.MUL:
        scale = ref.ratio(a_of.scale, b_of.scale, over=to.scale)
        return (p * q).astype(np.float32) * scale, {"a_scale": scale, "b_scale": 0.0}
    scales = [ref.ratio(of.scale, over=to.scale) for of in (a_of, b_of)]
    v, u = p.astype(np.float32) * scales[0], q.astype(np.float32) * scales[1]
    return (v + u if op == BinaryOp.ADD else v - u), dict(zip(("a_scale", "b_scale"), scales, strict=True))


def fields_of(op, a_of, b_of, to, low, high):
    return {"op": op, "a_zero": a_of.zero, "b_zero": b_of.zero, "zero": to.zero, "low": low, "high": high}


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("params", PARAMS)
@pytest.mark.parametrize("count", [7, 64, 1234, 65536])
def test_same(op, params, count, any_isa):
    a_of, b_of, to = params
    a, b = ref.random_bytes((count,), 1), ref.random_bytes((count,), 2)
    if count == 65536:  # every pair there is
        a, b = (x.astype(np.uint8) for x in divmod(np.arange(count), 256))
    v, scales = combined(op, a, b, a_of, b_of, to)
    for low, high in ((0, 255), (to.zero, 251)):
        got = ref.run_both(
            "q8_binary_same", {"a": a, "b": b}, count, any_isa, outer=1, rows=1, row=count, **scales,
            **fields_of(op, a_of, b_of, to, low, high),
        )  # fmt: skip
        assert np.array_equal(got, ref.store(v, to, low, high))


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize(("c", "h", "w"), [(16, 5, 7), (40, 3, 150), (5, 1, 1)])
@pytest.mark.parametrize("images", [1, 2])
def test_channel(op, c, h, w, images, any_isa):
    a_of, b_of, to = PARAMS[0]
    a, b = ref.random_bytes((2, c, h, w), 1), ref.random_bytes((images, c, 1, 1), 2)
    v, scales = combined(op, a, b, a_of, b_of, to)
    inputs = {"a": ref.to_layout(a, "nchw16c"), "b": ref.to_layout(b, "nchw16c")}
    for split in (0, 2):
        got = ref.run_both(
            "q8_binary_channel_nchw16c", inputs, inputs["a"].size, any_isa, n=2, c=c, h=h, w=w, split=split,
            b_image=-(-c // 16) * 16 * (images - 1), **scales, **fields_of(op, a_of, b_of, to, 0, 255),
        )  # fmt: skip
        assert np.array_equal(ref.from_layout(got, "nchw16c", a.shape), ref.store(v, to))
