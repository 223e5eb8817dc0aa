"""What operators on quantized tensors share: element types from operands that hold scales and zero points."""

from __future__ import annotations

import numpy as np

from plait.frontends.onnx.context import Context, short
from plait.frontends.onnx.unsupported import Unsupported
from plait.ir.diagnostics import ShapeError
from plait.ir.dtypes import ConstantName, DType, ElementType, Quantized
from plait.ir.layers._rules import axis_in
from plait.ir.layers.activations import Clip
from plait.ir.layers.elementwise import Add, Cast, Div, Mul, Sub, Unary
from plait.ir.types import TensorType
from plait.ir.values import Constant, Value


def quantized_type(
    ctx: Context, storage: ElementType, scale: Value, zero: Value | None, axis: int | None = None, block: int = 0
) -> Quantized:
    """The element type of integers with these scales and zero points, which must be constants.

    Args:
        ctx: the node.
        storage: how elements are stored.
        scale: one number, or several along `axis`.
        zero: integers likewise; None for 0.
        axis: the axis along which scales differ, counted from the front; not used for one scale.
        block: number of neighbours along `axis` that share a scale; 0 for none.

    Raises:
        Unsupported: parameters are computed at run time, or elements are stored as floats.
    """
    if not isinstance(storage, DType) or not storage.is_integer:
        raise Unsupported(f"quantized elements stored as {storage}")
    if not isinstance(scale, Constant) or not (zero is None or isinstance(zero, Constant)):
        raise Unsupported("scale and zero point must be constants; they are computed at run time")
    if scale.type.elements == 1 and (zero is None or zero.type.elements == 1):
        number = short(float(scale.data.reshape(()).astype(np.float32)))
        return Quantized(storage, number, 0 if zero is None else int(zero.data.reshape(())))
    if axis is None:
        raise ShapeError("there are several scales, but no axis")
    zeros: int | ConstantName = 0
    if zero is not None and zero.data.astype(np.int64).any():
        zeros = ctx.parameter(zero)
    return Quantized(storage, ctx.parameter(scale), zeros, axis, block)


def storage_of(value: Value) -> DType:
    """How the elements of a value are stored: quantized ones as integers, others as they are."""
    return value.type.dtype.storage


def dequantized(
    ctx: Context, value: Value, scale: Value, zero: Value | None, axis: int | None = None, to: DType = DType.F32
) -> Value:
    """The numbers that stored integers stand for; see `quantized_type` for the arguments."""
    if not known(scale, zero):
        return _dequantize_at_run_time(ctx, ctx.retyped(value, storage_of(value)), scale, zero, axis, to)
    dtype = quantized_type(ctx, storage_of(value), scale, zero, axis)
    return ctx.emit(Cast(ctx.retyped(value, dtype), to=to))


def operand(ctx: Context, i: int, axis: int | None = None) -> Value:
    """The numbers of operand `i`, which is followed by its scale and zero point, as in all linear operators.

    `axis` counts from either end.
    """
    value = ctx.stored(i)
    if value is None:
        raise ShapeError(f"input {i} is missing")
    axis = None if axis is None else axis_in(axis, value.type.rank)
    return dequantized(ctx, value, ctx.value(i + 1), ctx.optional(i + 2), axis)


def requantized(ctx: Context, y: Value, i: int) -> Value:
    """Numbers as integers with the scale and zero point in operands `i` and `i + 1`."""
    zero = ctx.optional(i + 1)
    storage = DType.U8 if zero is None else storage_of(zero)
    if not known(ctx.value(i), zero):
        return quantize_at_run_time(ctx, y, ctx.value(i), zero, storage)
    return ctx.emit(Cast(y, to=quantized_type(ctx, storage, ctx.value(i), zero)))


def known(scale: Value, zero: Value | None) -> bool:
    """Whether scale and zero point are constants, so that they can be part of a type."""
    return isinstance(scale, Constant) and (zero is None or isinstance(zero, Constant))


def quantize_at_run_time(
    ctx: Context, x: Value, scale: Value, zero: Value | None, storage: DType, axis: int | None = None
) -> Value:
    """`clip(round(x / scale) + zero)` by general arithmetic, as plain integers."""
    low, high = storage.integer_range
    steps = ctx.emit(Unary(ctx.emit(Div(x, _spread(ctx, x, scale, axis, x.type.dtype))), fn="round"))
    if zero is not None:
        steps = ctx.emit(Add(steps, _spread(ctx, x, zero, axis, x.type.dtype)))
    return ctx.emit(Cast(ctx.emit(Clip(steps, low=float(low), high=float(high))), to=storage))


def _dequantize_at_run_time(
    ctx: Context, x: Value, scale: Value, zero: Value | None, axis: int | None, to: DType
) -> Value:
    """`(x - zero) * scale` by general arithmetic."""
    steps = ctx.emit(Cast(x, to=DType.F32))
    if zero is not None:
        steps = ctx.emit(Sub(steps, _spread(ctx, x, zero, axis, DType.F32)))
    product = ctx.emit(Mul(steps, _spread(ctx, x, scale, axis, DType.F32)))
    return product if to is DType.F32 else ctx.emit(Cast(product, to=to))


def _spread(ctx: Context, x: Value, parameter: Value, axis: int | None, dtype: ElementType) -> Value:
    """Scales or zero points that are known at run time only, as numbers in a shape that broadcasts with elements."""
    numbers = parameter if parameter.type.dtype == dtype else ctx.emit(Cast(parameter, to=dtype))
    if parameter.type.elements == 1:
        return ctx.reshape(numbers, ())
    if axis is None:
        raise ShapeError("there are several scales, but no axis")
    return ctx.reshape(numbers, (*parameter.type.shape, *[1] * (x.type.rank - 1 - axis)))


def weight_of(value: Value) -> Constant | None:
    """The constant behind a weight: itself, or that of which it is the numbers."""
    source = value.owner.x if isinstance(value.owner, Cast) else value
    return source if isinstance(source, Constant) else None


def transposed_weight(ctx: Context, value: Value, perm: tuple[int, ...]) -> Value | None:
    """The numbers of a quantized constant with its axes permuted; None if `value` is none such."""
    constant = weight_of(value)
    if constant is None or constant is value or not isinstance(constant.type, TensorType):
        return None
    dtype = constant.type.dtype
    assert isinstance(dtype, Quantized)
    if dtype.block:
        return None
    axis = None if dtype.axis is None else perm.index(dtype.axis)
    moved = ctx.constant(constant.data.transpose(perm), "weight")
    moved.name = constant.name
    turned = Quantized(dtype.storage, dtype.scale, dtype.zero, axis)
    return ctx.emit(Cast(ctx.retyped(moved, turned), to=DType.F32))
