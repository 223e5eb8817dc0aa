"""Matrix products of bytes, bit for bit: of computed operands, by constant weights, and the sums themselves."""

from typing import Any, NamedTuple

import numpy as np
import pytest
import reference_q8 as ref
from numpy.typing import NDArray
from reference_q8 import Params

from plait.ir.fixed_point import multiply_by_quantized, quantize_multiplier
from plait.kernels_pyx import packing_q8

PANEL = 64
TO = Params(1.0, 100)
ENDS = {"zero": TO.zero, "low": 10, "high": 240}


class Product(NamedTuple):
    """Operands of one product; `b` as it is stored, unsigned if `turn`."""

    a: NDArray[np.uint8]
    b: NDArray[np.uint8]
    a_zero: int
    b_zero: int
    turn: int

    @property
    def sums(self) -> NDArray[np.int64]:
        b = self.b.astype(np.int64) if self.turn else self.b.view(np.int8).astype(np.int64)
        return np.matmul(self.a.astype(np.int64) - self.a_zero, b - self.b_zero)

    @property
    def fields(self) -> dict[str, float]:
        """Those of q8_matmul, of operands with two batch dimensions, of which those of `b` may be 1."""
        (a0, a1, m, k), (b0, b1, _, n) = self.a.shape, self.b.shape
        return {
            "batch0": a0, "batch1": a1, "m": m, "k": k, "n": n, "a_batch0": a1 * m * k, "a_batch1": m * k,
            "b_batch0": b1 * k * n * (b0 > 1), "b_batch1": k * n * (b1 > 1), "a_zero": self.a_zero, "turn": self.turn,
        }  # fmt: skip

    def zeros(self) -> NDArray[np.int32] | None:
        """As kernels take them: of signed bytes."""
        zero = self.b_zero - 128 * self.turn
        return np.full(whole(self.b.shape[-1]), zero, np.int32) if zero else None


