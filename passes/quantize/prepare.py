"""The form of a float network in which every value that will have 8 bits can be observed.

    layer(x) {act = f}   ->   f(layer(x))                              for f that is more than bounds
    squeeze_excite(x)    ->   x * gate(expand(act(reduce(mean(x)))))
    scale_shift(x)       ->   conv2d(x), depthwise, of 1x1             for images

An integer layer applies bounds (relu, clip) for free. Any other function of 8 bits is a table of 256 entries, for which
the number before it must be one of 8 bits: it stays a layer of its own.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import numpy as np

from plait.ir.activation import NONE, Activation
from plait.ir.layer import Layer
from plait.ir.layers.activations import (
    Clip,
    Elu,
    Gelu,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    Relu,
    Sigmoid,
    Silu,
    Tanh,
)
from plait.ir.layers.conv import Conv2d
from plait.ir.layers.elementwise import Mul
from plait.ir.layers.normalization import ScaleShift
from plait.ir.layers.pool import GlobalAvgPool
from plait.ir.layers.squeeze_excite import SqueezeExcite
from plait.ir.module import Module
from plait.ir.values import Value
from plait.passes.base import PassContext
from plait.passes.fuse_activation import carries_activation
from plait.passes.rewriting import Builder, No, rewrite, rewrite_module
from plait.passes.support.constants import constant_data

PIPELINE = (
    "fold-constants,dce,canonicalize,sink-layout,canonicalize,cse,dce,fold-pad,fold-batchnorm,fold-bias,"
    "fuse-activation,fuse-residual,nest-concat,cse,dce"
)
"""Passes for networks that will be quantized: those of `default`, but for layers that have no integer rule."""
BOUNDS = ("none", "relu", "clip")
"""Activations that are nothing but bounds of the result."""

Kept = Callable[[Layer], bool]
"""Whether a layer is to stay in floats."""


def prepare(module: Module, kept: Kept, context: PassContext | None = None) -> None:
    """Bring an optimised module into this form, in place; layers that stay in floats keep theirs."""

    @rewrite(Layer)
    def split_activation(layer: Layer, builder: Builder) -> Layer | No:
        """layer(x) {act = f} -> f(layer(x))"""
        act: Activation = getattr(layer, "act", NONE)
        if not carries_activation(layer) or isinstance(layer, SqueezeExcite) or act.kind in BOUNDS:
            return No("it applies no function that is more than bounds")
        if kept(layer) or not layer.integer_operands:
            return No("it stays in floats")
        inner = attrs.evolve(layer, act=NONE)  # type: ignore[call-arg]
        return activation_layer(act, builder.layer(inner, f"{layer.result.name}.pre"))

    @rewrite(SqueezeExcite)
    def split_squeeze_excite(layer: SqueezeExcite, builder: Builder) -> Layer | No:
        """squeeze_excite(x) -> x * gate(expand(act(reduce(global_avg_pool(x)))))"""
        if kept(layer):
            return No("it stays in floats")
        name = layer.result.name
        means = builder.layer(GlobalAvgPool(layer.x), f"{name}.means")
        few = Conv2d(means, layer.reduce_weight, layer.reduce_bias, act=layer.reduce_act)
        gates = Conv2d(builder.layer(few, f"{name}.few"), layer.expand_weight, layer.expand_bias, act=layer.gate)
        return Mul(layer.x, builder.layer(gates, f"{name}.gates"), act=layer.act)

    @rewrite(ScaleShift)
    def scale_shift_to_depthwise(layer: ScaleShift, builder: Builder) -> Layer | No:
        """scale_shift(x) -> conv2d(x), depthwise, of 1x1"""
        scale = constant_data(layer.scale)
        if kept(layer) or layer.x.type.rank != 4 or scale is None or constant_data(layer.shift) is None:
            return No("it stays in floats, is no image, or its factors are not known")
        weight = builder.constant(f"{layer.scale.name}.filters", np.reshape(scale, (-1, 1, 1, 1)))
        return Conv2d(layer.x, weight, layer.shift, groups=len(scale), act=layer.act)

    rules = (split_activation, split_squeeze_excite, scale_shift_to_depthwise)
    rewrite_module(module, rules, context or PassContext())


def activation_layer(act: Activation, x: Value) -> Layer:
    """The layer that applies an activation and nothing else."""
    match act.kind:
        case "clip":
            return Clip(x, low=act.params[0], high=act.params[1])
        case "hard_sigmoid":
            return HardSigmoid(x, alpha=act.params[0], beta=act.params[1])
        case "leaky_relu":
            return LeakyRelu(x, alpha=act.params[0])
        case "elu":
            return Elu(x, alpha=act.params[0])
    return _PLAIN[act.kind](x)


_PLAIN: dict[str, type[Relu | HardSwish | Sigmoid | Silu | Tanh | Gelu]] = {
    "relu": Relu,
    "hard_swish": HardSwish,
    "sigmoid": Sigmoid,
    "silu": Silu,
    "tanh": Tanh,
    "gelu": Gelu,
}
