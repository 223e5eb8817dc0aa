"""Reductions."""

from __future__ import annotations

from plait.frontends.onnx.context import Context
from plait.frontends.onnx.registry import converter
from plait.ir.layers.elementwise import Add, Mul, Sub, Unary
from plait.ir.layers.reduce import Reduce
from plait.ir.values import Value

_FUNCTIONS = {"ReduceMean": "mean", "ReduceSum": "sum", "ReduceMax": "max", "ReduceMin": "min", "ReduceProd": "prod"}


@converter(*_FUNCTIONS)
def reduce(ctx: Context) -> Value:
    return _reduce(ctx, ctx.value(), _FUNCTIONS[ctx.node.op])


@converter("ReduceL1")
def reduce_l1(ctx: Context) -> Value:
    return _reduce(ctx, ctx.emit(Unary(ctx.value(), fn="abs")), "sum")


@converter("ReduceL2")
def reduce_l2(ctx: Context) -> Value:
    return ctx.emit(Unary(_reduce(ctx, ctx.emit(Mul(ctx.value(), ctx.value())), "sum"), fn="sqrt"))


@converter("ReduceSumSquare")
def reduce_sum_square(ctx: Context) -> Value:
    return _reduce(ctx, ctx.emit(Mul(ctx.value(), ctx.value())), "sum")


@converter("ReduceLogSum")
def reduce_log_sum(ctx: Context) -> Value:
    return ctx.emit(Unary(_reduce(ctx, ctx.value(), "sum"), fn="log"))


@converter("ReduceLogSumExp")
def reduce_log_sum_exp(ctx: Context) -> Value:
    """`max + log(sum(exp(x - max)))`, which does not overflow."""
    x, axes = ctx.value(), _axes(ctx)
    if axes is None:
        return x
    top = ctx.emit(Reduce(x, fn="max", axes=axes))
    total = ctx.emit(Reduce(ctx.emit(Unary(ctx.emit(Sub(x, top)), fn="exp")), fn="sum", axes=axes))
    kept = ctx.emit(Add(top, ctx.emit(Unary(total, fn="log"))))
    return kept if ctx.int_attr("keepdims") else ctx.emit(Reduce(kept, fn="sum", axes=axes, keep=False))


def _axes(ctx: Context) -> tuple[int, ...] | None:
    """Axes, an attribute or (opset 13, 18) an operand; () for all, None for none at all."""
    axes = ctx.ints_from("axes", 1, "axes")
    return None if not axes and ctx.int_attr("noop_with_empty_axes", 0) else axes or ()


def _reduce(ctx: Context, x: Value, fn: str) -> Value:
    axes = _axes(ctx)
    return x if axes is None else ctx.emit(Reduce(x, fn=fn, axes=axes, keep=bool(ctx.int_attr("keepdims"))))
