"""Reductions along axes."""

from __future__ import annotations

import math
from collections.abc import Callable

import attrs
import numpy as np

from plait.ir.attributes import boolean, ints, optional_dtype, scale_rounding
from plait.ir.diagnostics import ShapeError, unknown
from plait.ir.dims import Dimension
from plait.ir.dtypes import DType, ElementType, is_floating
from plait.ir.integer import Stored, Target, mean_of_integers
from plait.ir.layer import Layer, operand_axes
from plait.ir.layers._rules import axes_in, result_dtype
from plait.ir.registry import layer
from plait.ir.types import TensorType
from plait.ir.values import Array, Value

REDUCTIONS: dict[str, Callable[..., Array]] = {
    "mean": np.mean,
    "sum": np.sum,
    "max": np.max,
    "min": np.min,
    "prod": np.prod,
}
"""Function word -> NumPy semantics."""


def _function_word(value: str) -> str:
    if value not in REDUCTIONS:
        raise ValueError(unknown("reduction", value, REDUCTIONS))
    return value


@layer("reduce")
@attrs.define(eq=False)
class Reduce(Layer):
    """`reduce(%x) {fn = mean, axes = [2, 3]}`; without axes over all of them. `keep` leaves reduced axes with size
    1.

    Operands:
        x: numbers in any shape.
    Attributes:
        fn: one of `mean`, `sum`, `max`, `min` and `prod`.
        axes: those that are reduced, in any order; negative ones count from the end.
        keep: leave reduced axes with size 1 rather than drop them.
        to: the type of the result, where that is not the type of `x`: a quantized one, or floats from quantized `x`.
        rounding: how integers change their scale: `half_even`, or `fixed_point` as in TensorFlow Lite.
    Shapes: that of `x`, with reduced axes of size 1 or without them.
    Types: numbers, and truth values for `max` and `min`; the result has the type of `x`, or `to`.
    Semantics: Floats are computed in float64 and rounded once; integers wrap around, and their mean drops what is
        behind the point. `max` and `min` of nothing are errors.
    Example:
        (%x: f32[Nx512x7x7])
        %y = reduce(%x) {fn = mean, axes = [2, 3], keep = false}
    Source: ONNX operator specification, ReduceMean, ReduceSum, ReduceMax, ReduceMin, ReduceProd.
    """

    integer_operands = operand_axes(x=None)

    x: Value
    fn: str = attrs.field(converter=_function_word, kw_only=True)
    axes: tuple[int, ...] = attrs.field(default=(), converter=ints, kw_only=True)
    keep: bool = attrs.field(default=True, converter=boolean, kw_only=True)
    to: ElementType | None = attrs.field(default=None, converter=optional_dtype, kw_only=True)
    rounding: str = attrs.field(default="half_even", converter=scale_rounding, kw_only=True)

    def infer(self) -> TensorType:
        if self.x.type.dtype is DType.STRING or (self.x.type.dtype is DType.BOOL and self.fn not in ("max", "min")):
            raise ShapeError(f"x must hold numbers, got {self.x.type}")
        axes = axes_in(self.axes, self.x.type.rank)
        shape: list[Dimension] = []
        for i, d in enumerate(self.x.type.shape):
            if i not in axes:
                shape.append(d)
            elif self.keep:
                shape.append(1)
        return TensorType(result_dtype(self), shape)

    def refuse_integers(self) -> str | None:
        return None if self.fn == "mean" else f"fn = {self.fn} has no rule for integers"

    def flops(self) -> int:
        return self.x.type.elements

    def reference(self, x: Array) -> Array:
        wide = x.astype(np.float64) if is_floating(x.dtype) else x
        return np.asarray(REDUCTIONS[self.fn](wide, axis=axes_in(self.axes, x.ndim), keepdims=self.keep)).astype(
            x.dtype
        )

    def integer_reference(self, target: Target, x: Stored) -> Array:
        axes = axes_in(self.axes, x.integers.ndim)
        total = np.asarray(x.steps.sum(axis=axes, keepdims=self.keep))
        count = math.prod(x.integers.shape[a] for a in axes)
        return mean_of_integers(target, total, np.array(count), x.grid.scale)
