"""From numbers to integers that stand for them, and back.

A quantized tensor of ONNX is a tensor of integers; scale and zero point stand at the nodes that read or make it. Here
they are part of the element type.
"""

from __future__ import annotations

from collections.abc import Sequence

from plait.frontends.onnx.context import Context
from plait.frontends.onnx.operators._quantized import (
    dequantized,
    known,
    quantize_at_run_time,
    quantized_type,
    storage_of,
)
from plait.frontends.onnx.registry import converter
from plait.frontends.onnx.tensors import dtype_of
from plait.frontends.onnx.unsupported import Unsupported
from plait.ir.diagnostics import ShapeError
from plait.ir.dtypes import DType, Quantized
from plait.ir.layers._rules import axis_in
from plait.ir.layers.activations import Clip
from plait.ir.layers.elementwise import Cast, Div, Maximum, Minimum, Sub, Unary
from plait.ir.layers.reduce import Reduce
from plait.ir.values import Value


@converter("QuantizeLinear", since=10)
@converter("QuantizeLinear", domain="com.microsoft")
def quantize_linear(ctx: Context) -> Value:
    x, scale, zero = ctx.value(0), ctx.value(1), ctx.optional(2)
    storage = _target(ctx, zero)
    _check_storage(storage)
    x = x if x.type.dtype.is_float else ctx.emit(Cast(x, to=DType.F32))
    axis, block = _axis(ctx, x, scale)
    if not block and not known(scale, zero):
        return quantize_at_run_time(ctx, x, scale, zero, storage, axis)
    return ctx.emit(Cast(x, to=quantized_type(ctx, storage, scale, zero, axis, block)))


@converter("DequantizeLinear", since=10)
@converter("DequantizeLinear", domain="com.microsoft")
def dequantize_linear(ctx: Context) -> Value:
    x, scale, zero = ctx.stored(0), ctx.value(1), ctx.optional(2)
    if x is None:
        raise ShapeError("input 0 is missing")
    _check_storage(storage_of(x))
    code = ctx.int_attr("output_dtype", 0)
    to = dtype_of(code) if code else scale.type.dtype.storage
    axis, block = _axis(ctx, x, scale)
    if block:
        dtype = quantized_type(ctx, storage_of(x), scale, zero, axis, block)
        return ctx.emit(Cast(ctx.retyped(x, dtype), to=to))
    return dequantized(ctx, x, scale, zero, axis, to)


@converter("DynamicQuantizeLinear", since=11)
def dynamic_quantize_linear(ctx: Context) -> Sequence[Value]:
    """Bytes with the scale that the least and greatest element ask for, 0 included."""
    x = ctx.value()
    zero = ctx.like(x, 0.0)
    low = ctx.emit(Minimum(ctx.emit(Reduce(x, fn="min", keep=False)), zero))
    high = ctx.emit(Maximum(ctx.emit(Reduce(x, fn="max", keep=False)), zero))
    scale = ctx.emit(Div(ctx.emit(Sub(high, low)), ctx.like(x, 255.0)))
    start = ctx.emit(Unary(ctx.emit(Div(low, scale)), fn="neg"))
    point = ctx.emit(Cast(ctx.emit(Clip(ctx.emit(Unary(start, fn="round")), low=0.0, high=255.0)), to=DType.U8))
    return [quantize_at_run_time(ctx, x, scale, point, DType.U8), scale, point]


def _target(ctx: Context, zero: Value | None) -> DType:
    """How QuantizeLinear stores its result."""
    if zero is not None:
        return storage_of(zero)
    code = ctx.int_attr("output_dtype", 0)
    return dtype_of(code) if code else DType.U8


def _check_storage(storage: DType) -> None:
    if not storage.is_integer:
        raise Unsupported(f"quantized elements stored as {storage}")
    try:
        Quantized(storage, 1.0)
    except ValueError as error:
        raise Unsupported(str(error)) from None


def _axis(ctx: Context, x: Value, scale: Value) -> tuple[int | None, int]:
    """The axis along which scales differ, None for one scale; and the size of blocks, 0 for none."""
    if scale.type.elements == 1:
        return None, 0
    return axis_in(ctx.int_attr("axis", 1), x.type.rank), ctx.int_attr("block_size", 0)