def whole(n: int) -> int:
    return -(-n // PANEL) * PANEL


def scales(n: int, k: int) -> NDArray[np.float32]:
    """In whole panels; what is behind the last column is a NaN that no result may show."""
    found = np.full(whole(n), np.nan, np.float32)
    found[:n] = np.random.default_rng(n).uniform(0.5, 1, n) / 90 / np.sqrt(k)
    return found


def product(batches: tuple[int, ...], m: int, k: int, n: int, zeros: tuple[int, int, int], shared: bool) -> Product:
    b = ref.random_bytes((1, batches[1], k, n) if shared else (*batches, k, n), 2)
    return Product(ref.random_bytes((*batches, m, k), 1), b, *zeros)


SHAPES = [(1, 1, 1), (7, 5, 70), (13, 64, 64), (50, 130, 200), (3, 7, 40), (33, 2, 17), (1, 300, 129)]
SHAPES.append((45, 20_000, 5))  # several chunks of rows
ZEROS = [(3, 0, 0), (0, 128, 1), (200, 17, 1), (255, -100, 0)]


@pytest.mark.parametrize("zeros", ZEROS)
@pytest.mark.parametrize("shape", SHAPES)
def test_computed_operands(shape, zeros, any_isa):
    _, k, n = shape
    for batches, shared in (((1, 1), False), ((2, 3), False), ((2, 2), True)):
        p = product(batches, *shape, zeros, shared)
        scale, sums = scales(n, k), p.sums
        inputs = {"a": p.a, "b": p.b, "b_zero": p.zeros(), "scale": scale}
        got = ref.run_both("q8_matmul", inputs, sums.size, any_isa, **p.fields, **ENDS)
        want = ref.store(sums.astype(np.float32) * scale[:n], TO, 10, 240)
        assert np.array_equal(got.reshape(want.shape), want)
        inputs["scale"] = None
        got = ref.run_both("q8_matmul", inputs, sums.size, any_isa, np.int32, **p.fields, **ENDS, sums=1)
        assert np.array_equal(got.reshape(sums.shape), sums)


def by_constant(p: Product) -> tuple[dict[str, Any], dict[str, float]]:
    """Operands and fields of q8_gemm."""
    (m, k), n = p.a.shape[-2:], p.b.shape[-1]
    signed = (p.b ^ np.uint8(128 * p.turn)).view(np.int8)[0, 0].T
    zeros = p.zeros()
    bias = packing_q8.fold_zero(None, signed, p.a_zero, None if zeros is None else zeros[:n])
    inputs = {
        "x": p.a, "w": packing_q8.pack_fc(signed), "bias": packing_q8.pack_ints(bias, PANEL),
        "w_zero": zeros, "scale": None,
    }  # fmt: skip
    return inputs, {"m": m, "k": k, "n": n}


@pytest.mark.parametrize("zeros", ZEROS)
@pytest.mark.parametrize("shape", SHAPES)
def test_constant_weights(shape, zeros, any_isa):
    p = product((1, 1), *shape, zeros, False)
    m, k, n = shape
    inputs, fields = by_constant(p)
    sums = p.sums[0, 0]
    got = ref.run_both("q8_gemm", inputs, m * n, any_isa, np.int32, **fields, **ENDS, sums=1)
    assert np.array_equal(got.reshape(m, n), sums)
    scale = scales(n, k)
    got = ref.run_both("q8_gemm", inputs | {"scale": scale}, m * n, any_isa, **fields, **ENDS)
    assert np.array_equal(got.reshape(m, n), ref.store(sums.astype(np.float32) * scale[:n], TO, 10, 240))


@pytest.mark.parametrize("shape", [(7, 5, 70), (50, 130, 200)])
def test_fixed_point(shape, any_isa):
    p = product((1, 1), *shape, (7, 9, 0), False)
    m, k, n = shape
    sums = p.sums[0, 0]
    real = scales(n, k)[:n].astype(np.float64)
    steps = np.clip(multiply_by_quantized(sums, real), 10 - TO.zero, 240 - TO.zero)
    multiplier, shift = (packing_q8.pack_ints(v, PANEL) for v in quantize_multiplier(real))
    inputs, fields = by_constant(p)
    shared = {"scale": np.concatenate([multiplier, shift])}
    ends = ENDS | {"shifts": multiplier.size}
    got = ref.run_both("q8_gemm", inputs | shared, m * n, any_isa, **fields, **ends)
    assert np.array_equal(got.reshape(m, n), (steps + TO.zero).astype(np.uint8))
    inputs = {"a": p.a, "b": p.b, "b_zero": p.zeros(), **shared}
    got = ref.run_both("q8_matmul", inputs, m * n, any_isa, **p.fields, **ends)
    assert np.array_equal(got.reshape(m, n), (steps + TO.zero).astype(np.uint8))


@pytest.mark.parametrize(("k", "zeros"), [(65_793, (0, 0, 0)), (65_793, (255, 128, 1)), (22_000, (255, 0, 1))])
@pytest.mark.parametrize("extremes", [(255, 0), (0, 255), (255, 255)])
def test_the_largest_sums(k, zeros, extremes, any_isa):
    """Up to what an int32 holds; 255 times -128 among them."""
    a, b = (np.full((1, 1, *s), e, np.uint8) for s, e in zip(((7, k), (k, 9)), extremes, strict=True))
    p = Product(a, b ^ np.uint8(0 if zeros[2] else 128), *zeros)
    sums = p.sums
    assert np.abs(sums).max() < 2**31
    inputs = {"a": p.a, "b": p.b, "b_zero": p.zeros(), "scale": None}
    got = ref.run_both("q8_matmul", inputs, sums.size, any_isa, np.int32, **p.fields, **ENDS, sums=1)
    assert np.array_equal(got.reshape(sums.shape), sums)
    inputs, fields = by_constant(p)
    got = ref.run_both("q8_gemm", inputs, sums.size, any_isa, np.int32, **fields, **ENDS, sums=1)
    assert np.array_equal(got.reshape(sums.shape), sums)
