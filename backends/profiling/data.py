"""Data to measure with: constants and images that no model has given."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np

from plait.ir.dtypes import Quantized
from plait.ir.module import Module
from plait.ir.types import DType, Type
from plait.ir.values import Array
from plait.kernels_pyx import aligned_empty

_PATTERN = 1 << 16
"""Elements after which data repeat: random numbers take longer to make than kernels to read them."""


def fill_constants(module: Module) -> None:
    """Give constants without data random elements (integers: zeros)."""
    for seed, constant in enumerate(module.constants.values()):
        constant.supply(functools.partial(data_of, constant.type, 1000 + seed))


def fill_network(module: Module, weights: Callable[[Type, int], Array] | None = None) -> None:
    """The same for a network: weights of both signs that keep the size of what flows through, so that nothing becomes
    infinite or denormal on the way."""
    for seed, constant in enumerate(module.constants.values()):
        constant.supply(functools.partial(weights or weights_of, constant.type, seed))


def data_of(type: Type, seed: int) -> Array:
    """Elements of an array as it is stored, that are quick to make."""
    # Values of one size: no denormals, no overflow in long chains of products.
    return _uniform(type, seed, 0.025, 0.1)


def weights_of(type: Type, seed: int) -> Array:
    """Weights of both signs that keep the size of what flows through."""
    if type.rank < 2:
        return _uniform(type, seed, 0.5, 1.0)
    reach = math.sqrt(6 / max(1, math.prod(type.static_shape[1:])))
    return _uniform(type, seed, -reach, reach)


def _uniform(type: Type, seed: int, low: float, high: float) -> Array:
    shape, dtype = type.storage_shape, type.dtype
    if isinstance(dtype, Quantized):
        return _stored(dtype, shape, seed)
    if dtype not in (DType.F32, DType.F64, DType.F16):
        zeros: Array = np.zeros(shape, dtype.numpy)
        return zeros
    pattern = np.random.default_rng(seed).uniform(low, high, min(math.prod(shape), _PATTERN)).astype(dtype.numpy)
    return _repeated(pattern, shape)


def _stored(dtype: Quantized, shape: tuple[int, ...], seed: int) -> Array:
    """Integers of a quantized type: signed ones as weights are, mostly small, others of all sizes that 8 bits have."""
    low, high = dtype.storage.integer_range
    rng, count = np.random.default_rng(seed), min(math.prod(shape), _PATTERN)
    if low < 0:
        most = min(high, 127)
        drawn = np.rint(np.clip(rng.normal(0, most / 4, count), -most, most))
    else:
        drawn = rng.integers(0, min(high, 255) + 1, count)
    return _repeated(drawn.astype(dtype.numpy), shape)


def _repeated(pattern: Array, shape: tuple[int, ...]) -> Array:
    # Where kernels can read it: a copy of weights on other addresses takes longer than to make them.
    repeated: Array = aligned_empty(shape, pattern.dtype)
    flat = repeated.reshape(-1)
    for start in range(0, len(flat), _PATTERN):
        flat[start : start + _PATTERN] = pattern[: len(flat) - start]
    return repeated
