"""Element-wise kernels: activations, unary functions, arithmetic with broadcasting, affine."""

import numpy as np
import pytest
import reference as ref

from plait.kernels_pyx import Act, BinaryOp, UnaryFunction, packing

ACT_PARAMETERS = {
    Act.CLIP: (-0.5, 1.5),
    Act.HARD_SIGMOID: (0.2, 0.5),
    Act.LEAKY_RELU: (0.1, 0.0),
    Act.ELU: (1.25, 0.0),
}


def sweep() -> np.ndarray:
    """Numbers of all sizes, both signs."""
    dense = np.linspace(-12, 12, 5003)
    tiny = np.logspace(-8, -1, 500)
    return np.concatenate([dense, tiny, -tiny, [0.0, 80.0, -80.0, 100.0, -100.0]]).astype(np.float32)


@pytest.mark.parametrize("act", list(Act))
def test_act(act, isa):
    x, (a, b) = sweep(), ACT_PARAMETERS.get(act, (0.0, 0.0))
    got = ref.run("f32_act", {"x": x}, x.size, isa, 2, outer=1, rows=1, row=x.size, act=act, act_a=a, act_b=b)
    want = ref.activate(x, act, a, b)
    if act in (Act.SIGMOID, Act.TANH):
        relative = np.abs(got - want) / np.maximum(np.abs(want), 1e-30)
        assert relative.max() <= 1e-6
    error = np.abs(got - want) / np.maximum(1, np.abs(want))
    assert error.max() <= 1e-6


@pytest.mark.parametrize("act", [Act.RELU, Act.CLIP, Act.SIGMOID, Act.SILU, Act.TANH, Act.GELU, Act.ELU])
def test_act_passes_nan(act, isa):
    x = np.full(37, np.nan, np.float32)
    got = ref.run("f32_act", {"x": x}, x.size, isa, outer=1, rows=1, row=x.size, act=act, act_a=0.0, act_b=6.0)
    assert np.isnan(got).all()


@pytest.mark.parametrize("function", list(UnaryFunction))
def test_unary(function, isa):
    x = sweep()
    if function in (UnaryFunction.SQRT, UnaryFunction.LOG, UnaryFunction.RECIPROCAL):
        x = np.abs(x) + np.float32(1e-6)
    if function == UnaryFunction.EXP:
        x = np.clip(x, -80, 80)
    got = ref.run("f32_unary", {"x": x}, x.size, isa, 2, outer=1, rows=x.size, row=1, function=function)
    want = ref.UNARY[function](x.astype(np.float64))
    error = np.abs(got - want) / np.maximum(np.abs(want), 1e-30)
    assert error[want != 0].max() <= 1e-6
    assert (got[want == 0] == 0).all()


def test_exp_reaches_infinity_and_zero(isa):
    x = np.array([89.0, 1000.0, np.inf, -104.0, -1000.0, -np.inf, 88.5, -87.0], np.float32)
    got = ref.run("f32_unary", {"x": x}, x.size, isa, outer=1, rows=1, row=8, function=UnaryFunction.EXP)
    assert np.isinf(got[:3]).all() and (got[3:6] <= 1e-44).all()
    assert np.allclose(got[6:], np.exp(x[6:].astype(np.float64)), rtol=1e-6, atol=0)


def assert_relative(got: np.ndarray, want: np.ndarray, tolerance: float) -> None:
    """Equal within a relative error, in sign of zero, in infinities and in NaNs; `want` is float64."""
    with np.errstate(over="ignore", under="ignore"):
        rounded = want.astype(np.float32)
    special = ~np.isfinite(rounded) | (rounded == 0)
    assert np.array_equal(got[special], rounded[special], equal_nan=True)
    assert (np.signbit(got) == np.signbit(rounded))[~np.isnan(rounded)].all()
    got, want = got[~special].astype(np.float64), want[~special]
    allowed = np.maximum(tolerance * np.abs(want), 2e-45)  # denormals have a last place of 1.4e-45
    assert (np.abs(got - want) <= allowed).all(), (np.abs(got - want) / np.abs(want)).max()


