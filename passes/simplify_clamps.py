"""Remove clamps that what they clamp makes superfluous, as its range tells.

relu(sigmoid(x)) = sigmoid(x),   relu6(x) = relu(x) if x <= 6,   max(x, @c) = x if x >= c
"""

from __future__ import annotations

from typing import Any

import attrs

from plait.ir.activation import NONE, Activation
from plait.ir.layer import Layer
from plait.ir.layers.activations import ActivationLayer, Relu
from plait.ir.layers.conv import Conv2d
from plait.ir.layers.elementwise import Binary, Maximum, Minimum, Unary
from plait.ir.layers.linear import FullyConnected
from plait.ir.layers.normalization import ScaleShift
from plait.ir.module import Module
from plait.ir.values import Value
from plait.passes.analyses.intervals import INF, Interval
from plait.passes.analyses.value_ranges import ValueRanges
from plait.passes.base import Pass, PassContext
from plait.passes.registry import register_pass
from plait.passes.rewriting import No, Rule, apply_rewrites, rewrite

_SAME: dict[str, Interval] = {"relu": Interval(0, INF), "leaky_relu": Interval(0, INF), "elu": Interval(0, INF)}
"""Where activations give back their operand."""


def clamp_rules(ranges: ValueRanges) -> tuple[Rule, ...]:
    """The rewrites for a function with these ranges."""

    @rewrite(ActivationLayer)
    def superfluous_activation(layer: ActivationLayer) -> Layer | Value | No:
        """f(x) -> x, clip(x; 0, h) -> relu(x)"""
        simpler = _simpler(layer.activation(), found := ranges[layer.x])
        if simpler is None:
            return No(f"%{layer.x.name} may be anything in {found}")
        return Relu(layer.x) if simpler else layer.x

    @rewrite(Binary, Conv2d, FullyConnected, ScaleShift)
    def superfluous_act(layer: Any) -> Layer | No:
        """layer(x) {act = f} -> layer(x)"""
        if not layer.act:
            return No("the layer carries no activation")
        found = ranges.apply(attrs.evolve(layer, act=NONE))
        assert isinstance(found, Interval)
        simpler = _simpler(layer.act, found)
        if simpler is None:
            return No(f"before {layer.act} it may be anything in {found}")
        simple: Layer = attrs.evolve(layer, act=simpler)
        return simple

    @rewrite(Maximum, Minimum)
    def superfluous_bound(layer: Binary) -> Value | No:
        """max(x, y) -> x if x >= y, min(x, y) -> x if x <= y"""
        for kept, other in ((layer.a, layer.b), (layer.b, layer.a)):
            low, high = (kept, other) if isinstance(layer, Minimum) else (other, kept)
            if ranges[low].high <= ranges[high].low and kept.type == layer.result.type and not layer.act:
                return kept
        return No("either operand may be the one")

    @rewrite(Unary)
    def superfluous_abs(layer: Unary) -> Value | No:
        """abs(x) -> x if x >= 0"""
        if layer.fn != "abs" or ranges[layer.x].low < 0:
            return No(f"%{layer.x.name} may be negative" if layer.fn == "abs" else f"{layer.fn} is no clamp")
        return layer.x

    return superfluous_activation, superfluous_act, superfluous_bound, superfluous_abs


def _simpler(act: Activation, x: Interval) -> Activation | None:
    """What does the same to numbers of this interval: no activation, relu instead of a clip, or nothing simpler."""
    same = Interval(*act.params) if act.kind == "clip" and act.params[0] <= act.params[1] else _SAME.get(act.kind)
    if same is not None and x.within(same):
        return NONE
    return Activation("relu") if act.kind == "clip" and act.params[0] == 0 and x.high <= act.params[1] else None


@register_pass
@attrs.frozen
class SimplifyClamps(Pass):
    """Remove activations, maxima and minima that change nothing, as the ranges of their operands show."""

    name = "simplify-clamps"

    def run(self, module: Module, context: PassContext) -> bool:
        changed = False
        for function in module.functions.values():
            rules = clamp_rules(context.analyses.get(ValueRanges, function))
            changed |= apply_rewrites(function, module, rules, context)
        return changed
