"""Cross-layer equalisation: channels of a value are scaled so that all of them make good use of its 8 bits.

    W2 f(W1 x + b1)  =  (W2 S) f(S^-1 W1 x + S^-1 b1)        for f with f(s y) = s f(y), s > 0

Exact in real numbers (Nagel et al. 2019, Data-free quantization through weight equalization and bias correction). As
weights have a scale for each output channel, the rows of W1 may be scaled at no cost, and so may the filters of a
depthwise W2; what is balanced are the numbers observed in a channel against the columns of W2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs
import numpy as np

from plait.ir.dtypes import Array
from plait.ir.layer import Layer, Return
from plait.ir.layers.activations import LeakyRelu, Relu
from plait.ir.layers.conv import Conv2d
from plait.ir.layers.linear import FullyConnected
from plait.ir.layers.pool import AvgPool2d, GlobalAvgPool, MaxPool2d
from plait.ir.layers.shape import Reshape
from plait.ir.module import Module
from plait.ir.values import Constant, Value
from plait.passes.quantize.observers import Channels
from plait.passes.quantize.plan import Plan

_EQUIVARIANT = (Relu, LeakyRelu, MaxPool2d, AvgPool2d, GlobalAvgPool)
"""Layers that give a positive multiple for a positive multiple of a channel."""
_MOST = 1e3
"""By how much channels are scaled at most, relative to their geometric mean."""


@attrs.frozen
class Pair:
    """Two layers with weights, and the values between them, in order: what the first gives, what the second reads."""

    first: Conv2d | FullyConnected
    second: Conv2d | FullyConnected
    values: tuple[Value, ...]


@attrs.frozen
class Skipped:
    """A layer whose result is not equalised, and why."""

    layer: Layer
    reason: str

    def __str__(self) -> str:
        return f"{self.layer.describe()}: {self.reason}"


def pairs_of(plan: Plan) -> Iterator[Pair | Skipped]:
    """Every integer layer with weights whose result could be equalised, or why it cannot."""
    for layer in plan.integer:
        if isinstance(layer, (Conv2d, FullyConnected)):
            yield _pair(plan, layer)


def _pair(plan: Plan, first: Conv2d | FullyConnected) -> Pair | Skipped:
    if first.act.kind not in ("none", "relu"):
        return Skipped(first, f"{first.act} does not scale with its operand")
    if isinstance(first, Conv2d) and first.residual is not None:
        return Skipped(first, "it adds a residual, which would have to be scaled too")
    values = [first.result]
    while True:
        users = list(values[-1].users)
        if any(isinstance(user, Return) for user in users):
            return Skipped(first, f"%{values[-1].name} is an output")
        if len(users) != 1 or values[-1].use_count != 1:
            return Skipped(first, f"%{values[-1].name} has other uses" if users else "nothing reads it")
        (user,) = users
        if isinstance(user, (Conv2d, FullyConnected)):
            break
        if not isinstance(user, _EQUIVARIANT) and not _drops_pixels(user):
            return Skipped(first, f"{user.op} does not scale with its operand, or mixes it with others")
        values.append(user.result)
    if user not in plan.integer:
        return Skipped(first, f"{user.describe()} stays in floats")
    if user.x is not values[-1]:
        return Skipped(first, f"%{values[-1].name} is the residual of {user.describe()}")
    if isinstance(user, Conv2d) and user.groups > 1 and not user.is_depthwise:
        return Skipped(first, f"{user.describe()} has groups")
    for constant in (first.weight, first.bias, user.weight):
        if constant is not None and constant.use_count != 1:
            return Skipped(first, f"@{constant.name} has other uses")
    return Pair(first, user, tuple(values))


def _drops_pixels(layer: Layer) -> bool:
    """Whether a layer makes rows of channels from images of one pixel."""
    if not isinstance(layer, Reshape):
        return False
    before, after = layer.x.type.shape, layer.result.type.shape
    return len(after) == 2 and before[:2] == after and all(d == 1 for d in before[2:])


def equalize(module: Module, plan: Plan, channels: Mapping[Value, Channels]) -> dict[Value, Array]:
    """Scale the weights of all pairs of a plan, in place.

    Args:
        channels: what was observed of the results of the first layers.

    Returns:
        f64[C] for each value whose channels changed: by what they were divided.
    """
    divided: dict[Value, Array] = {}
    for pair in pairs_of(plan):
        if isinstance(pair, Skipped):
            continue
        scale = channel_scales(channels[pair.first.result].largest, _columns(pair.second))
        if np.all(scale == 1):
            continue
        rows = 1 / scale
        _scale(module, pair.first, "weight", rows.reshape(-1, *[1] * (pair.first.weight.type.rank - 1)))
        if pair.first.bias is not None:
            _scale(module, pair.first, "bias", rows)
        shape = [1, -1] if _columns(pair.second) is not None else [-1, 1]
        _scale(module, pair.second, "weight", scale.reshape(*shape, *[1] * (pair.second.weight.type.rank - 2)))
        divided.update(dict.fromkeys(pair.values, scale))
    return divided


def channel_scales(largest: Array, columns: Array | None) -> Array:
    """f64[C]: by what channels are divided so that their range, and that of the weights which read them, are the same.

    Args:
        largest: the largest magnitude observed in each channel.
        columns: the largest magnitude of the weights that read it; None where these have scales of their own.
    """
    used = largest > 0
    if columns is not None:
        used &= columns > 0
    wanted = np.where(used, largest if columns is None else np.sqrt(largest / np.where(used, columns, 1)), 1)
    if not used.any():
        return np.ones_like(largest)
    wanted = wanted / np.exp(np.mean(np.log(wanted[used])))
    # Channels that hold nothing, or that nothing reads, stay as they are.
    return np.where(used, np.clip(wanted, 1 / _MOST, _MOST), 1.0)


def _columns(second: Conv2d | FullyConnected) -> Array | None:
    """The largest magnitude of the weights for each channel of x, or None of a depthwise convolution."""
    if isinstance(second, Conv2d) and second.is_depthwise:
        return None
    assert isinstance(second.weight, Constant)
    data = np.abs(second.weight.data.astype(np.float64))
    return np.asarray(data.max(axis=(0, *range(2, data.ndim))))


def _scale(module: Module, layer: Layer, field: str, by: Array) -> None:
    old = getattr(layer, field)
    assert isinstance(old, Constant) and layer.region is not None
    data = (old.data.astype(np.float64) * by).astype(old.data.dtype)
    del module.constants[old.name]
    layer.region.set_operand(layer, field, module.adopt(Constant(old.name, data)))
