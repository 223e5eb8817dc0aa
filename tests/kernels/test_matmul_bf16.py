"""Matrix products of bfloat16: batches, tails of rows, columns and pairs, NaN behind what belongs to a matrix."""

import bf16
import numpy as np
import pytest
import reference as ref

from plait.kernels_pyx import Act, packing, packing_bf16

SIZES = [(1, 16, 16), (5, 17, 33), (14, 64, 64), (31, 2, 200), (6, 1, 1), (40, 33, 65), (3, 300, 130)]
"""Rows, length of the sums, columns."""
BATCHES = [((2, 3), (2, 3)), ((1, 4), (1, 1)), ((3, 1), (3, 2))]


def fields(m: int, k: int, n: int, a: tuple[int, int], b: tuple[int, int]) -> dict[str, int]:
    found = {"m": m, "k": k, "n": n}
    for i, (in_a, in_b) in enumerate(zip(a, b, strict=True)):
        found |= {f"batch{i}": max(in_a, in_b)}
        found |= {f"a_batch{i}": (in_a > 1) * m * k * (a[1] if i == 0 else 1)}
        found |= {f"b_batch{i}": (in_b > 1) * k * n * (b[1] if i == 0 else 1)}
    return found


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("batches", BATCHES, ids=str)
def test_products(any_isa: str, size: tuple[int, int, int], batches: tuple[tuple[int, int], tuple[int, int]]) -> None:
    m, k, n = size
    a, b = bf16.random((*batches[0], m, k), 1), bf16.random((*batches[1], k, n), 2)
    want = bf16.floats(a).astype(np.float64) @ bf16.floats(b).astype(np.float64)
    # NaN stands behind the last row, where pairs of odd rows must not reach.
    inputs = {"a": np.append(a.ravel(), np.full(32, bf16.QUIET_NAN, np.uint16)), "b": b, "bias": None}
    act = {"act": Act.NONE, "act_a": 0.0, "act_b": 0.0}
    for threads in (1, 2, 3):
        got = ref.run("bf16_matmul", inputs, want.size, any_isa, threads, np.uint16, **fields(m, k, n, *batches), **act)
        bf16.assert_rounded(got.reshape(want.shape), want)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_weights_of_fully_connected_layers(any_isa: str, size: tuple[int, int, int]) -> None:
    m, k, n = size
    x, w, bias = bf16.random((m, k), 1), bf16.random_filters((n, k, 1, 1), 2), ref.random((n,), 3)
    sums = bf16.floats(x).astype(np.float64) @ bf16.floats(w).reshape(n, k).astype(np.float64).T + bias
    want = ref.activate(sums, Act.HARD_SWISH)
    packed = {"b": packing_bf16.pack_conv_blocked(w, 4), "bias": packing.pack_channels(bias, packing.FC_PANEL)}
    act = {"act": Act.HARD_SWISH, "act_a": 0.0, "act_b": 0.0}
    for threads in (1, 2):
        sizes = fields(m, k, n, (1, 1), (1, 1))
        got = ref.run("bf16_fc_panels", {"a": x, **packed}, m * n, any_isa, threads, np.uint16, **sizes, **act)
        bf16.assert_rounded(got.reshape(m, n), want)
