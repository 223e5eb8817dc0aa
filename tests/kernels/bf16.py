"""Arrays of bfloat16 as their bits, and how near results must be that are rounded to it once."""

import numpy as np
import reference as ref
from numpy.typing import NDArray

from plait.kernels_pyx.packing_q8 import to_bfloat16

Bits = NDArray[np.uint16]
QUIET_NAN = 0x7FC1


def random(shape: tuple[int, ...], seed: int = 0) -> Bits:
    return to_bfloat16(ref.random(shape, seed))


def random_filters(shape: tuple[int, ...], seed: int = 0) -> Bits:
    return to_bfloat16(ref.random_filters(shape, seed))


def floats(bits: Bits) -> NDArray[np.float32]:
    return (bits.astype(np.uint32) << 16).view(np.float32)


def to_layout(bits: Bits, layout: str) -> Bits:
    """NCHW to a layout, NaN in the lanes beyond the last channel."""
    return to_bfloat16(ref.to_layout(floats(bits), layout))


def assert_rounded(got: Bits, want: NDArray) -> None:
    """Numbers whose sums are as near as float32 makes them, then rounded: by half a unit in the last of 8 bits."""
    error = np.abs(floats(got).astype(np.float64) - want)
    allowed = np.abs(want) * 2.0**-8 + 2e-5 * max(1.0, float(np.abs(want).max(initial=0)))
    assert got.shape == want.shape
    assert not np.isnan(error).any(), f"{int(np.isnan(error).sum())} of {error.size} results are NaN"
    assert (error <= allowed).all(), f"error {error.max():.3g}, allowed {allowed[error > allowed].max():.3g}"