def test_log_everywhere(isa):
    near_one = 1 + np.linspace(-0.01, 0.01, 1001)
    special = [0.0, -0.0, -1.0, -np.inf, np.inf, np.nan, 1.0, 1e-45, 1e-40, 1.17549435e-38, 3.4e38]
    x = np.concatenate([np.logspace(-38, 38, 5001), near_one, np.linspace(0.4, 3, 999), special]).astype(np.float32)
    got = ref.run("f32_unary", {"x": x}, x.size, isa, outer=1, rows=1, row=x.size, function=UnaryFunction.LOG)
    with np.errstate(divide="ignore", invalid="ignore"):
        want = np.log(x.astype(np.float64))
    nan = np.isnan(want)
    assert np.isnan(got[nan]).all()
    assert_relative(got[~nan], want[~nan], 3e-7)


def power(a: np.ndarray, b: np.ndarray, isa: str, name: str = "same", **fields) -> np.ndarray:
    fields = dict(op=BinaryOp.POW, swap=0, outer=1, rows=1, row=a.size, act=Act.NONE, act_a=0.0, act_b=0.0) | fields
    return ref.run(f"f32_binary_{name}", {"a": a, "b": b}, a.size, isa, **fields)


def test_pow_special_values(isa):
    base = [0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.3, -0.3, np.inf, -np.inf, np.nan, 1e-42, 3e38, 16777216.0]
    exponent = [*base, 0.5, -0.5, 3.0, -3.0, 1 / 3, 127.0, -149.0, 8388609.0, -16777218.0, 2147483648.0, 1e20]
    a, b = (v.astype(np.float32).ravel() for v in np.meshgrid(base, exponent))
    with np.errstate(all="ignore"):
        want = np.power(a.astype(np.float64), b)
    assert_relative(power(a, b, isa), want, 1e-7)


def test_pow_sweep(isa):
    a = np.exp(ref.random((5003,), 1) * 8)
    b = ref.random((5003,), 2) * 8
    with np.errstate(all="ignore"):
        want = np.power(a.astype(np.float64), b)
    assert_relative(power(a, b, isa), want, 1e-7)
    whole = np.arange(1, 40, dtype=np.float32)
    assert np.array_equal(power(whole, np.full(39, 3, np.float32), isa), whole**3), "small integers are exact"


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0, 0.5, -0.5, -1.0, 3.0, 0.75])
def test_pow_of_one_exponent(exponent, isa):
    a = np.concatenate([sweep(), [np.inf, -np.inf, np.nan, -0.0]]).astype(np.float32)
    b = np.array([exponent], np.float32)
    with np.errstate(all="ignore"):
        want = np.power(a.astype(np.float64), np.full(a.shape, exponent))  # a scalar 0.5 would be np.sqrt
    got = [power(a, b, isa, "scalar", rows=a.size, row=1)]
    got.append(power(a, np.full_like(a, exponent), isa))
    for g in got:
        assert_relative(g, want, 2e-7)


@pytest.mark.parametrize("op", list(BinaryOp))
@pytest.mark.parametrize("swap", [0, 1])
def test_binary_same_and_scalar(op, swap, isa):
    a = np.abs(ref.random((3, 5, 7), 1)) + np.float32(0.1)
    b = ref.random((3, 5, 7), 2)
    if swap:  # a power wants a positive base
        a, b = b, a
    common = dict(op=op, swap=swap, act=Act.LEAKY_RELU, act_a=0.5, act_b=0.0)
    for name, second in (("same", b), ("scalar", b[:1, :1, :1])):
        operands = (second, a) if swap else (a, second)
        want = ref.activate(ref.BINARY[op](*(v.astype(np.float64) for v in operands)), Act.LEAKY_RELU, 0.5)
        for threads in (1, 2):
            got = ref.run(
                f"f32_binary_{name}", {"a": a, "b": second}, a.size, isa, threads, outer=3, rows=5, row=7, **common
            )
            ref.assert_close(got.reshape(a.shape), want)


