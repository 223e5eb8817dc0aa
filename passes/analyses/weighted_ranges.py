"""Intervals of layers with constant weights: sums of products, channel by channel."""

from __future__ import annotations

import numpy as np

from plait.ir.layers.conv import Conv2d
from plait.ir.layers.linear import FullyConnected
from plait.ir.layers.normalization import BatchNorm, ScaleShift
from plait.ir.values import Array, Value
from plait.passes.analyses.activation_ranges import activation_range
from plait.passes.analyses.intervals import EVERYTHING, Interval, point
from plait.passes.analyses.value_ranges import ValueRanges, data_of, range_rule

_ERROR = 1e-9
"""Rounding error of a long sum, relative to the sum of the magnitudes."""


@range_rule(Conv2d)
def conv2d(layer: Conv2d, ranges: ValueRanges) -> Interval:
    x = ranges[layer.x]
    image = x.hull(point(0)) if any(layer.pad) else x
    added = [] if layer.residual is None else [ranges[layer.residual]]
    return activation_range(layer.act, _sums(image, layer.weight, layer.bias, added))


@range_rule(FullyConnected)
def fully_connected(layer: FullyConnected, ranges: ValueRanges) -> Interval:
    return activation_range(layer.act, _sums(ranges[layer.x], layer.weight, layer.bias, []))


@range_rule(BatchNorm)
def batch_norm(layer: BatchNorm, ranges: ValueRanges) -> Interval:
    scale, bias, mean, variance = (data_of(v) for v in (layer.scale, layer.bias, layer.mean, layer.variance))
    if scale is None or bias is None or mean is None or variance is None:
        return EVERYTHING
    with np.errstate(all="ignore"):
        factor = scale / np.sqrt(variance + layer.epsilon)
        return _affine(ranges[layer.x], factor, bias, -mean * factor)


@range_rule(ScaleShift)
def scale_shift(layer: ScaleShift, ranges: ValueRanges) -> Interval:
    scale, shift = data_of(layer.scale), data_of(layer.shift)
    if scale is None or shift is None:
        return EVERYTHING
    return activation_range(layer.act, _affine(ranges[layer.x], scale, shift))


def _sums(x: Interval, weight: Value, bias: Value | None, added: list[Interval]) -> Interval:
    """`sum of w * x, + bias, + added` for the weights [O, ...] of each output."""
    if x == EVERYTHING:  # no need to read the weights
        return EVERYTHING
    weights, shift = data_of(weight), data_of(bias)
    if weights is None or (bias is not None and shift is None):
        return EVERYTHING
    rows = weights.reshape(len(weights), -1)
    if shift is None:
        shift = np.zeros(len(rows))
    up, down = np.maximum(rows, 0).sum(axis=1), np.minimum(rows, 0).sum(axis=1)
    lows, highs = (_times(up, x.low), _times(down, x.high), shift), (_times(up, x.high), _times(down, x.low), shift)
    found = _hull(lows, highs, _times(up - down, x.magnitude) + np.abs(shift))
    for other in added:
        found = (found + other).rounded()
    return found


def _affine(x: Interval, scale: Array, *shifts: Array) -> Interval:
    """`x * scale` plus all shifts, over all channels."""
    ends = _times(scale, x.low), _times(scale, x.high)
    magnitudes = sum((np.abs(s) for s in shifts), _times(np.abs(scale), x.magnitude))
    return _hull((np.minimum(*ends), *shifts), (np.maximum(*ends), *shifts), magnitudes)


def _times(numbers: Array, bound: float) -> Array:
    with np.errstate(all="ignore"):
        return np.where(numbers == 0, 0.0, numbers * bound)


def _hull(lows: tuple[Array, ...], highs: tuple[Array, ...], magnitudes: Array) -> Interval:
    """The interval of all channels from the bounds of the terms of each; wider by the rounding error, unknown if a
    weight is no number."""
    if not magnitudes.size:
        return EVERYTHING
    with np.errstate(all="ignore"):
        low, high = (sum(lows) - _ERROR * magnitudes).min(), (sum(highs) + _ERROR * magnitudes).max()
    if np.isnan(low) or np.isnan(high):
        return EVERYTHING
    # Terms of one sign do not add up to a number of the other.
    low = max(low, 0) if all(t.min() >= 0 for t in lows) else low
    high = min(high, 0) if all(t.max() <= 0 for t in highs) else high
    return Interval(float(low), float(high))
