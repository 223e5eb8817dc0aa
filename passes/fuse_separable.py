"""Take a depthwise convolution and the convolution of 1x1 behind it together.

    conv2d(conv2d(x, D) {groups = C}, W) = separable_conv2d(x, D, W)      for W of 1x1

The result of the first stays in cache. It is not in the default pipeline: a layout change between the two is lost, and
every pair has more variants to measure.
"""

from __future__ import annotations

import attrs

from plait.ir.layer import Layer
from plait.ir.layers.conv import Conv2d
from plait.ir.layers.separable import SeparableConv2d
from plait.ir.module import Module
from plait.passes.base import Pass, PassContext
from plait.passes.registry import register_pass
from plait.passes.rewriting import No, has_one_use, rewrite, rewrite_module


@rewrite(Conv2d)
def separable_convolution(layer: Conv2d) -> Layer | No:
    """conv2d(conv2d(x, D) {groups = C}, W) -> separable_conv2d(x, D, W) for W of 1x1"""
    first = layer.x.owner
    if layer.kernel != (1, 1) or layer.stride != (1, 1) or layer.groups != 1 or any(layer.pad):
        return No("not a convolution of 1x1 over all channels and pixels")
    if not isinstance(first, Conv2d) or not first.is_depthwise:
        return No(f"%{layer.x.name} is made by no depthwise convolution")
    if not has_one_use(layer.x):
        return No(f"%{layer.x.name} has other uses")
    if first.residual is not None:
        return No(f"the depthwise convolution of %{layer.x.name} adds a residual")
    return SeparableConv2d(
        first.x,
        first.weight,
        layer.weight,
        first.bias,
        layer.bias,
        layer.residual,
        stride=first.stride,
        pad=first.pad,
        dilation=first.dilation,
        depthwise_act=first.act,
        act=layer.act,
    )


@register_pass
@attrs.frozen
class FuseSeparable(Pass):
    """Take depthwise convolutions and the convolutions of 1x1 behind them together."""

    name = "fuse-separable"

    def run(self, module: Module, context: PassContext) -> bool:
        return rewrite_module(module, (separable_convolution,), context)
