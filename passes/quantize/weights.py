"""Weights and biases as integers: one scale for each output channel, symmetric, in [-127, 127]."""

from __future__ import annotations

import attrs
import numpy as np

from plait.ir.dtypes import Array, DType

MOST = 127
"""The greatest magnitude of a stored weight: -128 is left out, so that products of pairs fit 16 bits."""
_BIAS_MOST = 2.0**30
"""Half of what 32 bits hold: the sum of products needs room, too."""
_LEAST = float(np.finfo(np.float32).tiny)


@attrs.frozen(eq=False)
class QuantizedWeights:
    """Integers and their scales along `axis`: `stored * scale` is about what the weights were."""

    stored: Array
    """i8, of the shape of the weights."""
    scale: Array
    """f32[O]"""
    axis: int

    @property
    def numbers(self) -> Array:
        """f64: what the integers stand for."""
        return np.asarray(self.stored * _along(self.scale.astype(np.float64), self.stored.ndim, self.axis))


def quantize_weights(weight: Array, x_scale: float, bias: Array | None = None, axis: int = 0) -> QuantizedWeights:
    """Weights of output channels along `axis` as integers.

    A channel whose bias would not fit 32 bits at the scale `x_scale * scale` gets a greater scale.

    Raises:
        ValueError: a weight or a bias is not finite.
    """
    if not np.isfinite(weight).all() or (bias is not None and not np.isfinite(bias).all()):
        raise ValueError("a weight or a bias is not a finite number")
    wide = weight.astype(np.float64)
    others = tuple(i for i in range(weight.ndim) if i != axis)
    scale = np.abs(wide).max(axis=others, initial=0) / MOST
    if bias is not None:
        scale = np.maximum(scale, np.abs(bias.astype(np.float64)) / (x_scale * _BIAS_MOST))
    # Channels of nothing but zeros may have any scale.
    scale = np.where(scale > _LEAST / min(x_scale, 1.0), scale, max(1.0 / MOST, _LEAST / x_scale)).astype(np.float32)
    steps = np.rint(wide / _along(scale.astype(np.float64), weight.ndim, axis))
    return QuantizedWeights(np.clip(steps, -MOST, MOST).astype(np.int8), scale, axis)


def bias_scale(x_scale: float, weight_scale: Array) -> Array:
    """f32[O]: the scale at which sums of products are added up."""
    return np.asarray(np.float64(np.float32(x_scale)) * weight_scale.astype(np.float64), np.float32)


def quantize_bias(bias: Array, x_scale: float, weight_scale: Array) -> Array:
    """i32[O]: biases in steps of `bias_scale`."""
    low, high = DType.I32.integer_range
    steps = np.rint(bias.astype(np.float64) / (np.float64(np.float32(x_scale)) * weight_scale.astype(np.float64)))
    return np.asarray(np.clip(steps, low, high), np.int32)


def _along(values: Array, rank: int, axis: int) -> Array:
    return values.reshape([-1 if i == axis else 1 for i in range(rank)])
