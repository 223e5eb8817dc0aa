"""Evaluate what is known at compile time.

    f(@a, @b) -> @c,   c = f(a, b) by the layer's NumPy reference

The shape of a value with static dimensions is known too.
"""

from __future__ import annotations

import attrs
import numpy as np

from plait.ir.attributes import integer
from plait.ir.layer import Layer, OpaqueLayer
from plait.ir.layers.elementwise import Adapt
from plait.ir.layers.shape import ShapeOf
from plait.ir.module import Module
from plait.ir.types import DType
from plait.ir.values import Array, Constant, Value
from plait.passes.affine import constant_data
from plait.passes.base import Pass, PassContext
from plait.passes.registry import register_pass
from plait.passes.rewrite import Builder, No, Rule, rewrite, rewrite_module


def folding_rule(max_bytes: int) -> Rule:
    """The rewrite that evaluates layers whose result has at most `max_bytes`."""

    @rewrite(Layer)
    def evaluate_layer(layer: Layer, builder: Builder) -> Value | No:
        """f(@a, @b) -> @c"""
        if isinstance(layer, (OpaqueLayer, Adapt)) or len(layer.results) != 1:
            return No(f"{layer.op} is not evaluated")
        if isinstance(layer, ShapeOf):
            if not layer.x.type.is_static:
                return No(f"%{layer.x.name} has symbolic dimensions")
            return builder.constant(layer.result.name, np.array(layer.x.type.static_shape, dtype=np.int64))
        if not all(isinstance(v, Constant) for v in layer.operands):
            return No("an operand is not a constant")
        if not all(v.type.is_plain for v in (*layer.operands, *layer.results)):
            return No("there is a quantized operand or result, or one that is not a tensor")
        if not layer.result.type.is_static:  # of a loop over constants that runs a symbolic number of times
            return No("the size of the result is not known")
        if layer.result.type.nbytes > max_bytes:
            return No(f"the result has {layer.result.type.nbytes} bytes, more than {max_bytes}")
        return _evaluate(layer, builder)

    return evaluate_layer


def _evaluate(layer: Layer, builder: Builder) -> Value | No:
    slots: list[Array | None] = [None if v is None else constant_data(v) for v in layer.operand_slots()]
    if sum(s is not None for s in slots) != len(layer.operands) or layer.result.type.dtype is DType.BF16:
        return No("the data of an operand are not at hand")
    try:
        result = layer.reference(*slots)
    except NotImplementedError:
        return No(f"{layer.op} has no reference")
    assert not isinstance(result, tuple)
    return builder.constant(layer.result.name, np.asarray(result, layer.result.type.dtype.numpy))


@register_pass
@attrs.frozen
class FoldConstants(Pass):
    """Evaluate layers whose operands are all constants. Option: `max_bytes`, the largest result to keep (256 MiB)."""

    name = "fold-constants"

    max_bytes: int = attrs.field(default=256 << 20, converter=integer)

    def run(self, module: Module, context: PassContext) -> bool:
        return rewrite_module(module, (folding_rule(self.max_bytes),), context)