@pytest.mark.parametrize(("isa", "layout"), ref.LAYOUTS)
@pytest.mark.parametrize("per_image", [False, True])
@pytest.mark.parametrize(("c", "h", "w"), [(16, 5, 7), (21, 14, 3), (3, 1, 9)])
def test_binary_channel(layout, per_image, c, h, w, isa):
    a, b = ref.random((2, c, h, w), 1), ref.random((2 if per_image else 1, c, 1, 1), 2)
    shaped = ref.to_layout(b, layout)
    step = shaped.size // 2 if per_image else 0
    for threads in (1, 2):
        got = ref.run(
            f"f32_binary_channel_{layout}", {"a": ref.to_layout(a, layout), "b": shaped}, ref.size_in(layout, a.shape),
            isa, threads, op=BinaryOp.SUB, swap=1, n=2, c=c, h=h, w=w, b_image=step, act=Act.RELU, act_a=0.0, act_b=0.0,
        )  # fmt: skip
        ref.assert_close(ref.from_layout(got, layout, a.shape), np.maximum(b.astype(np.float64) - a, 0))


def steps_of(shape: tuple[int, ...], out: tuple[int, ...]) -> list[int]:
    """Element steps of `shape` broadcast to the 6 dimensions of `out`."""
    full = (1,) * (6 - len(shape)) + shape
    strides = np.empty(full, np.float32).strides
    return [0 if d == 1 else s // 4 for d, s in zip(full, strides, strict=True)]


@pytest.mark.parametrize(
    ("a_shape", "b_shape"),
    [
        ((2, 3, 4, 5), (2, 3, 4, 5)),
        ((3, 1, 5), (2, 1, 4, 1)),
        ((7,), (2, 3, 1, 1, 2, 7)),
        ((1,), (6, 5)),
        ((4, 1), (9,)),
    ],
)
def test_binary_nd(a_shape, b_shape, isa):
    a, b = ref.random(a_shape, 1), ref.random(b_shape, 2)
    want = a.astype(np.float64) * b
    out = (1,) * (6 - want.ndim) + want.shape
    fields = {f"d{i}": d for i, d in enumerate(out)}
    fields |= {f"a_step{i}": s for i, s in enumerate(steps_of(a_shape, out))}
    fields |= {f"b_step{i}": s for i, s in enumerate(steps_of(b_shape, out))}
    for threads in (1, 2):
        got = ref.run(
            "f32_binary_nd", {"a": a, "b": b}, want.size, isa, threads, op=BinaryOp.MUL, swap=0, act=Act.NONE,
            act_a=0.0, act_b=0.0, **fields,
        )  # fmt: skip
        ref.assert_close(got.reshape(want.shape), want)


@pytest.mark.parametrize(("isa", "layout"), ref.LAYOUTS)
@pytest.mark.parametrize(("c", "h", "w"), [(16, 5, 7), (21, 14, 3)])
def test_affine(layout, c, h, w, isa):
    x, scale, shift = ref.random((2, c, h, w), 1), ref.random((c,), 2), ref.random((c,), 3)
    want = ref.activate(x.astype(np.float64) * scale[:, None, None] + shift[:, None, None], Act.SILU)
    scales, shifts = (packing.pack_channels(v, ref.block_of(layout)) for v in (scale, shift))
    for threads in (1, 2):
        got = ref.run(
            f"f32_affine_{layout}", {"x": ref.to_layout(x, layout), "scale": scales, "shift": shifts},
            ref.size_in(layout, x.shape), isa, threads, n=2, c=c, h=h, w=w, act=Act.SILU, act_a=0.0, act_b=0.0,
        )  # fmt: skip
        ref.assert_close(ref.from_layout(got, layout, x.shape), want)
