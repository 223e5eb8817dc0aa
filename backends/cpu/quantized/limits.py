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

MOST_STEP = 255
"""The greatest distance of an unsigned byte from a zero point."""
_LARGEST = (1 << 31) - 1
MOST_MEANS = _LARGEST // MOST_STEP
"""So many bytes can be added up."""


def refuse_sums(layer: Any) -> str | None:
    """Why an int32 might not hold a sum of products, with its bias, of a layer with `x`, `weight` and `bias`; None also
    if that hangs on scales that only lowering knows."""
    products = math.prod(layer.weight.type.static_shape[1:])
    sums = products * _largest_product(layer.weight.type.dtype)
    if sums > _LARGEST:
        return _too_many(products)
    if layer.bias is None or not layer.bias.has_data:
        return None
    try:
        added = stored_bias(layer, no_constants)
    except KeyError:
        return None
    return "an int32 may not hold the sum with the bias" if sums + np.abs(added).max() > _LARGEST else None


def refuse_products(products: int, weight: Quantized, apart: bool = False) -> str | None:
    """Why an int32 might not hold the sum of so many products of bytes with weights, or second factors, of a type.

    Args:
        apart: products with zero points are summed up apart, so that sums on the way are larger than what is left.
    """
    largest = _largest_product(weight)
    if apart and not _is_centred(weight):
        largest += MOST_STEP << weight.bits - 1
    return _too_many(products) if products * largest > _LARGEST else None


def _is_centred(weight: Quantized) -> bool:
    return weight.zero == (0 if weight.is_signed else 1 << weight.bits - 1)


def _largest_product(weight: Quantized) -> int:
    return MOST_STEP * (1 << weight.bits - 1 if _is_centred(weight) else (1 << weight.bits) - 1)


def _too_many(products: int) -> str:
    return f"an int32 may not hold the sum of {products} products"


def stored_bias(layer: Any, lookup: Lookup) -> Array:
    """i64, () or [outputs]: the bias in steps of the sums."""
    x, weight = (Grid.of(v.type.dtype, lookup) for v in (layer.x, layer.weight))
    bias: Any = None if layer.bias is None else layer.bias.data
    if bias is not None and isinstance(layer.bias.type.dtype, Quantized):
        bias = Stored(bias, Grid.of(layer.bias.type.dtype, lookup))
    return bias_steps(bias, weight.scale * x.scale)
