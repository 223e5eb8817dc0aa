"""Fold the addition of a number for each channel into the bias of the layer before.

(conv(x, W) + b) + t = conv(x, W) + (b + t)
"""

from __future__ import annotations

import attrs
import numpy as np

from plait.ir.layer import Layer
from plait.ir.layers.elementwise import Add, Binary, Sub
from plait.ir.module import Module
from plait.passes.base import Pass, PassContext
from plait.passes.folding.affine import affine_of, channel_axis
from plait.passes.folding.weights import fold, weighted
from plait.passes.registry import register_pass
from plait.passes.rewriting import Builder, No, rewrite, rewrite_module


@rewrite(Add, Sub)
def add_into_bias(layer: Binary, builder: Builder) -> Layer | No:
    """conv2d(x, W, b) + t -> conv2d(x, W, b + t), and so for fully_connected"""
    affine = affine_of(layer, channel_axis(layer))
    if isinstance(affine, No):
        return affine
    if np.any(affine.scale != 1):
        return No("the operand is subtracted, not added to")
    target = weighted(affine.x)
    if isinstance(target, No):
        return target
    return fold(target, affine, builder)


@register_pass
@attrs.frozen
class FoldBias(Pass):
    """Fold the addition of a constant for each channel into the bias of conv2d and fully_connected."""

    name = "fold-bias"

    def run(self, module: Module, context: PassContext) -> bool:
        return rewrite_module(module, (add_into_bias,), context)
