"""Operators on quantized tensors that ONNX and ONNX Runtime define as such.

Each is what it stands for: the numbers of its operands, the operator on numbers, its result as integers again. The pass
form-integer-layers makes one integer layer of that.
"""

from __future__ import annotations

import numpy as np

from plait.frontends.onnx.context import Context
from plait.frontends.onnx.operators._integer_sums import integer_sums
from plait.frontends.onnx.operators._quantized import dequantized, operand, requantized, storage_of
from plait.frontends.onnx.operators.conv import convolution
from plait.frontends.onnx.operators.linear import affine, matrix_product
from plait.frontends.onnx.operators.pool import mean_pool
from plait.frontends.onnx.registry import converter
from plait.frontends.onnx.unsupported import Unsupported
from plait.ir.diagnostics import ShapeError
from plait.ir.dtypes import DType
from plait.ir.layers._rules import axis_in
from plait.ir.layers.activations import LeakyRelu, Sigmoid
from plait.ir.layers.elementwise import Add, Cast, Mul, Sub
from plait.ir.layers.normalization import Softmax
from plait.ir.layers.pool import GlobalAvgPool
from plait.ir.layers.shape import Concat
from plait.ir.values import Constant, Value

MICROSOFT = "com.microsoft"


@converter("QLinearConv", since=10)
@converter("QLinearConv", domain=MICROSOFT)
def qlinear_conv(ctx: Context) -> Value:
    _check_channels_first(ctx)
    bias = _bias(ctx, 8, ctx.value(1), ctx.value(4))
    return requantized(ctx, convolution(ctx, operand(ctx, 0), operand(ctx, 3, 0), bias), 6)


@converter("QLinearMatMul", since=10)
def qlinear_matmul(ctx: Context) -> Value:
    return requantized(ctx, matrix_product(ctx, operand(ctx, 0, -2), operand(ctx, 3, -1)), 6)


@converter("QGemm", domain=MICROSOFT)
def qgemm(ctx: Context) -> Value:
    """`alpha * A' B' + C`, where C has the scale of the product."""
    bias = _bias(ctx, 6, ctx.value(1), ctx.value(4), ctx.float_attr("alpha", 1.0))
    columns = 0 if ctx.int_attr("transB", 0) else 1
    y = affine(ctx, operand(ctx, 0), operand(ctx, 3, columns), bias)
    return y if ctx.optional(7) is None else requantized(ctx, y, 7)


@converter("QLinearAdd", "QLinearMul", domain=MICROSOFT)
def qlinear_binary(ctx: Context) -> Value:
    kind = Add if ctx.node.op == "QLinearAdd" else Mul
    return requantized(ctx, ctx.emit(kind(operand(ctx, 0), operand(ctx, 3))), 6)


@converter("QLinearAveragePool", domain=MICROSOFT)
def qlinear_average_pool(ctx: Context) -> Value:
    _check_channels_first(ctx)
    return requantized(ctx, mean_pool(ctx, operand(ctx, 0)), 3)


@converter("QLinearGlobalAveragePool", domain=MICROSOFT)
def qlinear_global_average_pool(ctx: Context) -> Value:
    _check_channels_first(ctx)
    return requantized(ctx, ctx.emit(GlobalAvgPool(operand(ctx, 0))), 3)


@converter("QLinearConcat", domain=MICROSOFT)
def qlinear_concat(ctx: Context) -> Value:
    xs = tuple(operand(ctx, i) for i in range(2, len(ctx.operands), 3))
    return requantized(ctx, ctx.emit(Concat(xs, axis=ctx.int_attr("axis"))), 0)


@converter("QLinearSigmoid", domain=MICROSOFT)
def qlinear_sigmoid(ctx: Context) -> Value:
    return requantized(ctx, ctx.emit(Sigmoid(operand(ctx, 0))), 3)


@converter("QLinearLeakyRelu", domain=MICROSOFT)
def qlinear_leaky_relu(ctx: Context) -> Value:
    return requantized(ctx, ctx.emit(LeakyRelu(operand(ctx, 0), alpha=ctx.float_attr("alpha", 0.01))), 3)


@converter("QLinearSoftmax", domain=MICROSOFT)
def qlinear_softmax(ctx: Context) -> Value:
    x = operand(ctx, 0)
    axis = axis_in(ctx.int_attr("axis", -1), x.type.rank)
    if ctx.int_attr("opset", 13) < 13 and axis != x.type.rank - 1:
        raise Unsupported("QLinearSoftmax over several axes")
    return requantized(ctx, ctx.emit(Softmax(x, axis=axis)), 3)


@converter("ConvInteger", since=10)
def conv_integer(ctx: Context) -> Value:
    y = convolution(ctx, _offset(ctx, 0, 2), _offset(ctx, 1, 3, 0))
    return ctx.emit(Cast(y, to=DType.I32))


@converter("MatMulInteger", since=10)
def matmul_integer(ctx: Context) -> Value:
    if (sums := integer_sums(ctx)) is not None:
        return sums
    y = matrix_product(ctx, _offset(ctx, 0, 2, -2), _offset(ctx, 1, 3, -1))
    return ctx.emit(Cast(y, to=DType.I32))


def _offset(ctx: Context, i: int, zero: int, axis: int | None = None) -> Value:
    """Operand `i` less its zero point, operand `zero`, in float64, whose sums of products are exact."""
    x = ctx.emit(Cast(ctx.value(i), to=DType.F64))
    if (point := ctx.optional(zero)) is None:
        return x
    offset = ctx.emit(Cast(point, to=DType.F64))
    if point.type.rank == 1 and point.type.shape != (1,):
        if axis is None:
            raise Unsupported(f"several zero points for input {i}")
        offset = ctx.reshape(offset, (*point.type.shape, *[1] * (x.type.rank - 1 - axis_in(axis, x.type.rank))))
    return ctx.emit(Sub(x, ctx.reshape(offset, ()) if point.type.shape == (1,) else offset))


def _bias(ctx: Context, i: int, x_scale: Value, w_scale: Value, alpha: float = 1.0) -> Value | None:
    """The numbers of the 32-bit bias in operand `i`, whose scale is the product of two others."""
    bias = ctx.stored(i)
    if bias is None:
        return None
    if not isinstance(x_scale, Constant) or not isinstance(w_scale, Constant):
        raise Unsupported("scales must be constants; they are computed at run time")
    if storage_of(bias) is not DType.I32 or bias.type.rank != 1:
        raise ShapeError(f"the bias must be a vector of i32, got {bias.type}")
    product = x_scale.data.astype(np.float64) * w_scale.data.astype(np.float64) * alpha
    return dequantized(ctx, bias, ctx.constant(product.astype(np.float32), "bias_scale"), None, 0)


def _check_channels_first(ctx: Context) -> None:
    if ctx.int_attr("channels_last", 0):
        raise Unsupported(f"{ctx.node.op} of images with channels last")
