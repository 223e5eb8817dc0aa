"""Matrix products."""

from __future__ import annotations

import numpy as np

from plait.frontends.onnx.context import Context
from plait.frontends.onnx.operators._quantized import transposed_weight, weight_of
from plait.frontends.onnx.registry import converter
from plait.ir.diagnostics import ShapeError
from plait.ir.layers.elementwise import Add, Mul
from plait.ir.layers.linear import FullyConnected, Matmul
from plait.ir.layers.shape import Expand, Transpose
from plait.ir.values import Value


@converter("MatMul")
def matmul(ctx: Context) -> Value:
    return matrix_product(ctx, ctx.value(0), ctx.value(1))


def matrix_product(ctx: Context, a: Value, b: Value) -> Value:
    """The product as NumPy forms it."""
    if 0 in (a.type.rank, b.type.rank):
        raise ShapeError("MatMul does not take scalars")
    # A vector is a row on the left and a column on the right; the 1 goes away again.
    left = ctx.reshape(a, (1, *a.type.shape)) if a.type.rank == 1 else a
    right = ctx.reshape(b, (*b.type.shape, 1)) if b.type.rank == 1 else b
    result = ctx.emit(Matmul(left, right))
    shape = list(result.type.shape)
    if b.type.rank == 1:
        del shape[-1]
    if a.type.rank == 1:
        del shape[-1 if b.type.rank == 1 else -2]
    return ctx.reshape(result, shape)


@converter("Gemm")
def gemm(ctx: Context) -> Value:
    """`alpha * A' B' + beta * C`. With a constant B it is a fully_connected layer with alpha and beta folded."""
    return affine(ctx, ctx.value(0), ctx.value(1), ctx.optional(2))


def affine(ctx: Context, a: Value, b: Value, c: Value | None) -> Value:
    """`alpha * A' B' + beta * C` with the attributes of a node."""
    alpha, beta = ctx.float_attr("alpha", 1.0), ctx.float_attr("beta", 1.0)
    trans_b = ctx.int_attr("transB", 0)
    if a.type.rank != 2 or b.type.rank != 2:
        raise ShapeError(f"Gemm wants matrices, got {a.type} and {b.type}")
    if ctx.int_attr("transA", 0):
        a = ctx.emit(Transpose(a, perm=(1, 0)))
    if weight_of(b) is None:
        if trans_b:
            b = ctx.emit(Transpose(b, perm=(1, 0)))
        return _plus(ctx, _times(ctx, ctx.emit(Matmul(a, b)), alpha), c, beta)
    weight = b if trans_b else transposed_weight(ctx, b, (1, 0)) or ctx.emit(Transpose(b, perm=(1, 0)))
    weight = _times(ctx, weight, alpha)
    units = weight.type.static_shape[0]
    if c is not None and _per_unit(c, units) and (weight_of(c) or (c.type.shape == (units,) and beta == 1)):
        bias = ctx.reshape(c, (c.type.elements,)) if c.type.rank != 1 else c
        if bias.type.shape != (units,):
            bias = ctx.emit(Expand(bias, shape=(units,)))
        return ctx.emit(FullyConnected(a, weight, _times(ctx, bias, beta)))
    return _plus(ctx, ctx.emit(FullyConnected(a, weight)), c, beta)


def _per_unit(c: Value, units: int) -> bool:
    """Whether C, broadcast, is the same in every row."""
    return c.type.shape in ((), (1,), (1, 1), (units,), (1, units))


def _times(ctx: Context, value: Value, factor: float) -> Value:
    return (
        value
        if factor == 1
        else ctx.emit(Mul(value, ctx.constant(np.array(factor, dtype=value.type.dtype.numpy), "factor")))
    )


def _plus(ctx: Context, y: Value, c: Value | None, beta: float) -> Value:
    return y if c is None or beta == 0 else ctx.emit(Add(y, _times(ctx, c, beta)))
