"""Changes of element type, in place and together with a change of layout."""

import numpy as np
import pytest
import reference_q8 as ref
from reference_q8 import Params

SHAPES = [(1, 16, 4, 4), (2, 3, 5, 7), (1, 37, 9, 13), (2, 20, 1, 5), (1, 3, 40, 41)]
# Ordinary scales; powers of two, whose quotients are often ties; and those for which no shortcut holds.
PARAMS = [Params(0.0235, 116), Params(0.25, 0), Params(7.1, 255), Params(1e-30, 3), Params(1e-41, 3), Params(1e30, 128)]


def flat(count):
    return {"outer": 1, "rows": 1, "row": count}


def numbers_near_ties(of: Params, seed: int = 0):
    """Numbers on, beside and between the places where the byte changes, beyond the range, and such as are none."""
    rng = np.random.default_rng(seed)
    with np.errstate(over="ignore"):
        ties = ((np.arange(-300, 300) + 0.5) * of.step).astype(np.float32)
        wild = (rng.standard_normal(600) * 100 * of.step).astype(np.float32)
    odd = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 3.4e38, -3.4e38, 1e-45], np.float32)
    beside = [np.nextafter(ties, np.float32(s), dtype=np.float32) for s in (np.inf, -np.inf)]
    return rng.permutation(np.concatenate([ties, *beside, wild, odd]))


@pytest.mark.parametrize("to", PARAMS)
def test_quantize(to, any_isa):
    x = numbers_near_ties(to)
    for low, high in ((0, 255), (to.zero, 255), (3, 200)):
        fields = flat(x.size) | {"scale": to.step, "zero": to.zero, "low": low, "high": high}
        got = ref.run_both("q8_quantize", {"x": x}, x.size, any_isa, **fields)
        number = ~np.isnan(x)
        assert np.array_equal(got[number], ref.quantize(x, to, low, high)[number])
        assert (got[~number] == 0).all()
        turned = ref.run_both("q8_quantize", {"x": x}, x.size, any_isa, nan=128, turn=1, **fields)
        assert np.array_equal(turned, np.where(number, got, 128) ^ 0x80)


def test_quantize_rounds_each_quotient(any_isa):
    """A million quotients whose distance from a tie is a bit or two in the last place."""
    rng = np.random.default_rng(7)
    for scale in np.exp(rng.uniform(-9, 2, 8)).astype(np.float32):
        ties = rng.integers(-128, 128, 60_000).astype(np.float32) + np.float32(0.5)
        x = (ties.astype(np.float64) * scale).astype(np.float32)
        x = (x.view(np.int32) + rng.integers(-2, 3, x.size, np.int32)).view(np.float32)
        to, fields = Params(float(scale), 128), flat(x.size) | {"scale": scale, "zero": 128, "low": 0, "high": 255}
        got = ref.run("q8_quantize", {"x": x}, x.size, any_isa, dtype=np.uint8, **fields)
        assert np.array_equal(got, ref.quantize(x, to))


@pytest.mark.parametrize("to", PARAMS)
def test_quantize_far_from_ties(to, any_isa):
    """Numbers for which a rough quotient does, in runs that hold nothing else, and then beside some for which not."""
    rng = np.random.default_rng(8)
    steps = rng.integers(-400, 400, 4096) + rng.uniform(-0.49, 0.49, 4096)
    with np.errstate(over="ignore"):
        x = (steps * to.step).astype(np.float32)
    x[500:700:3], x[900:1100:7] = np.inf, -np.inf
    fields = flat(x.size) | {"scale": to.step, "zero": to.zero, "low": 3, "high": 200}
    for change in (None, (1500, np.nan), (2000, np.float32(0.5 * to.step)), (4095, np.nan)):
        if change is not None:
            x[change[0]] = change[1]
        got = ref.run_both("q8_quantize", {"x": x}, x.size, any_isa, **fields)
        number = ~np.isnan(x)
        assert np.array_equal(got[number], ref.quantize(x, to, 3, 200)[number])
        assert (got[~number] == 0).all()


@pytest.mark.parametrize("of", PARAMS)
def test_dequantize(of, any_isa):
    x = ref.random_bytes((777,))
    fields = flat(x.size) | {"scale": of.step, "zero": of.zero}
    got = ref.run_both("q8_dequantize", {"x": x}, x.size, any_isa, np.float32, **fields)
    assert np.array_equal(got, ref.dequantize(x, of))
    again = ref.run_both("q8_dequantize", {"x": x ^ 0x80}, x.size, any_isa, np.float32, turn=1, **fields)
    assert np.array_equal(got, again)


@pytest.mark.parametrize("count", [1, 15, 64, 333, 4096])
def test_bytes_to_bytes(count, any_isa):
    x, table = ref.random_bytes((count,), 1), np.random.default_rng(2).permutation(256).astype(np.uint8)
    assert np.array_equal(ref.run_both("q8_turn", {"x": x}, count, any_isa, **flat(count)), x ^ 0x80)
    got = ref.run_both("q8_table", {"x": x, "table": table}, count, any_isa, **flat(count))
    assert np.array_equal(got, table[x])


def test_cuts_of_flat_kernels(any_isa):
    """By rows and by channels, of every thread count, the parts make the whole."""
    x, table = ref.random_bytes((5, 6, 7)), np.arange(255, -1, -1).astype(np.uint8)
    for split in (0, 1, 2):
        for threads in (1, 2, 3):
            got = ref.run(
                "q8_table",
                {"x": x, "table": table},
                x.size,
                any_isa,
                threads,
                np.uint8,
                outer=5,
                rows=6,
                row=7,
                split=split,
            )
            assert np.array_equal(got, table[x].ravel())


@pytest.mark.parametrize("source", ref.LAYOUTS)
@pytest.mark.parametrize("target", ref.LAYOUTS)
@pytest.mark.parametrize("shape", SHAPES)
def test_layouts(source, target, shape, any_isa):
    if source == target:
        return
    x = ref.random_bytes(shape)
    n, c, h, w = shape
    got = ref.run_both(
        f"q8_{source}_to_{target}",
        {"x": ref.to_layout(x, source)},
        ref.size_in(target, shape),
        any_isa,
        n=n,
        c=c,
        h=h,
        w=w,
    )
    assert np.array_equal(ref.from_layout(got, target, shape), x)


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("split", [1, 2])
def test_fused_with_layouts(layout, shape, split, any_isa):
    n, c, h, w = shape
    params = Params(0.031, 100)
    x = np.random.default_rng(3).standard_normal(shape).astype(np.float32)
    sizes = {"n": n, "c": c, "h": h, "w": w, "split": split, "scale": params.step, "zero": params.zero}
    got = ref.run_both(
        f"q8_quantize_{layout}_to_nchw16c", {"x": ref.to_layout(x, layout)}, ref.size_in("nchw16c", shape), any_isa,
        **sizes, low=20, high=230,
    )  # fmt: skip
    stored = ref.quantize(x, params, 20, 230)
    assert np.array_equal(ref.from_layout(got, "nchw16c", shape), stored)
    back = ref.run_both(
        f"q8_dequantize_nchw16c_to_{layout}", {"x": ref.to_layout(stored, "nchw16c")}, ref.size_in(layout, shape),
        any_isa, np.float32, **sizes,
    )  # fmt: skip
    assert np.array_equal(ref.from_layout(back, layout, shape), ref.dequantize(stored, params))
