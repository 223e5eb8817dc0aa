"""Fold padding layers into the windows of the layer that reads them.

conv2d(pad(x, p)) {pad = q}     = conv2d(x) {pad = p + q}                        if p pads with 0
avg_pool2d(pad(x, p)) {pad = q} = avg_pool2d(x) {pad = p + q, count_pad = true}  if p pads with 0; q = 0 or counted
max_pool2d(pad(x, p)) {pad = q} = max_pool2d(x) {pad = p + q}                    if p pads with -inf; 0 if x >= 0
"""

from __future__ import annotations

import math

import attrs

from plait.ir.activation import Activation
from plait.ir.layer import Layer
from plait.ir.layers.activations import ActivationLayer
from plait.ir.layers.conv import Conv2d
from plait.ir.layers.pool import AvgPool2d, MaxPool2d
from plait.ir.layers.shape import Pad
from plait.ir.module import Module
from plait.ir.values import Value
from plait.passes.base import Pass, PassContext
from plait.passes.registry import register_pass
from plait.passes.rewriting import No, rewrite, rewrite_module

_Quad = tuple[int, int, int, int]


@rewrite(Conv2d, quantized=True)
def pad_into_conv(layer: Conv2d) -> Layer | No:
    """conv2d(pad(x, p)) {pad = q} -> conv2d(x) {pad = p + q}"""
    pad = _zero_pad(layer.x)
    if isinstance(pad, No):
        return pad
    return attrs.evolve(layer, x=pad.x, pad=_sum(pad, layer.pad))


@rewrite(AvgPool2d)
def pad_into_avg_pool(layer: AvgPool2d) -> Layer | No:
    """avg_pool2d(pad(x, p)) {pad = q} -> avg_pool2d(x) {pad = p + q, count_pad = true}"""
    pad = _zero_pad(layer.x)
    if isinstance(pad, No):
        return pad
    if layer.ceil:
        return No("with ceil a window may start in the padding layer's part")
    if any(layer.pad) and not layer.count_pad:
        return No("the pool does not count its own padding but would count the layer's")
    return attrs.evolve(layer, x=pad.x, pad=_sum(pad, layer.pad), count_pad=True)


@rewrite(MaxPool2d)
def pad_into_max_pool(layer: MaxPool2d) -> Layer | No:
    """max_pool2d(pad(x, p)) {pad = q} -> max_pool2d(x) {pad = p + q}"""
    pad = _spatial_pad(layer.x)
    if isinstance(pad, No):
        return pad
    if layer.ceil:
        return No("with ceil a window may start in the padding layer's part")
    if pad.value != -math.inf and not (pad.value <= 0 and never_negative(pad.x)):
        return No(f"the padding is {pad.value} and might be the largest element of a window")
    total = _sum(pad, layer.pad)
    if max(layer.dilation) > 1 or any(p >= k for p, k in zip(total, (*layer.kernel, *layer.kernel), strict=True)):
        return No("a window may lie in the padding as a whole")
    return attrs.evolve(layer, x=pad.x, pad=total)


def never_negative(value: Value) -> bool:
    """Whether the layer that makes `value` yields no negative numbers."""
    layer = value.owner
    act = layer.activation() if isinstance(layer, ActivationLayer) else getattr(layer, "act", None)
    if not isinstance(act, Activation):
        return False
    return act.kind in ("relu", "sigmoid", "hard_sigmoid") or (act.kind == "clip" and act.params[0] >= 0)


def _zero_pad(value: Value) -> Pad | No:
    pad = _spatial_pad(value)
    if isinstance(pad, Pad) and pad.value != 0:
        return No(f"the padding is {pad.value}, not 0")
    return pad


def _spatial_pad(value: Value) -> Pad | No:
    pad = value.owner
    if not isinstance(pad, Pad):
        return No("the operand is not a padding layer")
    if any(pad.before[:2]) or any(pad.after[:2]):
        return No("the padding layer pads batch or channels")
    if min(*pad.before, *pad.after) < 0:
        return No("the padding layer crops")
    if pad.x.type.dtype != pad.result.type.dtype:
        return No(f"the padding layer converts to {pad.result.type.dtype}")
    return pad


def _sum(pad: Pad, own: _Quad) -> _Quad:
    (top, left), (bottom, right) = pad.before[2:], pad.after[2:]
    return (own[0] + top, own[1] + left, own[2] + bottom, own[3] + right)


@register_pass
@attrs.frozen
class FoldPad(Pass):
    """Fold padding layers into conv2d, avg_pool2d and max_pool2d."""

    name = "fold-pad"

    def run(self, module: Module, context: PassContext) -> bool:
        return rewrite_module(module, (pad_into_conv, pad_into_avg_pool, pad_into_max_pool), context)
