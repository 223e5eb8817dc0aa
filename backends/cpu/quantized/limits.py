"""Sums that an int32 holds, whatever the images are: kernels add up in 32 bits, and no sum may wrap around."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from plait.backends.lowering import no_constants
from plait.ir.dtypes import Quantized
from plait.ir.integer import Grid, Stored, bias_steps
from plait.ir.quantization import Lookup
from plait.ir.values import Array

_MOST_STEP = 255
"""The greatest distance of an unsigned byte from a zero point."""
_LARGEST = (1 << 31) - 1
MOST_MEANS = _LARGEST // _MOST_STEP
"""So many bytes can be added up."""


def refuse_sums(layer: Any) -> str | None:
    """Why an int32 might not hold a sum of products, with its bias, of a layer with `x`, `weight` and `bias`; None also
    if that hangs on scales that only lowering knows."""
    weight: Quantized = layer.weight.type.dtype
    products = math.prod(layer.weight.type.static_shape[1:])
    centred = weight.zero == (0 if weight.is_signed else 1 << weight.bits - 1)
    sums = products * _MOST_STEP * (1 << weight.bits - 1 if centred else (1 << weight.bits) - 1)
    if sums > _LARGEST:
        return f"an int32 may not hold the sum of {products} products"
    if layer.bias is None or not layer.bias.has_data:
        return None
    try:
        added = stored_bias(layer, no_constants)
    except KeyError:
        return None
    return "an int32 may not hold the sum with the bias" if sums + np.abs(added).max() > _LARGEST else None


def stored_bias(layer: Any, lookup: Lookup) -> Array:
    """i64, () or [outputs]: the bias in steps of the sums."""
    x, weight = (Grid.of(v.type.dtype, lookup) for v in (layer.x, layer.weight))
    bias: Any = None if layer.bias is None else layer.bias.data
    if bias is not None and isinstance(layer.bias.type.dtype, Quantized):
        bias = Stored(bias, Grid.of(layer.bias.type.dtype, lookup))
    return bias_steps(bias, weight.scale * x.scale)
