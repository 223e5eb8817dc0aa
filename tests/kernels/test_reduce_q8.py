"""Reductions of bytes, bit for bit: along rows and across them, few and many columns, the largest sums."""

import numpy as np
import pytest
import reference_q8 as ref
from reference_q8 import Params

from plait.ir.fixed_point import divide, multiply_by_quantized, quantize_multiplier
from plait.kernels_pyx import ReduceOp

OF, TO = Params(0.0235, 101), Params(0.031, 90)
SHAPES = [(5, 7, 1), (1, 1, 1), (2, 300, 1), (3, 64, 1), (2, 49, 17), (1, 9, 64), (3, 5, 200), (4, 1, 130)]
BOUNDS = {"low": 5, "high": 250}


def reduced(x, op, isa, table=None, **fields):
    outer, n, inner = x.shape
    shared = {"outer": outer, "n": n, "inner": inner, "op": op, "x_zero": OF.zero, "x_scale": OF.scale}
    inputs = {"x": x, "table": table}
    got = ref.run_both("q8_reduce", inputs, outer * inner, isa, **shared | {"zero": TO.zero} | BOUNDS | fields)
    return got.reshape(outer, inner)


@pytest.mark.parametrize("shape", SHAPES)
def test_means(shape, any_isa):
    x = ref.random_bytes(shape, 1)
    sums = (x.astype(np.int64) - OF.zero).sum(1)
    factor = ref.ratio(OF.scale, over=shape[1] * TO.scale)
    want = ref.store(sums.astype(np.float32) * factor, TO, 5, 250)
    assert np.array_equal(reduced(x, ReduceOp.MEAN, any_isa, scale=factor), want)
    multiplier, shift = quantize_multiplier(np.float64(OF.scale / TO.scale))
    steps = divide(multiply_by_quantized(sums, np.float64(OF.scale / TO.scale)), np.int64(shape[1]))
    fixed = {"fixed_point": 1, "multiplier": int(multiplier), "shift": int(shift), "scale": 0.0}
    want = (np.clip(steps, 5 - TO.zero, 250 - TO.zero) + TO.zero).astype(np.uint8)
    assert np.array_equal(reduced(x, ReduceOp.MEAN, any_isa, **fixed), want)


@pytest.mark.parametrize("shape", SHAPES)
def test_sums(shape, any_isa):
    x = ref.random_bytes(shape, 2)
    to = Params(TO.scale * shape[1], TO.zero)
    want = ref.quantize(ref.dequantize(x, OF).astype(np.float64).sum(1).astype(np.float32), to, 5, 250)
    assert np.array_equal(reduced(x, ReduceOp.SUM, any_isa, scale=to.scale), want)


@pytest.mark.parametrize("op", [ReduceOp.MAX, ReduceOp.MIN])
@pytest.mark.parametrize("shape", SHAPES)
def test_extremes(shape, op, any_isa):
    x = ref.random_bytes(shape, 3)
    x[0, :, 0] = 0 if op == ReduceOp.MAX else 255
    want = x.max(1) if op == ReduceOp.MAX else x.min(1)
    assert np.array_equal(reduced(x, op, any_isa, scale=1.0), want)
    table = ref.requantize_table(OF, TO)
    assert np.array_equal(reduced(x, op, any_isa, table, scale=1.0), table[want])


@pytest.mark.parametrize("byte", [0, 255])
def test_the_largest_sums(byte, any_isa):
    """A million bytes, all alike."""
    x = np.full((1, 1 << 20, 1), byte, np.uint8)
    number = ref.dequantize(x[0, 0], OF).astype(np.float64) * x.size
    to = Params(TO.scale * x.size, TO.zero)
    want = ref.quantize(number.astype(np.float32), to, 5, 250)
    assert np.array_equal(reduced(x, ReduceOp.SUM, any_isa, scale=to.scale)[0], want)
    mean = np.float32(int(byte - OF.zero) * x.size) * ref.ratio(OF.scale, over=x.size * TO.scale)
    got = reduced(x, ReduceOp.MEAN, any_isa, scale=ref.ratio(OF.scale, over=x.size * TO.scale))
    assert got[0, 0] == ref.store(np.array([mean]), TO, 5, 250)
