"""How weights absorb a multiplication and an addition for each channel.

    (conv(x, W) + b) * s + t = conv(x, s W) + (b s + t)

All arithmetic on weights is done in float64 and rounded once.
"""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np

from plait.ir.layer import Layer
from plait.ir.layers.conv import Conv2d
from plait.ir.layers.linear import FullyConnected
from plait.ir.layers.normalization import ScaleShift
from plait.ir.values import Value
from plait.passes.folding.affine import Affine
from plait.passes.rewriting import Builder, No, has_one_use
from plait.passes.support.constants import constant_data


def weighted(value: Value) -> Conv2d | FullyConnected | No:
    """The layer with weights that makes `value`, for one reader and without activation; or why there is none."""
    target = value.owner
    if not isinstance(target, (Conv2d, FullyConnected)):
        return No("the operand is not made by conv2d or fully_connected")
    if not has_one_use(value):
        return No(f"%{value.name} has other uses")
    return No(f"{target.op} applies {target.act} first") if target.act else target


def fold(target: Conv2d | FullyConnected, affine: Affine, builder: Builder) -> Layer | No:
    """`target` followed by `affine` as one layer, or why that is not possible."""
    weight = constant_data(target.weight)
    bias = np.zeros(()) if target.bias is None else constant_data(target.bias)
    if weight is None or bias is None:
        return No("weight or bias is not a constant")
    with np.errstate(over="ignore"):
        scaled = (weight * affine.scale.reshape(-1, *[1] * (weight.ndim - 1))).astype(weight.dtype)
        shifted = (bias * affine.scale + affine.shift).astype(weight.dtype)
    if not (np.isfinite(scaled).all() and np.isfinite(shifted).all()):
        return No("the folded weights would not be finite")
    changes: dict[str, Any] = {"act": affine.act}
    if np.any(affine.scale != 1):
        changes["weight"] = builder.constant(folded_name(target.weight), scaled)
    if target.bias is not None or np.any(shifted != 0):
        changes["bias"] = builder.constant(bias_name(target), shifted)
    return attrs.evolve(target, **changes)


def folded_name(constant: Value) -> str:
    """Name of what folding makes of a constant: `w` -> `w.folded`, once."""
    return f"{constant.name.removesuffix('.folded')}.folded"


def bias_name(target: Conv2d | FullyConnected) -> str:
    """Name of the folded bias of a layer."""
    if target.bias is not None:
        return folded_name(target.bias)
    return f"{target.weight.name.removesuffix('.folded')}.bias.folded"


def scale_shift(affine: Affine, layer: Layer, builder: Builder) -> Layer | No:
    """An affine function as a layer; `layer` gives the constants their names."""
    dtype, name = affine.x.type.dtype.numpy, layer.results[0].name
    with np.errstate(over="ignore"):
        scale, shift = affine.scale.astype(dtype), affine.shift.astype(dtype)
    if not (np.isfinite(scale).all() and np.isfinite(shift).all()):
        return No("a scale or shift would not be finite")
    return ScaleShift(
        affine.x, builder.constant(f"{name}.scale", scale), builder.constant(f"{name}.shift", shift), act=affine.act
    )
