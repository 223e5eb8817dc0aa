"""Convolution."""

from __future__ import annotations

from plait.frontends.onnx.context import Context
from plait.frontends.onnx.operators._windows import from_image, spatial_rank, to_image, window
from plait.frontends.onnx.registry import converter
from plait.frontends.onnx.unsupported import Unsupported
from plait.ir.diagnostics import ShapeError
from plait.ir.layers.conv import Conv2d
from plait.ir.values import Value


@converter("Conv")
def conv(ctx: Context) -> Value:
    return convolution(ctx, ctx.value(0), ctx.value(1), ctx.optional(2))


def convolution(ctx: Context, x: Value, weight: Value, bias: Value | None = None) -> Value:
    """The convolution with the attributes of a node."""
    rank = spatial_rank(x, ctx.node.op)
    if weight.type.rank != x.type.rank:
        raise ShapeError(f"the weight {weight.type} has another number of dimensions than {x.type}")
    if not weight.type.is_static:
        raise Unsupported("a weight with symbolic dimensions; pin them with dims=")
    kernel = weight.type.static_shape[2:]
    if ctx.ints_attr("kernel_shape", kernel) != kernel:
        raise ShapeError(f"kernel_shape is {list(ctx.ints_attr('kernel_shape'))} but the weight is {weight.type}")
    w = window(ctx, x, kernel)
    layer = Conv2d(
        to_image(ctx, x),
        to_image(ctx, weight),
        bias,
        stride=w.stride,
        pad=w.pad,
        dilation=w.dilation,
        groups=ctx.int_attr("group", 1),
    )
    return from_image(ctx, ctx.emit(layer), rank)
