"""float32 to bfloat16 and back, to the bit, alone and together with changes of layout."""

import itertools

import bf16
import numpy as np
import pytest
import reference as ref

from plait.kernels_pyx.packing_q8 import to_bfloat16

SHAPES = [(1, 3, 5, 7), (2, 17, 3, 5), (1, 40, 1, 1), (1, 16, 16, 16), (1, 64, 9, 31)]
LAYOUTS = ("nchw", "nhwc", "nchw16c")


def special() -> np.ndarray:
    """All signs and exponents with mantissas around ties, infinities, NaN; no subnormal ones, which may be flushed."""
    exponents = np.arange(1, 256, dtype=np.uint32) << 23
    mantissas = np.uint32([0, 1, 0x7FFF, 0x8000, 0x8001, 0x17FFF, 0x18000, 0x18001, 0x7F8000, 0x7FFFFF])
    bits = np.concatenate([e + mantissas for e in exponents])
    bits = np.concatenate([bits, bits | 0x80000000, np.uint32([0, 0x80000000])])
    return bits.astype(np.uint32).view(np.float32)


@pytest.mark.parametrize("threads", [1, 2])
def test_narrow_rounds_to_nearest_even(any_isa: str, threads: int) -> None:
    x = special()
    got = ref.run("bf16_narrow", {"x": x}, x.size, any_isa, threads, np.uint16, outer=1, rows=1, row=x.size)
    nan = np.isnan(x)
    assert np.array_equal(got[~nan], to_bfloat16(x)[~nan])
    assert np.isnan(bf16.floats(got)[nan]).all()


@pytest.mark.parametrize("count", [1, 15, 16, 33, 1000])
def test_widen_is_exact(any_isa: str, count: int) -> None:
    x = np.random.default_rng(count).integers(0, 1 << 16, count).astype(np.uint16)
    got = ref.run("bf16_widen", {"x": x}, count, any_isa, 2, np.float32, outer=count, rows=1, row=1)
    assert np.array_equal(got.view(np.uint32), x.astype(np.uint32) << 16)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("source", "target"), list(itertools.permutations(LAYOUTS, 2)))
def test_layouts_keep_all_bits(any_isa: str, source: str, target: str, shape: tuple[int, int, int, int]) -> None:
    x = np.random.default_rng(5).integers(0, 1 << 16, shape).astype(np.uint16)
    n, c, h, w = shape
    stored = _blocked(x) if source == "nchw16c" else ref.to_layout(x, source)
    for threads, split in ((1, 0), (2, 0), (2, 2)):
        size = ref.size_in(target, shape)
        kernel = f"bf16_{source}_to_{target}"
        got = ref.run(kernel, {"x": stored}, size, any_isa, threads, np.uint16, n=n, c=c, h=h, w=w, split=split)
        assert np.array_equal(ref.from_layout(got, target, shape), x)


def _blocked(x: np.ndarray) -> np.ndarray:
    n, c, h, w = x.shape
    full = np.full((n, -(-c // 16) * 16, h, w), bf16.QUIET_NAN, np.uint16)
    full[:, :c] = x
    return np.ascontiguousarray(full.reshape(n, -1, 16, h, w).transpose(0, 1, 3, 4, 2))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("plain", ["nchw", "nhwc"])
def test_casts_with_layouts(any_isa: str, plain: str, shape: tuple[int, int, int, int]) -> None:
    x = ref.random(shape)
    fields = dict(zip("nchw", shape, strict=True))
    for threads in (1, 2):
        size = ref.size_in("nchw16c", shape)
        kernel = f"bf16_narrow_{plain}_to_nchw16c"
        got = ref.run(kernel, {"x": ref.to_layout(x, plain)}, size, any_isa, threads, np.uint16, **fields)
        assert np.array_equal(ref.from_layout(got, "nchw16c", shape), to_bfloat16(x))
        kernel = f"bf16_widen_nchw16c_to_{plain}"
        back = ref.run(kernel, {"x": got}, x.size, any_isa, threads, np.float32, **fields)
        assert np.array_equal(ref.from_layout(back, plain, shape), bf16.floats(to_bfloat16(x)))
