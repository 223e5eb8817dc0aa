"""Layers seen as a multiplication and an addition for each channel.

That is what batch_norm, scale_shift and arithmetic with constants share.
"""

from __future__ import annotations

import attrs
import numpy as np

from plait.ir.activation import NONE, Activation
from plait.ir.layer import Layer
from plait.ir.layers.elementwise import Add, Binary, Div, Mul, Sub
from plait.ir.layers.linear import FullyConnected
from plait.ir.layers.normalization import BatchNorm, ScaleShift
from plait.ir.values import Array, Constant, Value
from plait.passes.rewriting import No
from plait.passes.support.constants import constant_data


@attrs.frozen(eq=False)
class Affine:
    """`act(x * scale + shift)`, with `scale` and `shift` as float64 [C] along one axis, that of the channels."""

    x: Value
    scale: Array
    shift: Array
    act: Activation = NONE
    per_channel: bool = True
    """False if the layer only has scalars, which no axis has a part in."""

    def after(self, inner: Affine) -> Affine:
        """This function applied to the result of `inner`, which must have no activation: `(x*s1 + t1)*s2 + t2`."""
        return Affine(
            inner.x,
            inner.scale * self.scale,
            inner.shift * self.scale + self.shift,
            self.act,
            self.per_channel or inner.per_channel,
        )


def channel_axis(layer: Layer) -> int:
    """The axis of the channels of what a layer is applied to: the last behind fully_connected, else axis 1."""
    return -1 if any(isinstance(v.owner, FullyConnected) for v in layer.operands) else 1


def channel_vector(constant: Value, x: Value, axis: int = 1) -> Array | None:
    """A constant that broadcasts along one axis of `x` only ([C, 1, 1] beside [N, C, H, W]) as float64 [C], or None."""
    rank, shape = x.type.rank, constant.type.shape
    if rank < 2 or len(shape) > rank or not x.type.dtype.is_float:
        return None
    channels = x.type.shape[axis]
    if not isinstance(channels, int):
        return None
    full = (1,) * (rank - len(shape)) + shape
    if any(d != 1 for i, d in enumerate(full) if i != axis % rank) or full[axis] not in (1, channels):
        return None
    data = constant_data(constant)
    return None if data is None else np.broadcast_to(data.astype(np.float64).reshape(-1), (channels,))


def affine_of(layer: Layer | None, axis: int = 1) -> Affine | No:
    """The layer as a multiplication and an addition for each channel, or why it is none. Channels lie along `axis`."""
    match layer:
        case BatchNorm() | ScaleShift() if axis % layer.x.type.rank != 1:
            return No(f"the channels of {layer.op} lie along axis 1")
        case BatchNorm():
            return _batch_norm(layer)
        case ScaleShift(x, scale, shift):
            s, t = constant_data(scale), constant_data(shift)
            if s is None or t is None:
                return No("scale or shift is not a constant")
            return Affine(x, s.astype(np.float64), t.astype(np.float64), layer.act)
        case Add() | Sub() | Mul() | Div():
            return _arithmetic(layer, axis)
        case _:
            return No("not an affine layer")


def _batch_norm(layer: BatchNorm) -> Affine | No:
    data = [constant_data(v) for v in (layer.scale, layer.bias, layer.mean, layer.variance)]
    wide = [d.astype(np.float64) for d in data if d is not None]
    if len(wide) != 4:
        return No("a parameter is not a constant")
    scale, bias, mean, variance = wide
    with np.errstate(all="ignore"):
        factor = scale / np.sqrt(variance + layer.epsilon)
        return finite(Affine(layer.x, factor, bias - mean * factor))


def _arithmetic(layer: Binary, axis: int) -> Affine | No:
    swapped = isinstance(layer.a, Constant)
    x, constant = (layer.b, layer.a) if swapped else (layer.a, layer.b)
    if not isinstance(constant, Constant) or isinstance(x, Constant):
        return No("neither operand, or both, are constants")
    vector = channel_vector(constant, x, axis)
    if vector is None:
        return No(f"@{constant.name} is not one number for each channel")
    one, zero = np.ones_like(vector), np.zeros_like(vector)
    broad = constant.type.elements != 1
    with np.errstate(all="ignore"):
        match layer:
            case Add():
                scale, shift = one, vector
            case Sub():
                scale, shift = (-one, vector) if swapped else (one, -vector)
            case Mul():
                scale, shift = vector, zero
            case _ if swapped:
                return No("a division by the layer's operand")
            case _:
                scale, shift = one / vector, zero
    return finite(Affine(x, scale, shift, layer.act, broad))


def finite(affine: Affine) -> Affine | No:
    """The same, unless a number is infinite or not a number."""
    if np.isfinite(affine.scale).all() and np.isfinite(affine.shift).all():
        return affine
    return No("a scale or shift would not be finite")
