"""Activation functions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from plait.frontends.onnx.context import Context
from plait.frontends.onnx.registry import converter
from plait.frontends.onnx.unsupported import Unsupported
from plait.ir.diagnostics import ShapeError
from plait.ir.layers import activations as act
from plait.ir.layers.elementwise import Add, Div, Maximum, Minimum, Mul, Unary
from plait.ir.types import DType, TensorType
from plait.ir.values import Constant, Value


@converter("Relu")
def relu(ctx: Context) -> Value:
    return ctx.emit(act.Relu(ctx.value()))


@converter("Sigmoid")
def sigmoid(ctx: Context) -> Value:
    return ctx.emit(act.Sigmoid(ctx.value()))


@converter("Tanh")
def tanh(ctx: Context) -> Value:
    return ctx.emit(act.Tanh(ctx.value()))


@converter("LeakyRelu")
def leaky_relu(ctx: Context) -> Value:
    return ctx.emit(act.LeakyRelu(ctx.value(), alpha=ctx.float_attr("alpha")))


@converter("Elu")
def elu(ctx: Context) -> Value:
    return ctx.emit(act.Elu(ctx.value(), alpha=ctx.float_attr("alpha")))


@converter("Selu")
def selu(ctx: Context) -> Value:
    inner = ctx.emit(act.Elu(ctx.value(), alpha=ctx.float_attr("alpha")))
    return ctx.emit(Mul(inner, ctx.like(inner, ctx.float_attr("gamma"))))


@converter("Celu", since=12)
def celu(ctx: Context) -> Value:
    """`alpha * elu(x / alpha)`."""
    x, alpha = ctx.value(), ctx.like(ctx.value(), ctx.float_attr("alpha"))
    return ctx.emit(Mul(ctx.emit(act.Elu(ctx.emit(Div(x, alpha)))), alpha))


@converter("HardSigmoid")
def hard_sigmoid(ctx: Context) -> Value:
    alpha = ctx.float_attr("alpha")
    # A sixth, which no 32-bit number is: as exact as the layer's own arithmetic allows.
    alpha = 1 / 6 if abs(alpha - 1 / 6) < 1e-8 else alpha
    return ctx.emit(act.HardSigmoid(ctx.value(), alpha=alpha, beta=ctx.float_attr("beta")))


@converter("HardSwish", since=14)
def hard_swish(ctx: Context) -> Value:
    return ctx.emit(act.HardSwish(ctx.value()))


@converter("Swish", since=24)
def swish(ctx: Context) -> Value:
    x, alpha = ctx.value(), ctx.float_attr("alpha")
    if alpha == 1:
        return ctx.emit(act.Silu(x))
    return ctx.emit(Mul(x, ctx.emit(act.Sigmoid(ctx.emit(Mul(x, ctx.like(x, alpha)))))))


@converter("Gelu", since=20)
def gelu(ctx: Context) -> Value:
    x = ctx.value()
    approximate = ctx.text_attr("approximate")
    if approximate == "none":
        return ctx.emit(act.Gelu(x))
    if approximate != "tanh":
        raise ShapeError(f"unknown approximation {approximate!r}")
    # x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))
    cube = ctx.emit(Mul(ctx.emit(Mul(ctx.emit(Mul(x, x)), x)), ctx.like(x, 0.044715)))
    inner = ctx.emit(Mul(ctx.emit(Add(x, cube)), ctx.like(x, math.sqrt(2 / math.pi))))
    outer = ctx.emit(Add(ctx.emit(act.Tanh(inner)), ctx.like(x, 1.0)))
    return ctx.emit(Mul(ctx.emit(Mul(x, ctx.like(x, 0.5))), outer))


@converter("Gelu", domain="com.microsoft")
def gelu_microsoft(ctx: Context) -> Value:
    return ctx.emit(act.Gelu(ctx.value()))


@converter("Softplus")
def softplus(ctx: Context) -> Value:
    """`max(x, 0) + log(1 + exp(-|x|))`, which does not overflow."""
    x = ctx.value()
    small = ctx.emit(Unary(ctx.emit(Unary(ctx.emit(Unary(x, fn="abs")), fn="neg")), fn="exp"))
    rest = ctx.emit(Unary(ctx.emit(Add(small, ctx.like(x, 1.0))), fn="log"))
    return ctx.emit(Add(ctx.emit(act.Relu(x)), rest))


@converter("Softsign")
def softsign(ctx: Context) -> Value:
    x = ctx.value()
    return ctx.emit(Div(x, ctx.emit(Add(ctx.emit(Unary(x, fn="abs")), ctx.like(x, 1.0)))))


@converter("PRelu")
def prelu(ctx: Context) -> Value:
    """`max(x, 0) + slope * min(x, 0)`; leaky_relu when the slope is one number."""
    x, slope = ctx.value(0), ctx.value(1)
    if (
        isinstance(slope, Constant)
        and slope.type.elements == 1
        and slope.type.rank <= x.type.rank
        and x.type.dtype.is_float
    ):
        return ctx.emit(act.LeakyRelu(x, alpha=ctx.number(1, "slope") or 0.0))
    if ctx.opset < 7 and slope.type.rank == 1 and x.type.rank > 2:
        # Broadcasting was not yet NumPy's: the slopes are those of the channels.
        slope = ctx.reshape(slope, (*slope.type.shape, *[1] * (x.type.rank - 2)))
    negative = ctx.emit(Mul(slope, ctx.emit(Minimum(x, ctx.like(x, 0)))))
    return ctx.emit(Add(ctx.emit(Maximum(x, ctx.like(x, 0))), negative))


@converter("Clip", until=10)
def clip_by_attributes(ctx: Context) -> Value:
    low, high = ctx.float_attr("min", -math.inf), ctx.float_attr("max", math.inf)
    limit = 3.4028234e38  # what opset 6 gives as default; no limit at all
    return _clip(ctx, low if low > -limit else -math.inf, high if high < limit else math.inf)


@converter("Clip", since=11)
def clip(ctx: Context) -> Value:
    bounds = (ctx.optional(1), ctx.optional(2))
    exact = ctx.value().type.dtype.is_float
    if exact and all(b is None or (isinstance(b, Constant) and b.type.elements == 1) for b in bounds):
        low, high = ctx.number(1, "min"), ctx.number(2, "max")
        return _clip(ctx, -math.inf if low is None else low, math.inf if high is None else high)
    result = ctx.value()
    if bounds[0] is not None:
        result = ctx.emit(Maximum(result, bounds[0]))
    if bounds[1] is not None:
        result = ctx.emit(Minimum(result, bounds[1]))
    return result


def _clip(ctx: Context, low: float, high: float) -> Value:
    x = ctx.value()
    if (low, high) == (-math.inf, math.inf):
        return x
    return ctx.emit(act.Relu(x) if (low, high) == (0.0, math.inf) else act.Clip(x, low=low, high=high))


@converter("Dropout")
def dropout(ctx: Context) -> Sequence[Value]:
    """Nothing at inference; the mask, output 1, is true everywhere."""
    training = ctx.optional(2)
    if training is not None and not (isinstance(training, Constant) and not training.data.any()):
        raise Unsupported("Dropout in training mode")
    x = ctx.value()
    if not ctx.wants(1):
        return [x]
    if not x.type.is_static:
        raise Unsupported("a mask with symbolic dimensions; pin them with dims=")
    # The mask has been boolean since opset 10.
    type = TensorType(DType.BOOL if ctx.opset >= 10 else x.type.dtype, x.type.shape)
    return [x, ctx.lazy(type, lambda: np.ones(type.static_shape, type.dtype.numpy))]
