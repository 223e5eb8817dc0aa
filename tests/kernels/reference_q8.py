"""8-bit arithmetic in NumPy beside convolutions (quantized.py), written from docs/design/quantization.md.

Everything is exact: results are compared byte for byte.  Floats are float32, each operation rounded by itself.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import reference
from numpy.typing import DTypeLike, NDArray
from quantized import to_layout
from reference import from_layout, run, size_in

__all__ = ["from_layout", "run", "size_in", "to_layout"]

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
LAYOUTS = ("nchw", "nhwc", "nchw16c")


class Params(NamedTuple):
    """What the bytes of a tensor stand for: (byte - zero) * scale."""

    scale: float
    zero: int

    @property
    def step(self) -> np.float32:
        return np.float32(self.scale)


def random_bytes(shape: tuple[int, ...], seed: int = 0) -> U8:
    """All bytes, the extreme ones more often."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, shape, np.uint8)
    return np.where(rng.random(shape) < 0.1, rng.choice(np.array([0, 255], np.uint8), shape), x)


def random_weights(shape: tuple[int, ...], seed: int = 0) -> NDArray[np.int8]:
    return (random_bytes(shape, seed) ^ 0x80).view(np.int8)


def quantize(x: F32, to: Params, low: int = 0, high: int = 255) -> U8:
    with np.errstate(all="ignore"):
        steps = np.rint(x / to.step) + np.float32(to.zero)
        return np.nan_to_num(np.clip(steps, low, high)).astype(np.uint8)


def dequantize(x: U8, of: Params) -> F32:
    return (x.astype(np.int32) - of.zero).astype(np.float32) * of.step


def store(v: F32, to: Params, low: int = 0, high: int = 255) -> U8:
    """The byte for a number of steps: the end of every integer layer."""
    assert v.dtype == np.float32
    return (np.clip(np.rint(v), low - to.zero, high - to.zero) + np.float32(to.zero)).astype(np.uint8)


def ratio(*factors: float, over: float) -> np.float32:
    """The product of scales over another one, in float64, then rounded."""
    return np.float32(np.prod(np.float64(factors)) / np.float64(over))


def requantize(x: U8, of: Params, to: Params, low: int = 0, high: int = 255) -> U8:
    if of == to:
        return np.clip(x, low, high).astype(np.uint8)
    return store((x.astype(np.int32) - of.zero).astype(np.float32) * ratio(of.scale, over=to.scale), to, low, high)


def requantize_table(of: Params, to: Params) -> U8:
    return requantize(np.arange(256, dtype=np.uint8), of, to)


def run_both(
    kernel: str,
    inputs: Mapping[str, NDArray[Any] | None],
    size: int,
    isa: str,
    dtype: DTypeLike = np.uint8,
    **fields: float,
) -> NDArray[Any]:
    """The result of one thread, after a check that two threads have the same one."""
    one, two = (reference.run(kernel, inputs, size, isa, threads, dtype, **fields) for threads in (1, 2))
    assert np.array_equal(one.view(np.uint8), two.view(np.uint8)), "one and two threads differ"
    return one
