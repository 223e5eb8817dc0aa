"""Random inputs for a module, by the types of its arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from plait.ir.dims import Dimension, substitute
from plait.ir.layers.shape import Gather
from plait.ir.module import Function, Module
from plait.ir.types import DType, Type
from plait.ir.values import Array, Constant, Value

RANGE = 6.0
"""Floating-point inputs lie between -RANGE and RANGE, where no activation function is flat throughout."""
INTEGERS = 5
"""Integer inputs are less than this, and not negative."""


def random_inputs(module: Module | Function, seed: int = 0, sizes: Mapping[str, int] | None = None) -> dict[str, Array]:
    """An array for each argument of `main`, by name. A seed gives always the same.

    Args:
        sizes: what dimension symbols stand for; others get the sizes of `symbol_sizes`.
    """
    function = module.main if isinstance(module, Module) else module
    bound = symbol_sizes(function, sizes)
    random = np.random.default_rng(seed)
    return {a.name: _array(random, a, a.type.substitute(bound), bound) for a in function.arguments}


def symbol_sizes(function: Function, sizes: Mapping[str, int] | None = None) -> dict[str, int]:
    """A small size for each dimension symbol of the arguments.

    They are distinct, from 2 on, and larger where a symbolic dimension of some value would be empty otherwise.

    Args:
        sizes: those that are given.
    """
    given = dict(sizes or {})
    free = [name for name in function.symbols() if name not in given]
    values = [*function.arguments, *(r for layer in function for r in layer.results)]
    dims = {d for v in values for d in v.type.shape if not isinstance(d, int)}
    for step in range(8):
        bound = given | {name: (2 + i) * 2**step for i, name in enumerate(free)}
        if all(_positive(d, bound) for d in dims):
            return bound
    return given | {name: 2 + i for i, name in enumerate(free)}


def _positive(dim: Dimension, sizes: Mapping[str, int]) -> bool:
    try:
        size = substitute(dim, sizes)
    except ZeroDivisionError:
        return False
    return not isinstance(size, int) or size > 0


def _array(random: np.random.Generator, argument: Value, type: Type, sizes: Mapping[str, int]) -> Array:
    if type.dtype.is_float:
        return random.uniform(-RANGE, RANGE, type.static_shape).astype(type.dtype.numpy)
    high = 2 if type.dtype is DType.BOOL else _limit(argument, sizes)
    drawn: np.ndarray[Any, Any] = random.integers(0, high, type.static_shape)
    return drawn.astype(type.dtype.numpy)


def _limit(argument: Value, sizes: Mapping[str, int]) -> int:
    """What integers stay below: the size of an axis that they index."""
    limit = INTEGERS
    for user in argument.users:
        if isinstance(user, Gather) and user.indices is argument and not isinstance(argument, Constant):
            size = user.x.type.substitute(sizes).shape[user.axis]
            limit = min(limit, size if isinstance(size, int) else limit)
    return limit
