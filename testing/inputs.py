"""Random inputs for a module, by the types of its arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from plait.ir.dims import Dimension, substitute
from plait.ir.dtypes import Quantized
from plait.ir.layers.shape import Gather
from plait.ir.module import Function, Module
from plait.ir.region import Region
from plait.ir.types import ANY_SIZE, DType, OptionalType, SequenceType, Type
from plait.ir.values import Array, Constant, Value

RANGE = 6.0
"""Floating-point inputs lie between -RANGE and RANGE, where no activation function is flat throughout."""
INTEGERS = 5
"""Integer inputs are less than this, and not negative."""


def random_inputs(module: Module | Function, seed: int = 0, sizes: Mapping[str, int] | None = None) -> dict[str, Any]:
    """A value for each argument of `main`, by name: an array, a list of them for a sequence, None for nothing.

    A seed gives always the same.

    Args:
        sizes: what dimension symbols stand for; others get the sizes of `symbol_sizes`.
    """
    function = module.main if isinstance(module, Module) else module
    bound = symbol_sizes(function, sizes)
    random = np.random.default_rng(seed)
    return {a.name: _data(random, a.type.substitute(bound), _limit(a, bound)) for a in function.arguments}


def symbol_sizes(function: Function, sizes: Mapping[str, int] | None = None) -> dict[str, int]:
    """A small size for each dimension symbol of the arguments.

    They are distinct, from 2 on, and larger where a symbolic dimension of some value would be empty otherwise.

    Args:
        sizes: those that are given.
    """
    given = dict(sizes or {})
    free = [name for name in function.symbols() if name not in given]
    values = _values(function.body)
    dims = {d for v in values for tensor in v.type.tensors() for d in tensor.shape if not isinstance(d, int)}
    for step in range(8):
        bound = given | {name: (2 + i) * 2**step for i, name in enumerate(free)}
        if all(_positive(d, bound) for d in dims):
            return bound
    return given | {name: 2 + i for i, name in enumerate(free)}


def _values(region: Region) -> list[Value]:
    """All values of a region and of those in it."""
    regions = list(region.nest())
    return [v for r in regions for v in (*r.arguments, *(v for layer in r for v in layer.results))]


def _positive(dim: Dimension, sizes: Mapping[str, int]) -> bool:
    try:
        size = substitute(dim, sizes)
    except ZeroDivisionError:
        return False
    return not isinstance(size, int) or size > 0


def _data(random: np.random.Generator, type: Type, limit: int) -> Any:
    """A value of a type; integers stay below `limit`."""
    if isinstance(type, SequenceType):
        return [_data(random, type.element, limit) for _ in range(int(random.integers(1, 4)))]
    if isinstance(type, OptionalType):
        return _data(random, type.element, limit) if random.random() < 0.7 else None
    sizes = {ANY_SIZE: int(random.integers(1, 4))}
    shape = type.substitute(sizes).static_shape
    if isinstance(type.dtype, Quantized):
        return _stored(random, type.dtype, shape)
    return _array(random, type.dtype.storage, shape, limit)


def _stored(random: np.random.Generator, dtype: Quantized, shape: tuple[int, ...]) -> Array:
    """Integers of all sizes, of wide types those that need no more than 16 bits."""
    low, high = dtype.storage.integer_range
    drawn: Array = random.integers(max(low, -(2**15)), min(high, 2**15 - 1), shape, endpoint=True)
    return drawn.astype(dtype.numpy)


def _array(random: np.random.Generator, dtype: DType, shape: tuple[int, ...], limit: int) -> Array:
    if dtype is DType.STRING:
        return np.array([f"text {n}" for n in random.integers(0, 9, shape).flat], object).reshape(shape)
    if dtype.is_complex:
        parts = random.uniform(-RANGE, RANGE, (2, *shape))
        number: Array = parts[0] + 1j * parts[1]
        return number.astype(dtype.numpy)
    if dtype.is_float:
        low = -RANGE if dtype.is_signed else 0.5
        return random.uniform(low, RANGE, shape).astype(dtype.numpy)
    high = 2 if dtype is DType.BOOL else min(limit, dtype.integer_range[1] + 1)
    drawn: Array = random.integers(0, high, shape)
    return drawn.astype(dtype.numpy)


def _limit(argument: Value, sizes: Mapping[str, int]) -> int:
    """What integers stay below: the size of an axis that they index."""
    limit = INTEGERS
    for user in argument.users:
        if isinstance(user, Gather) and user.indices is argument and not isinstance(argument, Constant):
            size = user.x.type.substitute(sizes).shape[user.axis]
            limit = min(limit, size if isinstance(size, int) else limit)
    return limit
