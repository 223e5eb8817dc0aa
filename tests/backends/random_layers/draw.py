"""Random parts of quantized layers: sizes, element types, data. What is drawn follows from the seed alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import attrs
import numpy as np

from plait.ir.activation import Activation
from plait.ir.dtypes import Array, DType, ElementType, Quantized

T = TypeVar("T")
SPREAD = 74.0
"""Standard deviation of a byte that may have any value."""


@attrs.frozen(eq=False)
class Drawn:
    """An operand: its type and data; `weight`: one that is not an activation, so that it keeps its sign."""

    dtype: ElementType
    data: Array
    constant: bool = False
    weight: bool = False


@attrs.frozen(eq=False)
class Recipe:
    """A layer to be made."""

    kind: str
    operands: tuple[Drawn | None, ...]
    attributes: dict[str, Any]


@attrs.frozen(eq=False)
class Draw:
    """A stream of random choices."""

    rng: np.random.Generator

    def integer(self, low: int, high: int) -> int:
        """An integer of [low, high]."""
        return int(self.rng.integers(low, high, endpoint=True))

    def chance(self, percent: int) -> bool:
        return self.integer(1, 100) <= percent

    def choice(self, options: Sequence[T]) -> T:
        return options[self.integer(0, len(options) - 1)]

    def channels(self, most: int = 70) -> int:
        """Numbers around whole blocks more often than others."""
        return min(most, self.choice((1, 2, 3, 15, 16, 17, 32, 33, 48, 64, *[self.integer(1, 70)] * 10)))

    def scale(self, about: float = 0.05) -> float:
        """A float32 number of that size, a tenth to ten times."""
        return float(np.float32(about * 10 ** self.rng.uniform(-1, 1)))

    def zero(self, storage: DType) -> int:
        """Any zero point, those at the ends more often."""
        low, high = storage.integer_range
        return self.choice((low, high, (low + high + 1) // 2, *[self.integer(low, high)] * 3))

    def whole(self, storage: DType | None = None, about: float = 0.05) -> Quantized:
        """A type with one scale."""
        storage = storage or self.choice((DType.U8, DType.U8, DType.I8))
        return Quantized(storage, self.scale(about), self.zero(storage))

    def bytes(self, dtype: ElementType, shape: tuple[int, ...]) -> Array:
        """Elements of a quantized type: any, now and then the extreme ones alone or often."""
        assert isinstance(dtype, Quantized)
        low, high = dtype.storage.integer_range
        data = self.rng.integers(low, high, shape, endpoint=True)
        extremes = self.choice((0.0, 0.0, 0.1, 1.0)) if self.chance(40) else 0.0
        ends = self.rng.choice(np.array([low, high]), shape)
        return np.asarray(np.where(self.rng.random(shape) < extremes, ends, data)).astype(dtype.numpy)

    def operand(self, shape: tuple[int, ...], dtype: Quantized | None = None, constant: bool = False) -> Drawn:
        """An activation."""
        dtype = dtype or self.whole()
        return Drawn(dtype, self.bytes(dtype, shape), constant)

    def weights(self, shape: tuple[int, ...]) -> Drawn:
        """Filters: bytes with or without sign, or 4 bits; one scale or one for each output; some with zero points."""
        storage = self.choice((DType.I8,) * 7 + (DType.U8, DType.I4, DType.U4))
        low, high = storage.integer_range
        per_axis, zeros = self.chance(60), self.chance(15)
        middle = 0 if storage.is_signed else (low + high + 1) // 2
        about = 0.01 if storage.bits == 8 else 0.1
        if per_axis:
            scale: Any = tuple(self.scale(about) for _ in range(shape[0]))
            zero: Any = tuple(self.zero(storage) for _ in range(shape[0])) if zeros else middle
            dtype = Quantized(storage, scale, zero, 0)
        else:
            dtype = Quantized(storage, self.scale(about), self.zero(storage) if zeros else middle)
        return Drawn(dtype, self.bytes(dtype, shape), constant=True, weight=True)

    def bias(self, x: Quantized, weight: Quantized, outputs: int, depth: int) -> Drawn | None:
        """None, floats, int32 with the scale of the sums, or int32 with another one."""
        steps = float(SPREAD * SPREAD * depth**0.5)
        scales = np.asarray(x.scale, np.float64) * np.asarray(weight.scale, np.float64)
        numbers = self.rng.normal(0, steps, outputs)
        form = self.choice(("none", "floats", "sums", "sums", "other"))
        if form == "none":
            return None
        if form == "floats":
            return Drawn(DType.F32, (numbers * scales).astype(np.float32), constant=True, weight=True)
        if form == "other":
            dtype = Quantized(DType.I32, float(np.float32(np.mean(scales) / 3)), 0)
        elif scales.ndim:
            dtype = Quantized(DType.I32, tuple(float(np.float32(s)) for s in scales), 0, 0)
        else:
            dtype = Quantized(DType.I32, float(np.float32(scales)), 0)
        return Drawn(dtype, np.rint(numbers).astype(np.int32), constant=True, weight=True)

    def act(self) -> Activation:
        """A bound of the result, or none."""
        low = float(self.rng.uniform(-5, 1))
        clip = Activation("clip", (low, low + float(self.rng.uniform(0, 6))))
        return self.choice(
            (Activation("none"), Activation("none"), Activation("relu"), Activation("clip", (0.0, 6.0)), clip)
        )

    def rounding(self) -> str:
        return self.choice(("half_even", "half_even", "fixed_point"))

    def to(self, spread: float) -> Quantized:
        """The type of a result whose numbers spread so far: a few of its steps, or all, or more than it has."""
        return self.whole(about=spread / 40)


def rms(dtype: ElementType) -> float:
    """How large, in the mean, the numbers of a quantized type are."""
    assert isinstance(dtype, Quantized)
    low, high = dtype.storage.integer_range
    zero = float(np.mean(np.asarray(dtype.zero)))
    scale = float(np.mean(np.asarray(dtype.scale)))
    return float(np.hypot((high - low) / 3.46, (low + high) / 2 - zero)) * scale
