"""Pooling."""

from __future__ import annotations

import functools
from collections.abc import Callable

from plait.frontends.onnx.context import Context
from plait.frontends.onnx.operators._windows import from_image, spatial_rank, to_image, window
from plait.frontends.onnx.registry import converter
from plait.ir.diagnostics import ShapeError
from plait.ir.layer import Layer
from plait.ir.layers.pool import AvgPool2d, GlobalAvgPool, MaxPool2d
from plait.ir.layers.reduce import Reduce
from plait.ir.values import Value


@converter("MaxPool")
def max_pool(ctx: Context) -> Value:
    # Output 1, the indices, is refused by the importer if anything reads it.
    return _pool(ctx, ctx.value(), MaxPool2d)


@converter("AveragePool")
def average_pool(ctx: Context) -> Value:
    return mean_pool(ctx, ctx.value())


def mean_pool(ctx: Context, x: Value) -> Value:
    """The mean over windows with the attributes of a node."""
    return _pool(ctx, x, functools.partial(AvgPool2d, count_pad=bool(ctx.int_attr("count_include_pad", 0))))


def _pool(ctx: Context, x: Value, layer: Callable[..., Layer]) -> Value:
    rank = spatial_rank(x, ctx.node.op)
    w = window(ctx, x, ctx.ints_attr("kernel_shape"))
    made = layer(
        to_image(ctx, x),
        kernel=w.kernel,
        stride=w.stride,
        pad=w.pad,
        dilation=w.dilation,
        ceil=bool(ctx.int_attr("ceil_mode", 0)),
    )
    return from_image(ctx, ctx.emit(made), rank)


@converter("GlobalAveragePool")
def global_average_pool(ctx: Context) -> Value:
    x = ctx.value()
    return ctx.emit(GlobalAvgPool(x)) if x.type.rank == 4 else _over_space(ctx, "mean")


@converter("GlobalMaxPool")
def global_max_pool(ctx: Context) -> Value:
    return _over_space(ctx, "max")


def _over_space(ctx: Context, fn: str) -> Value:
    x = ctx.value()
    if x.type.rank < 3:
        raise ShapeError(f"wants at least 3 dimensions, got {x.type}")
    return ctx.emit(Reduce(x, fn=fn, axes=tuple(range(2, x.type.rank))))
