"""Take the layers of squeeze and excitation together.

    x * gate(expand(act(reduce(global_avg_pool(x))))) = squeeze_excite(x)

`reduce` and `expand` are conv2d of 1x1 or fully_connected, with reshapes between [N, C, 1, 1] and [N, C] around the
latter.
"""

from __future__ import annotations

import attrs
import numpy as np

from plait.ir.activation import Activation
from plait.ir.layer import Layer
from plait.ir.layers.conv import Conv2d
from plait.ir.layers.elementwise import Mul
from plait.ir.layers.linear import FullyConnected
from plait.ir.layers.pool import GlobalAvgPool
from plait.ir.layers.shape import Reshape
from plait.ir.layers.squeeze_excite import SqueezeExcite
from plait.ir.module import Module
from plait.ir.values import Value
from plait.passes.base import Pass, PassContext
from plait.passes.registry import register_pass
from plait.passes.rewriting import Builder, No, has_one_use, rewrite, rewrite_module
from plait.passes.support.constants import constant_data


@attrs.frozen
class Dense:
    """A layer that mixes channels: `act(weight x + bias)`."""

    x: Value
    weight: Value
    bias: Value | None
    act: Activation


@rewrite(Mul)
def gated_image(layer: Mul, builder: Builder) -> Layer | No:
    """act(x * gate(conv2d(act(conv2d(global_avg_pool(x)))))) -> squeeze_excite(x)"""
    reasons = []
    for x, gates in ((layer.a, layer.b), (layer.b, layer.a)):
        found = _chain(x, gates)
        if isinstance(found, No):
            reasons.append(found.reason)
            continue
        reduce, expand = found
        weights = [_filters(dense.weight, builder) for dense in found]
        if weights[0] is None or weights[1] is None:
            return No("a weight of fully_connected is not a constant")
        return SqueezeExcite(
            x,
            weights[0],
            weights[1],
            reduce.bias,
            expand.bias,
            reduce_act=reduce.act,
            gate=expand.act,
            act=layer.act,
        )
    return No("; ".join(dict.fromkeys(reasons)))


def _chain(x: Value, gates: Value) -> tuple[Dense, Dense] | No:
    """The two layers that make gates of the means of `x`, or why the gates come from elsewhere."""
    expand = _dense(gates)
    if isinstance(expand, No):
        return expand
    reduce = _dense(expand.x)
    if isinstance(reduce, No):
        return reduce
    means = _skip_reshape(reduce.x)
    if not isinstance(means.owner, GlobalAvgPool) or means.owner.x is not x:
        return No(f"%{means.name} is not the mean of %{x.name}")
    if not has_one_use(means):
        return No(f"%{means.name} has other uses")
    return reduce, expand


def _dense(value: Value) -> Dense | No:
    """The layer that makes the numbers [N, C] or [N, C, 1, 1] of `value` from those of other channels."""
    result = _skip_reshape(value)
    made = result.owner
    if isinstance(made, Conv2d):
        if made.kernel != (1, 1) or made.groups != 1 or any(made.pad) or made.x.type.shape[2:] != (1, 1):
            return No(f"the conv2d of %{result.name} sees more than one pixel, or groups")
        if made.residual is not None:
            return No(f"the conv2d of %{result.name} adds a residual")
    elif not isinstance(made, FullyConnected):
        return No(f"%{result.name} is made by no conv2d or fully_connected")
    elif result.type.rank != 2:
        return No(f"the fully_connected of %{result.name} has more than rows of channels")
    if not has_one_use(result):
        return No(f"%{result.name} has other uses")
    if made.to is not None:
        return No(f"the {made.op} of %{result.name} converts to {made.to}")
    return Dense(made.x, made.weight, made.bias, made.act)


def _skip_reshape(value: Value) -> Value:
    """What `value` is a reshape of, where that only adds or removes height and width of 1; else `value`."""
    made = value.owner
    if not isinstance(made, Reshape) or not has_one_use(value):
        return value
    shapes = value.type.shape, made.x.type.shape
    one_pixel = all(len(s) == 2 or (len(s) == 4 and s[2:] == (1, 1)) for s in shapes)
    return made.x if one_pixel and shapes[0][:2] == shapes[1][:2] else value


def _filters(weight: Value, builder: Builder) -> Value | None:
    """A weight as 1x1 filters, or None if it is a matrix whose elements are not known."""
    if weight.type.rank == 4:
        return weight
    data = constant_data(weight)
    return None if data is None else builder.constant(f"{weight.name}.filters", np.reshape(data, (*data.shape, 1, 1)))


@register_pass
@attrs.frozen
class FuseSqueezeExcite(Pass):
    """Take the layers of squeeze and excitation together, from the mean to the product with the image."""

    name = "fuse-squeeze-excite"

    def run(self, module: Module, context: PassContext) -> bool:
        return rewrite_module(module, (gated_image,), context)
