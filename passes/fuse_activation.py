"""Move activation functions into the layers that can apply them to their result.

relu(conv2d(x)) = conv2d(x) {act = relu}

Of quantized numbers only bounds move, relu and clip, where the type stays: cutting integers is the same before they are
stored and after.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from plait.ir.activation import BOUNDS, KINDS, RELU6
from plait.ir.diagnostics import did_you_mean
from plait.ir.dtypes import Quantized
from plait.ir.layer import Layer
from plait.ir.layers.activations import ActivationLayer
from plait.ir.module import Module
from plait.passes.base import Pass, PassContext
from plait.passes.registry import register_pass
from plait.passes.rewriting import No, Rule, has_one_use, rewrite, rewrite_module

_WORDS = (*(k for k in KINDS if k != "none"), "relu6")


def carries_activation(layer: Layer | None) -> bool:
    """Whether layers of this class have an attribute `act`."""
    return layer is not None and any(a.name == "act" for a in layer.spec.attributes)


def activation_rule(kinds: Sequence[str]) -> Rule:
    """The rewrite for these kinds of activations."""

    @rewrite(ActivationLayer, quantized=True)
    def activation_into_layer(layer: ActivationLayer) -> Layer | No:
        """f(layer(x)) -> layer(x) {act = f}"""
        act, target = layer.activation(), layer.x.owner
        if act.kind not in kinds and not (act == RELU6 and "relu6" in kinds):
            return No(f"{act.kind} is not among the kinds to fuse")
        if target is None or not carries_activation(target):
            return No("the operand is made by no layer" if target is None else f"{target.op} carries no activation")
        if not has_one_use(layer.x):
            return No(f"%{layer.x.name} has other uses")
        if has := _act(target):
            return No(f"{target.op} already applies {has}")
        if reason := _changes_integers(layer):
            return No(reason)
        return attrs.evolve(target, act=act)  # type: ignore[call-arg]

    return activation_into_layer


def _changes_integers(layer: ActivationLayer) -> str | None:
    """Why an activation of quantized numbers is not the same before these are stored, or None."""
    made, stored = layer.x.type.dtype, layer.result.type.dtype
    if not isinstance(made, Quantized) and not isinstance(stored, Quantized):
        return None
    if made != stored:
        return f"{layer.op} makes {stored} of {made}"
    kind = layer.activation().kind
    return None if kind in BOUNDS else f"{kind} of rounded numbers is another thing than {kind} before they are rounded"


def _act(layer: Layer) -> Any:
    return getattr(layer, "act")  # noqa: B009 -- plug-in layers have it too


def _kinds(value: str | Sequence[str]) -> tuple[str, ...]:
    words = (value,) if isinstance(value, str) else tuple(value)
    for word in words:
        if word not in _WORDS:
            hint = did_you_mean(str(word), _WORDS) or f"known: {', '.join(_WORDS)}"
            raise ValueError(f"unknown activation {word!r} ({hint})")
    return words


@register_pass
@attrs.frozen
class FuseActivation(Pass):
    """Move activation layers into conv2d, fully_connected, scale_shift and arithmetic. Option: `kinds` to move."""

    name = "fuse-activation"

    kinds: tuple[str, ...] = attrs.field(default=_WORDS, converter=_kinds)

    def run(self, module: Module, context: PassContext) -> bool:
        return rewrite_module(module, (activation_rule(self.kinds),), context)
