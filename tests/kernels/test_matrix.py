"""Fully connected layers, matrix products, softmax, reductions, layer and local response normalisation."""

import numpy as np
import pytest
import reference as ref

from plait.kernels_pyx import Act, ReduceOp, packing


@pytest.mark.parametrize("m", [1, 2, 7, 15, 30])
@pytest.mark.parametrize(("k", "n"), [(1, 1), (16, 64), (100, 70), (37, 1000), (257, 15)])
def test_fc(m, k, n, isa):
    x, w, b, r = ref.random((m, k), 1), ref.random((n, k), 2), ref.random((n,), 3), ref.random((m, n), 4)
    want = ref.activate(x.astype(np.float64) @ w.T + b + r, Act.RELU)
    inputs = {"x": x, "w": packing.pack_fc(w), "bias": b, "res": r}
    fields = dict(m=m, k=k, n=n, act=Act.RELU, act_a=0.0, act_b=0.0)
    results = [ref.run("f32_fc", inputs, m * n, isa, threads, **fields) for threads in (1, 2)]
    ref.assert_close(results[0].reshape(m, n), want)
    assert np.array_equal(*results)


@pytest.mark.parametrize(("transpose_a", "transpose_b"), [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize(("m", "k", "n"), [(1, 9, 64), (5, 16, 130), (33, 20, 47), (50, 64, 17), (3, 7, 3)])
def test_matmul(transpose_a, transpose_b, m, k, n, isa):
    a = ref.random((2, 3, k, m) if transpose_a else (2, 3, m, k), 1)
    b = ref.random((3, n, k) if transpose_b else (3, k, n), 2)
    bias = ref.random((n,), 3)
    want = (a.swapaxes(2, 3) if transpose_a else a).astype(np.float64) @ (b.swapaxes(1, 2) if transpose_b else b) + bias
    fields = dict(
        batch0=2, batch1=3, m=m, k=k, n=n, a_batch0=3 * m * k, a_batch1=m * k, b_batch0=0, b_batch1=k * n,
        a_row=1 if transpose_a else k, a_col=m if transpose_a else 1, b_row=1 if transpose_b else n,
        b_col=k if transpose_b else 1, act=Act.NONE, act_a=0.0, act_b=0.0,
    )  # fmt: skip
    results = [ref.run("f32_matmul", {"a": a, "b": b, "bias": bias}, want.size, isa, t, **fields) for t in (1, 2)]
    ref.assert_close(results[0].reshape(want.shape), want)
    assert np.array_equal(*results)


@pytest.mark.parametrize(("outer", "n", "inner"), [(1, 1000, 1), (5, 7, 1), (2, 9, 35), (3, 16, 2), (1, 1, 1)])
def test_softmax(outer, n, inner, isa):
    x = ref.random((outer, n, inner)) * 5
    e = np.exp(x.astype(np.float64) - x.max(1, keepdims=True))
    for threads in (1, 2):
        got = ref.run("f32_softmax", {"x": x}, x.size, isa, threads, outer=outer, n=n, inner=inner)
        ref.assert_close(got.reshape(x.shape), e / e.sum(1, keepdims=True), 1e-6)


@pytest.mark.parametrize("op", list(ReduceOp))
@pytest.mark.parametrize(("outer", "n", "inner"), [(1, 1000, 1), (5, 7, 1), (2, 9, 35), (3, 16, 2), (4, 33, 1)])
def test_reduce(op, outer, n, inner, isa):
    x = ref.random((outer, n, inner))
    function = {ReduceOp.SUM: np.sum, ReduceOp.MEAN: np.mean, ReduceOp.MAX: np.max, ReduceOp.MIN: np.min}[op]
    for threads in (1, 2):
        got = ref.run("f32_reduce", {"x": x}, outer * inner, isa, threads, outer=outer, n=n, inner=inner, op=op)
        ref.assert_close(got.reshape(outer, inner), function(x.astype(np.float64), axis=1))


@pytest.mark.parametrize("op", list(ReduceOp))
@pytest.mark.parametrize(("outer", "n", "inner"), [(6, 100, 1), (6, 7, 1), (3, 9, 35)])
def test_reduce_passes_nan(op, outer, n, inner, isa):
    for at in (0, n // 2, n - 1):
        x = ref.random((outer, n, inner))
        x[1, at, inner // 2] = np.nan
        x[2, (at + 1) % n, :] = np.inf
        x[0, (at + 2) % n, :] = -np.inf
        got = ref.run("f32_reduce", {"x": x}, outer * inner, isa, outer=outer, n=n, inner=inner, op=op)
        got = got.reshape(outer, inner)
        assert np.array_equal(np.isnan(got), np.isnan(x.sum(1)))
        assert np.array_equal(got[2:], x[2:].max(1)) or op != ReduceOp.MAX


@pytest.mark.parametrize(("isa", "layout"), ref.LAYOUTS)
@pytest.mark.parametrize("beta", [0.75, 0.5, 0.6])
@pytest.mark.parametrize(
    ("size", "c", "h", "w"), [(1, 9, 4, 5), (4, 9, 4, 5), (5, 37, 3, 7), (5, 32, 41, 53), (50, 21, 2, 9), (3, 1, 1, 1)]
)
def test_lrn(layout, beta, size, c, h, w, isa):
    x = ref.random((2, c, h, w)) * 3
    squares = np.zeros(x.shape)
    for i in range(c):
        first, last = max(0, i - (size - 1) // 2), min(c - 1, i + size // 2)
        squares[:, i] = (x[:, first : last + 1].astype(np.float64) ** 2).sum(1)
    want = x / (2 + 0.7 / size * squares) ** beta
    fields = dict(n=2, c=c, h=h, w=w, size=size, alpha=0.7, beta=beta, bias=2.0)
    inputs, count = {"x": ref.to_layout(x, layout)}, ref.size_in(layout, x.shape)
    results = [ref.run(f"f32_lrn_{layout}", inputs, count, isa, threads, **fields) for threads in (1, 2)]
    ref.assert_close(ref.from_layout(results[0], layout, x.shape), want, 1e-6)
    assert np.array_equal(*results, equal_nan=True)


@pytest.mark.parametrize(("outer", "n"), [(1, 1), (5, 7), (3, 16), (128, 256), (2, 1000), (7, 65), (1, 100003)])
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_layer_norm(outer, n, offset, isa):
    x = ref.random((outer, n), 1) * 3 + np.float32(offset)
    scale, bias = ref.random((n,), 2), ref.random((n,), 3)
    wide = x.astype(np.float64)
    centred = wide - wide.mean(1, keepdims=True)
    normal = centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-3)
    fields = dict(outer=outer, n=n, epsilon=1e-3, act_a=0.0, act_b=0.0)
    for b, act in ((bias, Act.NONE), (None, Act.NONE), (bias, Act.SILU)):
        inputs = {"x": x, "scale": scale, "bias": b}
        results = [ref.run("f32_layer_norm", inputs, x.size, isa, threads, act=act, **fields) for threads in (1, 2)]
        want = ref.activate(normal * scale + (0 if b is None else b), act)
        ref.assert_close(results[0].reshape(x.shape), want, 1e-6)
        assert np.array_equal(*results)
    got = ref.run("f32_layer_norm", {"x": x, "scale": None, "bias": None}, x.size, isa, act=Act.NONE, **fields)
    assert (np.abs(got.reshape(x.shape) - normal) <= 1e-6 * np.abs(normal) + 1e-7).all()


def test_layer_norm_of_a_constant_row(isa):
    x = np.full((2, 100), 7.7, np.float32)
    fields = dict(outer=2, n=100, epsilon=1e-12, act=Act.NONE, act_a=0.0, act_b=0.0)
    got = ref.run("f32_layer_norm", {"x": x, "scale": None, "bias": None}, x.size, isa, **fields)
    assert np.abs(got).max() <= 1e-6
