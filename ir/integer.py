"""Exact arithmetic on quantized integers: sums, and the change of scale that ends a layer.

Sums are exact integers. Floats occur in the change of scale alone: in float32, each operation rounded by itself, so
that every processor gives the same bits; for results of 32 bits in float64. With `rounding = fixed_point` there are
none: a multiplier of 31 bits and a shift, as in TensorFlow Lite. docs/design/quantization.md has the formulas.
"""

from __future__ import annotations

from typing import TypeAlias

import attrs
import numpy as np

from plait.ir.activation import NONE, Activation
from plait.ir.dtypes import Array, ConstantName, DType, Quantized
from plait.ir.fixed_point import divide, multiply_by_quantized
from plait.ir.quantization import Lookup, nearest

HALF_EVEN = "half_even"
_BIAS_TOLERANCE = 1e-5
"""Scales of biases are products that someone rounded: so far apart, relatively, two of them are the same."""


@attrs.frozen(eq=False)
class Grid:
    """The numbers that quantized elements can stand for: `(stored - zero) * scale`."""

    storage: DType
    scale: Array
    """f64, of float32 numbers: of shape () or, along `axis`, [n]"""
    zero: Array
    """i64, likewise"""
    axis: int | None = None

    @staticmethod
    def of(dtype: Quantized, lookup: Lookup) -> Grid:
        """That of an element type without blocks; `lookup` gives the elements of the constants that it names."""

        def numbers(parameter: object) -> Array:
            found = np.asarray(lookup(parameter.name) if isinstance(parameter, ConstantName) else parameter)
            return found.reshape(()) if dtype.axis is None or found.size == 1 else found.reshape(-1)

        scale = numbers(dtype.scale).astype(np.float32).astype(np.float64)
        return Grid(dtype.storage, scale, numbers(dtype.zero).astype(np.int64), dtype.axis)

    @property
    def float(self) -> type[np.float32] | type[np.float64]:
        """The type in which scales change towards this grid."""
        return np.float64 if self.storage.bits > 16 else np.float32

    def multiplier(self, scale: Array, count: Array | int = 1) -> Array:
        """What brings numbers with a step of `scale` (f64), over `count`, to steps of this grid: in its `float`."""
        # Products of scales are rounded before they are divided, as ONNX Runtime does, which then gives the same bits.
        rounded = scale.astype(self.float).astype(np.float64)
        return np.asarray(rounded / (count * self.scale)).astype(self.float)

    def bounds(self, act: Activation) -> tuple[int, int] | None:
        """The least and the greatest stored integer behind an activation that is nothing but bounds; None of others."""
        low, high = self.storage.integer_range
        match act.kind:
            case "none":
                return low, high
            case "relu":
                return max(low, int(self.zero)), high
            case "clip":
                least, most = (int(self.nearest(np.float32(p))) for p in act.params)
                return min(max(low, least), most), min(high, most)
        return None

    def nearest(self, numbers: Array | np.float32) -> Array:
        """The stored integers (i64) nearest to numbers, by float32 division; ties to even."""
        return nearest(np.asarray(numbers), self.scale, self.zero, self.storage)


@attrs.frozen(eq=False)
class Stored:
    """An operand as it is stored, with what its integers stand for."""

    integers: Array
    grid: Grid

    @property
    def steps(self) -> Array:
        """i64: how many steps of the scale each element is, that is, less its zero point."""
        return self.integers.astype(np.int64) - along(self.grid.zero, self.grid.axis, self.integers.ndim)


Slot: TypeAlias = "Stored | Array | None"
"""What a rule for integers gets for an operand: an array where it is not quantized, None where it is absent."""


@attrs.frozen(eq=False)
class Target:
    """How a layer ends: the grid of the result, the activation, and the rounding."""

    grid: Grid
    act: Activation = NONE
    rounding: str = HALF_EVEN

    @property
    def fixed_point(self) -> bool:
        return self.rounding == "fixed_point"  # `cast` and `resize` have other words beside

    def rescaled(self, integers: Array, scale: Array, count: Array | int = 1) -> Array:
        """Integers with a step of `scale` (f64, broadcast), over `count`, in steps of the result: floats, or exact
        integers in fixed point."""
        if self.fixed_point:
            return multiply_by_quantized(integers, scale / (count * self.grid.scale))
        return np.asarray(integers.astype(self.grid.float) * self.grid.multiplier(scale, count))

    def store(self, steps: Array) -> Array:
        """The result as it is stored, from numbers in steps of its scale, after the activation."""
        grid = self.grid
        bounds = grid.bounds(self.act)
        if bounds is None:
            numbers = steps.astype(grid.float) * grid.scale.astype(grid.float)
            return grid.nearest(self.act(numbers)).astype(grid.storage.numpy)
        low, high = (b - grid.zero for b in bounds)
        whole = np.nan_to_num(np.clip(np.rint(steps), low, high)).astype(np.int64)
        return np.asarray((whole + grid.zero).astype(grid.storage.numpy))

    def requantized(self, x: Stored) -> Array:
        """Elements as the result stores them."""
        return self.store(self.rescaled(x.steps, along(x.grid.scale, x.grid.axis, x.integers.ndim)))


def along(values: Array, axis: int | None, rank: int) -> Array:
    """Numbers of shape () or [n], so that they broadcast along an axis."""
    return values if axis is None or not values.ndim else values.reshape([-1 if i == axis else 1 for i in range(rank)])


def bias_steps(bias: Slot, scale: Array) -> Array:
    """A bias [n] as integers with steps of `scale` (f64, () or [n]): stored ones of that scale as they are, other
    numbers to the nearest, in 32 bits."""
    if bias is None:
        return np.zeros((), np.int64)
    if isinstance(bias, Stored):
        grid = bias.grid
        if np.all(np.abs(grid.scale - scale) <= _BIAS_TOLERANCE * scale):
            return bias.steps
        numbers = bias.steps * grid.scale
    else:
        numbers = bias.astype(np.float64)
    low, high = DType.I32.integer_range
    return np.asarray(np.nan_to_num(np.clip(np.rint(numbers / scale), low, high)).astype(np.int64))


def mean_of_integers(target: Target, total: Array, count: Array, scale: Array) -> Array:
    """Means as a layer stores them: sums (i64) with a step of `scale`, each of `count` (i64) elements."""
    if target.fixed_point:
        return target.store(divide(target.rescaled(total, scale), count))
    with np.errstate(all="ignore"):  # a window may hold nothing
        return target.store(target.rescaled(total, scale, count))


def table(dtype: Quantized) -> Array:
    """All integers that 8 bits store, in the order of their bit patterns: the operand from which a table is made."""
    return np.arange(256, dtype=np.uint8).view(dtype.numpy)
