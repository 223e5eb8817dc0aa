"""Executables: a function as a plan runs it. What lowering makes, what a package stores, what a `Program` runs.

This module is on the path from `plait.open` to a first result, as are `program`, `runner`, `package`, `archive`,
`stored` and `profiling.machine`: they import the standard library, NumPy and the kernels, and the rest of Plait inside
functions, so that a package opens in milliseconds. That is why their records are named tuples, not attrs classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from plait.kernels_pyx import Ref, aligned_empty

if TYPE_CHECKING:
    from plait.ir.values import Array

Field = int | float | Ref | None
"""What a kernel's argument field holds. References are those of plans; the base -1 - i is constant i."""


class Port(NamedTuple):
    """An input or output: how its array is stored."""

    name: str
    type: str
    """The text of its type: `f32[1x3x224x224] nchw`."""
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    """The shape of the array, that of whole blocks for blocked layouts."""
    logical: tuple[int, ...]
    """The shape of the tensor."""

    @property
    def nbytes(self) -> int:
        """Size of the array."""
        return math.prod(self.shape) * self.dtype.itemsize


class Call(NamedTuple):
    """A call of a compiled kernel: values of its fields in their order (`plait.kernels_pyx.kernel_fields`)."""

    kernel: str
    values: tuple[Field, ...]
    layer: int
    """Which layer of the function it belongs to; -1: none, it copies an output."""


class View(NamedTuple):
    """An array that lies at a reference."""

    ref: Ref
    dtype: np.dtype[Any]
    shape: tuple[int, ...]


class Computed(NamedTuple):
    """A layer computed by Python: `run` takes arrays as they are stored, and gives one or a tuple."""

    run: Callable[..., Any]
    operands: tuple[View | None, ...]
    results: tuple[View, ...]
    layer: int


class Executable(NamedTuple):
    """A lowered function: steps over inputs and outputs (externals, in this order), an arena, and constants."""

    threads: int
    """How many threads share the work of each step; scratch memory is sized for them."""
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    layers: int
    arena_bytes: int
    steps: tuple[Call | Computed, ...]
    constants: tuple[Array, ...]
    """Packed weights and other constants: arrays of bytes, 64-byte aligned."""


def in_memory(executable: Executable) -> Executable:
    """The executable with its constants copied into memory of its own, on huge pages where there are some."""
    block = aligned_empty((sum(-(-c.nbytes // 64) * 64 for c in executable.constants),), np.uint8)
    copies, at = [], 0
    for constant in executable.constants:
        copies.append(block[at : at + constant.nbytes])
        copies[-1][...] = constant
        at += -(-constant.nbytes // 64) * 64
    return executable._replace(constants=tuple(copies))
