"""Fold multiplication and addition for each channel into the layer before.

    batch_norm(x) = x * s + t,   s = scale / sqrt(variance + epsilon),   t = bias - mean * s
    (conv(x, W) + b) * s + t = conv(x, s W) + (b s + t)

All arithmetic on weights is done in float64 and rounded once. A batch_norm that nothing absorbs becomes a scale_shift.
"""

from __future__ import annotations

import attrs
import numpy as np

from plait.ir.layer import Layer
from plait.ir.layers.conv import Conv2d
from plait.ir.layers.elementwise import Binary
from plait.ir.layers.normalization import BatchNorm, ScaleShift
from plait.ir.module import Module
from plait.ir.values import Value
from plait.passes.base import Pass, PassContext
from plait.passes.folding.affine import affine_of, channel_axis
from plait.passes.folding.weights import fold, scale_shift, weighted
from plait.passes.registry import register_pass
from plait.passes.rewriting import Builder, No, has_one_use, rewrite, rewrite_module


@rewrite(BatchNorm, ScaleShift, Binary)
def affine_into_weights(layer: Layer, builder: Builder) -> Layer | No:
    """(conv2d(x, W) + b) * s + t -> conv2d(x, s W) + (b s + t), and so for fully_connected"""
    affine = affine_of(layer, channel_axis(layer))
    if isinstance(affine, No):
        return affine
    if np.all(affine.scale == 1) and isinstance(layer, Binary):
        return No("only adds; see fold-bias")
    target = weighted(affine.x)
    if isinstance(target, No):
        return target
    if isinstance(target, Conv2d) and target.residual is not None:
        return No("the residual would be scaled too")
    return fold(target, affine, builder)


@rewrite(BatchNorm, ScaleShift, Binary)
def affine_chain(layer: Layer, builder: Builder) -> Layer | No:
    """(x * s1 + t1) * s2 + t2 -> scale_shift(x, s1 s2, t1 s2 + t2)"""
    outer = affine_of(layer)
    if isinstance(outer, No):
        return outer
    inner = affine_of(outer.x.owner)
    if isinstance(inner, No):
        return No(f"the operand: {inner.reason}")
    if not has_one_use(outer.x):
        return No(f"%{outer.x.name} has other uses")
    if inner.act:
        return No(f"the operand applies {inner.act} first")
    both = outer.after(inner)
    if not both.per_channel:
        return No("only scalars, which belong to no channel")
    return scale_shift(both, layer, builder)


@rewrite(BatchNorm)
def batch_norm_to_scale_shift(layer: BatchNorm, builder: Builder) -> Layer | No:
    """batch_norm(x) -> scale_shift(x, s, t)"""
    affine = affine_of(layer)
    return affine if isinstance(affine, No) else scale_shift(affine, layer, builder)


@rewrite(ScaleShift)
def scale_shift_by_one(layer: ScaleShift) -> Value | No:
    """scale_shift(x, 1, 0) -> x"""
    affine = affine_of(layer)
    if isinstance(affine, No):
        return affine
    if affine.act or np.any(affine.scale != 1) or np.any(affine.shift != 0):
        return No("it changes its operand")
    return layer.x


RULES = (affine_into_weights, affine_chain, batch_norm_to_scale_shift, scale_shift_by_one)


@register_pass
@attrs.frozen
class FoldBatchNorm(Pass):
    """Fold batch_norm, scale_shift and per-channel arithmetic into conv2d and fully_connected.

    A batch_norm that remains becomes scale_shift.
    """

    name = "fold-batchnorm"

    def run(self, module: Module, context: PassContext) -> bool:
        return rewrite_module(module, RULES, context)
