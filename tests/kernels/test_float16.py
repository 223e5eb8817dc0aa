"""float16: conversions to the bit, and with changes of layout; kernels on it are those of other elements."""

import numpy as np
import pytest
import reference as ref

SHAPES = [(1, 3, 5, 7), (2, 17, 3, 5), (1, 40, 1, 1), (1, 64, 9, 31)]


def halves() -> np.ndarray:
    return np.arange(1 << 16, dtype=np.uint32).astype(np.uint16).view(np.float16)


def special() -> np.ndarray:
    """Every half as a float32, what lies half way to the next one, and what lies a bit beside both; all exponents."""
    finite = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float32)
    near = np.concatenate([finite, (finite[1:] + finite[:-1]) / 2, np.float32([65519.996, 65520, 65536, 1e38])])
    near = np.concatenate([near, -near])
    beside = [np.nextafter(near, np.float32(end)) for end in (-np.inf, np.inf)]
    exponents = np.ldexp(np.float32(1.3), np.arange(-149, 128)).astype(np.float32)
    rest = np.float32([np.inf, -np.inf, np.nan, 0.0, -0.0])
    return np.concatenate([near, *beside, exponents, -exponents, rest]).astype(np.float32)


@pytest.mark.parametrize("threads", [1, 2])
def test_narrow_rounds_to_nearest_even(isa: str, threads: int) -> None:
    x = special()
    got = ref.run("f16_narrow", {"x": x}, x.size, isa, threads, np.uint16, outer=1, rows=1, row=x.size)
    nan = np.isnan(x)
    with np.errstate(over="ignore"):
        want = x.astype(np.float16).view(np.uint16)
    assert np.array_equal(got[~nan], want[~nan])
    assert np.isnan(got.view(np.float16)[nan]).all()


@pytest.mark.parametrize("count", [1, 15, 33, 1 << 16])
def test_widen_is_exact(isa: str, count: int) -> None:
    x = np.roll(halves(), count // 2)[:count]
    got = ref.run("f16_widen", {"x": x.view(np.uint16)}, count, isa, 2, np.float32, outer=count, rows=1, row=1)
    assert np.array_equal(got, x.astype(np.float32), equal_nan=True)
    assert np.array_equal(np.signbit(got), np.signbit(x))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("plain", ["nchw", "nhwc"])
def test_casts_with_layouts(isa: str, plain: str, shape: tuple[int, int, int, int]) -> None:
    x = ref.random(shape)
    fields = dict(zip("nchw", shape, strict=True))
    want = x.astype(np.float16)
    for threads in (1, 2):
        size, kernel = ref.size_in("nchw16c", shape), f"f16_narrow_{plain}_to_nchw16c"
        got = ref.run(kernel, {"x": ref.to_layout(x, plain)}, size, isa, threads, np.uint16, **fields)
        assert np.array_equal(ref.from_layout(got, "nchw16c", shape).view(np.float16), want)
        kernel = f"f16_widen_nchw16c_to_{plain}"
        back = ref.run(kernel, {"x": got}, x.size, isa, threads, np.float32, **fields)
        assert np.array_equal(ref.from_layout(back, plain, shape), want.astype(np.float32))
