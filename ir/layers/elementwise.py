"""Element-wise arithmetic with NumPy broadcasting, unary functions, and casts."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import attrs
import numpy as np

from plait.ir.activation import NONE, Activation, activation
from plait.ir.attributes import boolean, optional_dtype, scale_rounding
from plait.ir.attributes import dtype as dtype_converter
from plait.ir.casting import ROUNDINGS, can_cast, cast_array
from plait.ir.diagnostics import ShapeError, unknown
from plait.ir.dtypes import DType, ElementType, Quantized, is_floating
from plait.ir.fixed_point import multiply_by_quantized
from plait.ir.integer import Stored, Target
from plait.ir.layer import Elements, Layer, operand_axes
from plait.ir.layers._rules import broadcast, check_rounding, result_dtype
from plait.ir.registry import layer
from plait.ir.types import TensorType
from plait.ir.values import Array, Value


@attrs.define(eq=False)
class Binary(Layer):
    """An element-wise function of two operands of one type, broadcast, then an activation.

    Operands:
        a: numbers in any shape.
        b: of the same type, in a shape that broadcasts with that of `a`.
    Attributes:
        act: what is applied to each number of the result.
        to: the type of the result, where that is not the type of `a`: a quantized one, or floats from quantized `a`.
    Shapes: those of `a` and `b`, broadcast: they are aligned at their last dimensions, missing ones count as 1, and
        where two differ one of them must be 1 and gives way to the other. A symbol equals only itself.
    Types: numbers of one type, which the result has, or quantized ones.
    Semantics: Computed in that type: floats round to nearest, integers wrap around.
    Example:
        (%a: f32[1x8x4x4], %b: f32[8x1x1])
        %y = op(%a, %b)
    """

    elements = Elements.NUMBERS
    one_type = True

    function: ClassVar[Callable[..., Any]]

    a: Value
    b: Value
    act: Activation = attrs.field(default=NONE, converter=activation, kw_only=True)
    to: ElementType | None = attrs.field(default=None, converter=optional_dtype, kw_only=True)

    def infer(self) -> TensorType:
        return TensorType(result_dtype(self), broadcast([self.a.type.shape, self.b.type.shape]))

    def flops(self) -> int:
        return self.result.type.elements

    def reference(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            return self.act(type(self).function(a, b).astype(a.dtype))


def _sum(target: Target, a: Stored, b: Stored, function: Callable[..., Any]) -> Array:
    """The sum or the difference of quantized numbers; in fixed point both are brought to 2^-20 (of 16 bits 2^-15) of
    twice the greater of their scales."""
    if not target.fixed_point:
        return target.store(function(*(target.rescaled(x.steps, x.grid.scale) for x in (a, b))))
    shared = 2 * np.maximum(a.grid.scale, b.grid.scale)
    bits = 20 if max(a.grid.storage.bits, b.grid.storage.bits) <= 8 else 15
    total = function(*(multiply_by_quantized(x.steps << bits, x.grid.scale / shared) for x in (a, b)))
    return target.store(target.rescaled(total, shared / (1 << bits)))


@layer("add")
@attrs.define(eq=False)
class Add(Binary):
    """`act(a + b)`.

    Attributes:
        rounding: how integers change their scale: `half_even`, or `fixed_point` as in TensorFlow Lite.
    Example:
        (%a: f32[1x8x4x4], %b: f32[8x1x1])
        %y = add(%a, %b) {act = relu}
    Source: ONNX operator specification, Add.
    """

    integer_operands = operand_axes(a=None, b=None)
    function = np.add

    rounding: str = attrs.field(default="half_even", converter=scale_rounding, kw_only=True)

    def integer_reference(self, target: Target, a: Stored, b: Stored) -> Array:
        return _sum(target, a, b, np.add)


@layer("sub")
@attrs.define(eq=False)
class Sub(Binary):
    """`act(a - b)`.

    Attributes:
        rounding: how integers change their scale: `half_even`, or `fixed_point` as in TensorFlow Lite.
    Source: ONNX operator specification, Sub.
    """

    integer_operands = operand_axes(a=None, b=None)
    function = np.subtract

    rounding: str = attrs.field(default="half_even", converter=scale_rounding, kw_only=True)

    def integer_reference(self, target: Target, a: Stored, b: Stored) -> Array:
        return _sum(target, a, b, np.subtract)


@layer("mul")
@attrs.define(eq=False)
class Mul(Binary):
    """`act(a * b)`.

    Attributes:
        rounding: how integers change their scale: `half_even`, or `fixed_point` as in TensorFlow Lite.
    Source: ONNX operator specification, Mul.
    """

    integer_operands = operand_axes(a=None, b=None)
    function = np.multiply

    rounding: str = attrs.field(default="half_even", converter=scale_rounding, kw_only=True)

    def integer_reference(self, target: Target, a: Stored, b: Stored) -> Array:
        return target.store(target.rescaled(a.steps * b.steps, a.grid.scale * b.grid.scale))


def _divide(a: Array, b: Array) -> Array:
    if is_floating(a.dtype) or a.dtype.kind == "c":
        return np.divide(a, b)
    # Integer division truncates towards zero, as in C and ONNX.
    quotient: Array = np.trunc(np.divide(a, b, dtype=np.float64))
    return quotient


@layer("div")
@attrs.define(eq=False)
class Div(Binary):
    """`act(a / b)`; integers truncate towards zero.

    Semantics: Floats round to nearest, and division by 0 gives infinity or NaN. Of integers it is undefined.
    Source: ONNX operator specification, Div.
    """

    function = _divide


@layer("minimum")
@attrs.define(eq=False)
class Minimum(Binary):
    """`act(min(a, b))`.

    Semantics: NaN if either operand is NaN.
    Source: ONNX operator specification, Min.
    """

    function = np.minimum


@layer("maximum")
@attrs.define(eq=False)
class Maximum(Binary):
    """`act(max(a, b))`.

    Semantics: NaN if either operand is NaN.
    Source: ONNX operator specification, Max.
    """

    function = np.maximum


@layer("pow")
@attrs.define(eq=False)
class Pow(Binary):
    """`act(a ** b)`.

    Semantics: A negative number to a fractional power is NaN. Integers take no negative exponents.
    Source: ONNX operator specification, Pow.
    """

    function = np.power


UNARY: dict[str, Callable[[Array], Array]] = {
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "abs": np.abs,
    "neg": np.negative,
    "floor": np.floor,
    "ceil": np.ceil,
    "round": np.rint,
    "reciprocal": np.reciprocal,
    "erf": lambda x: np.asarray(np.frompyfunc(math.erf, 1, 1)(x), np.float64),
}
"""Function word -> NumPy semantics (on float64 for floating operands)."""


def _function_word(value: str) -> str:
    if value not in UNARY:
        raise ValueError(unknown("function", value, UNARY))
    return value


@layer("unary")
@attrs.define(eq=False)
class Unary(Layer):
    """An element-wise mathematical function: `unary(%x) {fn = exp}`.

    Operands:
        x: numbers in any shape.
    Attributes:
        fn: one of `exp`, `log`, `sqrt`, `abs`, `neg`, `floor`, `ceil`, `round` (ties to even), `reciprocal` and
            `erf`.
        to: the type of the result, where that is not the type of `x`: a quantized one, or floats from quantized `x`.
    Shapes: any; the result has the shape of `x`.
    Types: numbers; the result has the type of `x`, or `to`.
    Semantics: Of floats computed in float64 and rounded once; of integers what is behind the point is dropped. NaN
        outside of the function's domain.
    Example:
        (%x: f32[Nx16])
        %y = unary(%x) {fn = exp}
    Source: ONNX operator specification, Exp, Log, Sqrt, Abs, Neg, Floor, Ceil, Round, Reciprocal, Erf.
    """

    elements = Elements.NUMBERS

    x: Value
    fn: str = attrs.field(converter=_function_word, kw_only=True)
    to: ElementType | None = attrs.field(default=None, converter=optional_dtype, kw_only=True)

    def infer(self) -> TensorType:
        return TensorType(result_dtype(self), self.x.type.shape)

    def flops(self) -> int:
        return self.x.type.elements

    def reference(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return UNARY[self.fn](x.astype(np.float64) if is_floating(x.dtype) else x).astype(x.dtype)


_CAST_ROUNDINGS = (*ROUNDINGS, "fixed_point")


def _rounding(value: str) -> str:
    if value not in _CAST_ROUNDINGS:
        raise ValueError(unknown("rounding", value, _CAST_ROUNDINGS))
    return value


@layer("cast")
@attrs.define(eq=False)
class Cast(Layer):
    """Change of element type; floats to integers truncate towards zero.

    Operands:
        x: elements of any type.
    Attributes:
        to: the type of the result.
        saturate: numbers beyond the range of an 8-bit float become its greatest rather than infinity or NaN.
        rounding: `up`, `down` or `nearest`: between powers of two, for `f8e8m0`. `fixed_point`: how quantized numbers
            change their scale, as in TensorFlow Lite.
        explicit: numbers become quantized ones here and nowhere else, since precisions were chosen: what computes `x`
            is not made to compute on integers.
    Shapes: any; the result has the shape of `x`.
    Types: any to any, except that complex numbers become complex numbers only, and quantized ones floats or quantized.
    Semantics: Floats round to nearest, ties to even. Integers to narrower ones keep their low bits; anything but 0 is
        true. Floats beyond the range of an integer are undefined. To and from quantized types numbers are rounded to
        the nearest that elements stand for. Strings must be numbers.
    Example:
        (%x: f32[2x3])
        %y = cast(%x) {to = i8}
    Source: ONNX operator specification, Cast; QuantizeLinear and DequantizeLinear for quantized types.
    """

    integer_operands = operand_axes(x=None)
    remarks = frozenset({"explicit"})

    x: Value
    to: ElementType = attrs.field(converter=dtype_converter, kw_only=True)
    saturate: bool = attrs.field(default=True, converter=boolean, kw_only=True)
    rounding: str = attrs.field(default="up", converter=_rounding, kw_only=True)
    explicit: bool = attrs.field(default=False, converter=boolean, kw_only=True)

    def infer(self) -> TensorType:
        source = self.x.type.dtype
        for one, other in ((source, self.to), (self.to, source)):
            if isinstance(one, Quantized) and not (other.is_float or isinstance(other, Quantized)):
                raise ShapeError(f"cast converts {one} from and to floating-point numbers, not {other}")
        if isinstance(source, DType) and isinstance(self.to, DType) and not can_cast(source, self.to):
            raise ShapeError(f"{source} cannot be cast to {self.to}: complex numbers stay complex")
        check_rounding(self, self.to)
        return TensorType(self.to, self.x.type.shape)

    def reference(self, x: Array) -> Array:
        if isinstance(self.to, Quantized):
            return x  # the numbers that its elements shall stand for
        return cast_array(x, self.to, saturate=self.saturate, rounding=self.rounding)

    def integer_reference(self, target: Target, x: Stored) -> Array:
        return target.requantized(x)


@layer("adapt")
@attrs.define(eq=False)
class Adapt(Layer):
    """The same tensor in another format, which is that of its result type. Inserted by selection; has routines and a
    cost as any layer.

    Operands:
        x: elements of any type.
    Shapes: any; the result has the shape of `x`.
    Types: any; the result has the type of `x`. Layout, split and device are those that the type of the result
        states.
    Example:
        (%x: f32[1x32x8x8] nchw)
        %y = adapt(%x) : f32[1x32x8x8] nchw16c
    Source: Plait: what an edge between two routines of different formats costs, see design/selection.md.
    """

    x: Value

    def infer(self) -> TensorType:
        return TensorType(self.x.type.dtype, self.x.type.shape)

    def reference(self, x: Array) -> Array:
        return x
