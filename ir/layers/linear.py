"""Fully connected layers and matrix products."""

from __future__ import annotations

import attrs
import numpy as np

from plait.ir.activation import NONE, Activation, activation
from plait.ir.attributes import optional_dtype, scale_rounding
from plait.ir.diagnostics import ShapeError
from plait.ir.dtypes import ElementType, is_floating
from plait.ir.integer import Slot, Stored, Target, bias_steps
from plait.ir.layer import Elements, Layer, operand_axes
from plait.ir.layers._rules import broadcast, result_dtype, want_matrices, want_rank
from plait.ir.registry import layer
from plait.ir.types import TensorType
from plait.ir.values import Array, Value


@layer("fully_connected")
@attrs.define(eq=False)
class FullyConnected(Layer):
    """`act(x weightᵀ + bias)`: `x` is [..., K], `weight` [O, K], `bias` [O], the result [..., O].

    Operands:
        x: rows of K features.
        weight: a row of K weights for each output.
        bias: a number for each output.
    Attributes:
        act: what is applied to each number of the result.
        to: the type of the result, where that is not the type of `x`: a quantized one, or floats from quantized `x`.
        rounding: how integers change their scale: `half_even`, or `fixed_point` as in TensorFlow Lite.
    Shapes: `x` [..., K] of at least 2 dimensions, `weight` [O, K] and `bias` [O] to [..., O].
    Types: floats of one type, which the result has, or quantized numbers. Of f32 `x` the `weight` may be f16, bf16 or
        quantized: it stands for the same numbers in f32.
    Semantics: Computed in float64 and rounded once.
    Example:
        (%x: f32[Nx64], %w: f32[10x64], %b: f32[10])
        %y = fully_connected(%x, %w, %b)
    Source: ONNX operator specification, Gemm (transB = 1).
    """

    elements = Elements.FLOATS
    one_type = True
    stored_operands = frozenset({"weight"})
    integer_operands = operand_axes(x=None, weight=0)

    x: Value
    weight: Value
    bias: Value | None = None
    act: Activation = attrs.field(default=NONE, converter=activation, kw_only=True)
    to: ElementType | None = attrs.field(default=None, converter=optional_dtype, kw_only=True)
    rounding: str = attrs.field(default="half_even", converter=scale_rounding, kw_only=True)

    def infer(self) -> TensorType:
        *rows, k = want_matrices(self.x, "x")
        o, wk = want_rank(self.weight, 2, "weight")
        if k != wk:
            raise ShapeError(f"x has {k} features but weight takes {wk}")
        if self.bias is not None and self.bias.type.shape != (o,):
            raise ShapeError(f"bias must be [{o}], got {self.bias.type}")
        return TensorType(result_dtype(self), (*rows, o))

    def flops(self) -> int:
        return 2 * self.x.type.elements * self.weight.type.static_shape[0]

    def reference(self, x: Array, weight: Array, bias: Array | None) -> Array:
        y = x.astype(np.float64) @ weight.astype(np.float64).T
        if bias is not None:
            y += bias
        return self.act(y).astype(x.dtype)

    def integer_reference(self, target: Target, x: Stored, weight: Stored, bias: Slot) -> Array:
        channels = weight.grid.scale * x.grid.scale
        sums = exact_product(x.steps, weight.steps.T) + bias_steps(bias, channels)
        return target.store(target.rescaled(sums, channels))


@layer("matmul")
@attrs.define(eq=False)
class Matmul(Layer):
    """Matrix product of the last two dimensions, batched and broadcast over the others.

    Operands:
        a: matrices [..., M, K].
        b: matrices [..., K, N].
    Attributes:
        to: the type of the result, where that is not the type of `a`: a quantized one, or floats from quantized `a`.
        rounding: how integers change their scale: `half_even`, or `fixed_point` as in TensorFlow Lite.
    Shapes: `a` [..., M, K] and `b` [..., K, N] to [..., M, N]. Both have at least 2 dimensions; those before the last
        two broadcast as for `add`.
    Types: numbers of one type, which the result has, or quantized ones.
    Semantics: Floats are computed in float64 and rounded once; integers wrap around.
    Example:
        (%a: f32[8x16x32], %b: f32[32x4])
        %y = matmul(%a, %b)
    Source: ONNX operator specification, MatMul (of operands with at least 2 dimensions).
    """

    elements = Elements.NUMBERS
    one_type = True
    integer_operands = operand_axes(a=None, b=-1)

    a: Value
    b: Value
    to: ElementType | None = attrs.field(default=None, converter=optional_dtype, kw_only=True)
    rounding: str = attrs.field(default="half_even", converter=scale_rounding, kw_only=True)

    def infer(self) -> TensorType:
        a, b = self.a.type.shape, self.b.type.shape
        if len(a) < 2 or len(b) < 2:
            raise ShapeError(f"operands need at least 2 dimensions, got {self.a.type} and {self.b.type}")
        if a[-1] != b[-2]:
            raise ShapeError(f"inner dimensions {a[-1]} and {b[-2]} differ")
        return TensorType(result_dtype(self), (*broadcast([a[:-2], b[:-2]]), a[-2], b[-1]))

    def flops(self) -> int:
        return 2 * self.result.type.elements * self.a.type.static_shape[-1]

    def reference(self, a: Array, b: Array) -> Array:
        exact = not is_floating(a.dtype)
        product: Array = np.matmul(a, b) if exact else np.matmul(a.astype(np.float64), b.astype(np.float64))
        return product.astype(a.dtype)

    def integer_reference(self, target: Target, a: Stored, b: Stored) -> Array:
        return target.store(target.rescaled(exact_product(a.steps, b.steps), a.grid.scale * b.grid.scale))


def exact_product(a: Array, b: Array) -> Array:
    """The matrix product of integers (i64), whose sums are less than 2^53."""
    product: Array = np.matmul(a.astype(np.float64), b.astype(np.float64)).astype(np.int64)
    return product
