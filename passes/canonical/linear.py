"""Spellings of fully connected layers and of scale and shift for each channel.

matmul(x, B)        = fully_connected(x, Bᵀ)      for x of [..., K] and a constant B of [K, O]
x * s + t           = scale_shift(x, s, t)        for constants s, t of [C, 1, 1]
"""

from __future__ import annotations

import numpy as np

from plait.ir.layer import Layer
from plait.ir.layers.elementwise import Add, Binary, Div, Mul, Sub
from plait.ir.layers.linear import FullyConnected, Matmul
from plait.passes.folding.affine import affine_of
from plait.passes.folding.weights import scale_shift
from plait.passes.rewriting import Builder, No, has_one_use, rewrite
from plait.passes.support.constants import constant_data


@rewrite(Matmul)
def matmul_to_fully_connected(layer: Matmul, builder: Builder) -> Layer | No:
    """matmul(x, @B) -> fully_connected(x, @Bᵀ) for x of [..., K]"""
    if layer.b.type.rank != 2:
        return No("the right operand is not one matrix")
    weight = constant_data(layer.b)
    if weight is None or not layer.a.type.dtype.is_float:
        return No("the right operand is not a floating-point constant")
    return FullyConnected(layer.a, builder.constant(f"{layer.b.name}.t", np.ascontiguousarray(weight.T)))


@rewrite(Add, Sub)
def product_and_sum_to_scale_shift(layer: Binary, builder: Builder) -> Layer | No:
    """x * s + t -> scale_shift(x, s, t)"""
    outer = affine_of(layer)
    if isinstance(outer, No):
        return outer
    product = outer.x.owner
    inner = affine_of(product) if isinstance(product, (Mul, Div)) else No("the operand is not a product")
    if isinstance(inner, No):
        return inner
    if inner.act or not has_one_use(outer.x):
        return No(f"%{outer.x.name} has other uses or an activation")
    both = outer.after(inner)
    return scale_shift(both, layer, builder) if both.per_channel else No("only scalars, which belong to no channel")


RULES = (matmul_to_fully_connected, product_and_sum_to_scale_shift)
