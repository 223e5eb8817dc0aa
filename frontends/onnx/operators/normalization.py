"""Normalisation and softmax."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from plait.frontends.onnx.context import Context
from plait.frontends.onnx.registry import converter
from plait.frontends.onnx.unsupported import Unsupported
from plait.ir.diagnostics import ShapeError
from plait.ir.layers._rules import axis_in
from plait.ir.layers.elementwise import Add, Mul, Sub, Unary
from plait.ir.layers.normalization import BatchNorm, LayerNorm, LocalResponseNorm, ScaleShift, Softmax
from plait.ir.layers.reduce import Reduce
from plait.ir.layers.shape import Reshape
from plait.ir.values import Value


@converter("BatchNormalization")
def batch_norm(ctx: Context) -> Value:
    # Opsets 1 to 6 have `is_test`, 0 by default, also in files for inference. It matters only together with
    # further outputs, which the importer refuses when they are read.
    if ctx.int_attr("training_mode", 0):
        raise Unsupported("training_mode = 1")
    if not ctx.int_attr("spatial", 1):
        raise Unsupported("spatial = 0")
    x, scale, bias, mean, variance = (ctx.value(i) for i in range(5))
    return ctx.emit(BatchNorm(x, scale, bias, mean, variance, epsilon=ctx.float_attr("epsilon")))


@converter("LayerNormalization", since=17)
def layer_norm(ctx: Context) -> Sequence[Value]:
    x, scale = ctx.value(0), ctx.value(1)
    axis, epsilon = axis_in(ctx.int_attr("axis"), x.type.rank), ctx.float_attr("epsilon")
    y = ctx.emit(LayerNorm(x, scale, ctx.optional(2), axis=axis - x.type.rank, epsilon=epsilon))
    if not ctx.wants(1) and not ctx.wants(2):
        return [y]
    axes = tuple(range(axis, x.type.rank))
    mean = ctx.emit(Reduce(x, fn="mean", axes=axes))
    centred = ctx.emit(Sub(x, mean))
    variance = ctx.emit(Reduce(ctx.emit(Mul(centred, centred)), fn="mean", axes=axes))
    deviation = ctx.emit(Unary(ctx.emit(Add(variance, ctx.like(x, epsilon))), fn="sqrt"))
    return [y, mean, ctx.emit(Unary(deviation, fn="reciprocal"))]


@converter("LRN")
def local_response_norm(ctx: Context) -> Value:
    x = ctx.value()
    if x.type.rank != 4:
        raise Unsupported(f"LRN of {x.type.rank} dimensions")
    return ctx.emit(
        LocalResponseNorm(
            x,
            size=ctx.int_attr("size"),
            alpha=ctx.float_attr("alpha"),
            beta=ctx.float_attr("beta"),
            k=ctx.float_attr("bias", 1.0),
        )
    )


@converter("Softmax", "LogSoftmax", since=13)
def softmax(ctx: Context) -> Value:
    x = ctx.value()
    return _softmax(ctx, x, axis_in(ctx.int_attr("axis"), x.type.rank))


@converter("Softmax", "LogSoftmax", until=12)
def softmax_of_matrix(ctx: Context) -> Value:
    """Before opset 13 the axes from `axis` on are one: the operand is taken as a matrix."""
    x = ctx.value()
    shape = x.type.shape
    axis = ctx.int_attr("axis", 1)
    if not -x.type.rank <= axis <= x.type.rank:
        raise ShapeError(f"axis {axis} is out of range for {x.type}")
    axis += x.type.rank if axis < 0 else 0
    wide = [i for i in range(axis, x.type.rank) if shape[i] != 1]
    if axis < x.type.rank and len(wide) <= 1:
        return _softmax(ctx, x, wide[0] if wide else axis)
    rows, columns = math.prod(shape[:axis]), math.prod(shape[axis:])
    return ctx.reshape(_softmax(ctx, ctx.reshape(x, (rows, columns)), 1), shape)


def _softmax(ctx: Context, x: Value, axis: int) -> Value:
    if ctx.node.op == "Softmax":
        return ctx.emit(Softmax(x, axis=axis - x.type.rank if axis == x.type.rank - 1 else axis))
    centred = ctx.emit(Sub(x, ctx.emit(Reduce(x, fn="max", axes=(axis,)))))
    total = ctx.emit(Reduce(ctx.emit(Unary(centred, fn="exp")), fn="sum", axes=(axis,)))
    return ctx.emit(Sub(centred, ctx.emit(Unary(total, fn="log"))))


@converter("InstanceNormalization")
def instance_norm(ctx: Context) -> Value:
    """Each channel of each image by its own mean and variance: a layer_norm over space, then scale and shift."""

    x = ctx.value(0)
    if x.type.rank < 3:
        raise ShapeError(f"wants at least 3 dimensions, got {x.type}")
    space = math.prod(x.type.shape[2:])
    if not isinstance(space, int):
        raise Unsupported("symbolic height or width; pin them with dims=")
    flat = ctx.emit(Reshape(x, shape=(0, 0, space)))
    ones = ctx.constant(np.ones(space, dtype=x.type.dtype.numpy), "ones")
    normal = ctx.emit(LayerNorm(flat, ones, epsilon=ctx.float_attr("epsilon")))
    return ctx.emit(ScaleShift(ctx.reshape(normal, x.type.shape), ctx.value(1), ctx.value(2)))
