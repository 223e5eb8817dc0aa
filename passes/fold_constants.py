"""Evaluate what is known at compile time.

    f(@a, @b) -> @c,   c = f(a, b) by the layer's NumPy reference

The shape of a value with static dimensions is known too. `if` and `loop` that depend on constants only are replaced by
the layers that they run (`plait.passes.folding.control`).
"""

from __future__ import annotations

import attrs
import numpy as np

from plait.ir.attributes import integer
from plait.ir.layer import Layer, OpaqueLayer
from plait.ir.layers.elementwise import Adapt
from plait.ir.layers.shape import ShapeOf
from plait.ir.module import Module
from plait.ir.values import Array, Constant, Value
from plait.passes.base import Pass, PassContext
from plait.passes.folding.control import fold_control
from plait.passes.registry import register_pass
from plait.passes.rewriting import Builder, No, Rule, rewrite, rewrite_module
from plait.passes.support.constants import constant_data


def folding_rule(max_bytes: int) -> Rule:
    """The rewrite that evaluates layers whose result has at most `max_bytes`."""

    @rewrite(Layer, quantized=True)
    def evaluate_layer(layer: Layer, builder: Builder) -> Value | tuple[Value, ...] | No:
        """f(@a, @b) -> @c"""
        if isinstance(layer, (OpaqueLayer, Adapt)) or layer.regions() or not layer.results:
            return No(f"{layer.op} is not evaluated")
        if isinstance(layer, ShapeOf):
            if not layer.x.type.is_static:
                return No(f"%{layer.x.name} has symbolic dimensions")
            return builder.constant(layer.result.name, np.array(layer.x.type.static_shape, dtype=np.int64))
        if not all(isinstance(v, Constant) for v in layer.operands):
            return No("an operand is not a constant")
        if not all(v.type.is_plain for v in (*layer.operands, *layer.results)):
            return No("there is a quantized operand or result, or one that is not a tensor")
        if not all(r.type.is_static for r in layer.results):
            return No("the size of the result is not known")
        size = sum(r.type.nbytes for r in layer.results)
        if size > max_bytes:
            return No(f"the result has {size} bytes, more than {max_bytes}")
        return _evaluate(layer, builder)

    return evaluate_layer


def _evaluate(layer: Layer, builder: Builder) -> tuple[Value, ...] | No:
    slots: list[Array | None] = [None if v is None else constant_data(v) for v in layer.operand_slots()]
    if sum(s is not None for s in slots) != len(layer.operands):
        return No("the data of an operand are not at hand")
    try:
        found = layer.reference(*slots)
    except NotImplementedError:
        return No(f"{layer.op} has no reference")
    arrays = found if isinstance(found, tuple) else (found,)
    return tuple(
        builder.constant(r.name, np.asarray(array, r.type.dtype.numpy))
        for r, array in zip(layer.results, arrays, strict=True)
    )


@register_pass
@attrs.frozen
class FoldConstants(Pass):
    """Evaluate layers whose operands are all constants, and run control flow that depends on constants only.

    Options: `max_bytes`, the largest result to keep (256 MiB); `unroll`, the longest loop that is written out (1).
    """

    name = "fold-constants"

    max_bytes: int = attrs.field(default=256 << 20, converter=integer)
    unroll: int = attrs.field(default=1, converter=integer)

    def run(self, module: Module, context: PassContext) -> bool:
        changed = rewrite_module(module, (folding_rule(self.max_bytes),), context)
        while folded := fold_control(module, self.unroll):
            context.count("control", folded)
            rewrite_module(module, (folding_rule(self.max_bytes),), context)
            changed = True
        return changed
