"""Bias correction: the mean by which rounded weights change the result of a layer is taken off its bias.

    b' = b - (Wq - W) E[x]        with E[x] the mean of each channel over the samples

After Nagel et al. 2019, Data-free quantization through weight equalization and bias correction, with means that were
observed. Padding counts as any other pixel.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from plait.ir.dtypes import Array, Quantized
from plait.ir.layer import Layer
from plait.ir.layers.conv import Conv2d
from plait.ir.layers.linear import FullyConnected
from plait.ir.values import Constant, Value
from plait.passes.quantize.observers import Channels
from plait.passes.quantize.plan import Plan
from plait.passes.quantize.weights import QuantizedWeights, quantize_weights


def bias_corrections(
    plan: Plan,
    types: Mapping[Value, Quantized],
    channels: Mapping[Value, Channels],
    weights: Mapping[Layer, QuantizedWeights] | None = None,
) -> dict[Layer, Array]:
    """f32[O] for each integer layer with a bias: what to add to it.

    Args:
        channels: what was observed of the values that layers with weights read.
    """
    found: dict[Layer, Array] = {}
    for layer in plan.integer:
        if isinstance(layer, (Conv2d, FullyConnected)) and layer.x in channels:
            fitted = (weights or {}).get(layer)
            found[layer] = -_mean_error(layer, types[layer.x], channels[layer.x].mean, fitted).astype(np.float32)
    return found


def _mean_error(
    layer: Conv2d | FullyConnected, x_type: Quantized, mean: Array, fitted: QuantizedWeights | None
) -> Array:
    """f64[O]: how far the mean of each output channel is off."""
    assert isinstance(layer.weight, Constant) and isinstance(x_type.scale, float)
    weight = layer.weight.data
    bias = layer.bias.data if isinstance(layer.bias, Constant) else None
    fitted = fitted or quantize_weights(weight, x_type.scale, bias)
    error = fitted.numbers - weight.astype(np.float64)
    per_input = error.reshape(*error.shape[:2], -1).sum(axis=2)  # [O, C / groups]
    if not isinstance(layer, Conv2d) or layer.groups == 1:
        return np.asarray(per_input @ mean)
    # Each group of outputs reads its own part of the channels.
    parts = per_input.reshape(layer.groups, -1, per_input.shape[1])
    return np.asarray(np.einsum("goc,gc->go", parts, mean.reshape(layer.groups, -1)).reshape(-1))
