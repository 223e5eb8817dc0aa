"""Spellings of the mean over a whole plane.

reduce(x; mean, [2, 3], keep) = avg_pool2d(x; kernel = [H, W]) = global_avg_pool(x)
reduce(x; mean, [2, 3])       = reshape(global_avg_pool(x); [N, C])
"""

from __future__ import annotations

from plait.ir.layer import Layer
from plait.ir.layers._rules import axes_in
from plait.ir.layers.pool import AvgPool2d, GlobalAvgPool
from plait.ir.layers.reduce import Reduce
from plait.ir.layers.shape import Reshape
from plait.passes.rewriting import Builder, No, rewrite


@rewrite(Reduce)
def mean_of_plane(layer: Reduce, builder: Builder) -> Layer | No:
    """reduce(x; mean, [2, 3]) -> global_avg_pool(x), reshaped to [N, C] without keep"""
    if layer.fn != "mean":
        return No(f"it is the {layer.fn}, not the mean")
    if layer.x.type.rank != 4 or axes_in(layer.axes, 4) != (2, 3):
        return No("the axes are not height and width of an image")
    if not layer.x.type.dtype.is_float:
        return No("not floating-point")
    if layer.keep:
        return GlobalAvgPool(layer.x)
    return Reshape(builder.layer(GlobalAvgPool(layer.x), f"{layer.result.name}.pool"), shape=(0, 0))


@rewrite(AvgPool2d)
def pool_of_plane(layer: AvgPool2d) -> Layer | No:
    """avg_pool2d(x; kernel = [H, W]) -> global_avg_pool(x)"""
    if layer.kernel != layer.x.type.shape[2:]:
        return No("the window is not the whole plane")
    if any(layer.pad) or layer.result.type.shape[2:] != (1, 1):
        return No("it pads")
    return GlobalAvgPool(layer.x)


RULES = (mean_of_plane, pool_of_plane)
