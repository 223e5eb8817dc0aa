"""Let a convolution add the skip connection of a residual block.

    f(conv2d(x) + r) = conv2d(x, residual = r) {act = f}

The convolution moves to the place of the addition, where `r` is available.
"""

from __future__ import annotations

import attrs

from plait.ir.dtypes import Quantized
from plait.ir.layer import Layer
from plait.ir.layers.conv import Conv2d
from plait.ir.layers.elementwise import Add
from plait.ir.module import Module
from plait.ir.values import Value
from plait.passes.base import Pass, PassContext
from plait.passes.registry import register_pass
from plait.passes.rewriting import No, has_one_use, rewrite, rewrite_module


@rewrite(Add, quantized=True)
def add_into_conv(layer: Add) -> Layer | No:
    """f(conv2d(x) + r) -> conv2d(x, residual = r) {act = f}"""
    if any(isinstance(v.type.dtype, Quantized) for v in (layer.a, layer.b, layer.result)):
        return No("the sum is of quantized numbers: conv2d would add before it rounds, which gives others")
    pairs = [(layer.a, layer.b), (layer.b, layer.a)]
    reasons = [why_not(made, other) for made, other in pairs]
    candidates = [pair for pair, why in zip(pairs, reasons, strict=True) if why is None]
    if not candidates:
        return No("; ".join(dict.fromkeys(r for r in reasons if r)))
    # Of two convolutions the later one takes the sum: the other is computed already, and nothing waits longer.
    made, other = candidates[0]
    if len(candidates) == 2 and _later(layer, made, other) is other:
        made, other = other, made
    assert isinstance(made.owner, Conv2d)
    return attrs.evolve(made.owner, residual=other, act=layer.act)


def why_not(made: Value, other: Value) -> str | None:
    """Why the layer that makes `made` cannot add `other`, or None if it can."""
    conv = made.owner
    if not isinstance(conv, Conv2d):
        return f"%{made.name} is not made by conv2d"
    if not has_one_use(made):
        return f"%{made.name} has other uses"
    if conv.act:
        return f"the conv2d of %{made.name} applies {conv.act} first"
    if conv.residual is not None:
        return f"the conv2d of %{made.name} has a residual already"
    if made.type.shape != other.type.shape:
        return f"%{other.name} is broadcast"
    return None


def _later(layer: Layer, a: Value, b: Value) -> Value:
    """Which of two operands is made last before `layer`."""
    before = layer.previous
    while before is not None and before is not a.owner and before is not b.owner:
        before = before.previous
    return b if before is not None and before is b.owner else a


@register_pass
@attrs.frozen
class FuseResidual(Pass):
    """Let conv2d add the skip connection of a residual block, and apply the activation of the sum."""

    name = "fuse-residual"

    def run(self, module: Module, context: PassContext) -> bool:
        return rewrite_module(module, (add_into_conv,), context)
