"""Weights of a layer as integers, by what was observed of what they are multiplied with."""

from __future__ import annotations

import numpy as np

from plait.ir.dtypes import Quantized
from plait.ir.layer import Layer
from plait.ir.values import Constant
from plait.passes.quantize.moments import Moments, as_rows
from plait.passes.quantize.plan import weight_of
from plait.passes.quantize.rounding import round_together, squared_errors
from plait.passes.quantize.weights import QuantizedWeights, quantize_weights


def fit_weights(layer: Layer, x_type: Quantized, moments: Moments | None, corrected: bool) -> QuantizedWeights:
    """The integers of a layer's weights, and their scales.

    Args:
        moments: what was observed; without it each weight is rounded by itself.
        corrected: whether the mean error will be taken off the bias.
    """
    _, weight, axis = weight_of(layer)
    assert isinstance(weight, Constant) and isinstance(x_type.scale, float)
    bias = getattr(layer, "bias", None)
    plain = quantize_weights(weight.data, x_type.scale, bias.data if isinstance(bias, Constant) else None, axis)
    if moments is None or not moments.count:
        return plain
    observed = moments.central if corrected else moments.second
    wanted, nearest = as_rows(layer, weight.data), as_rows(layer, plain.stored)
    scale = plain.scale.astype(np.float64).reshape(wanted.shape[:2])
    together = round_together(wanted, scale, observed)
    more, less = (squared_errors(rows * scale[..., None] - wanted, observed) for rows in (nearest, together))
    rows = np.where((less < more)[..., None], together, nearest).reshape(-1, wanted.shape[2])
    across = np.moveaxis(plain.stored, axis, 0).shape
    stored = np.moveaxis(rows.reshape(across), 0, axis).astype(np.int8)
    return QuantizedWeights(np.ascontiguousarray(stored), plain.scale, axis)
