"""Layers that only move elements, or compare them, do so with bytes: casts from integers sink below them, casts to
integers rise above them, and weights are moved once and for all.

    move(dequantize(x)) = dequantize(move(x))
    quantize(move(x))   = move(quantize(x))
"""

from __future__ import annotations

import math

import attrs
import numpy as np

from plait.ir.dtypes import Array, Quantized
from plait.ir.layer import Layer
from plait.ir.layers.elementwise import Cast
from plait.ir.layers.linear import FullyConnected, Matmul
from plait.ir.layers.pool import MaxPool2d
from plait.ir.layers.resize import Resize
from plait.ir.layers.shape import Concat, Expand, Gather, Pad, Reshape, Slice, Split, Transpose
from plait.ir.quantization import dequantize, quantize
from plait.ir.types import TensorType
from plait.ir.values import Constant, Value
from plait.passes.quantized.casts import constant_source, per_tensor, quantized, source, target
from plait.passes.rewriting import Builder, No, has_one_use, rewrite
from plait.passes.support.constants import stored_data

_MOVERS = (Concat, Expand, Gather, MaxPool2d, Pad, Reshape, Resize, Slice, Split, Transpose)


@rewrite(*_MOVERS, quantized=True)
def sink_cast_from_integers(layer: Layer, builder: Builder) -> Layer | tuple[Value, ...] | No:
    """move(dequantize(x)) -> dequantize(move(x))"""
    moved = _moved(layer)
    stored = [source(v) for v in moved]
    types = {None if v is None else quantized(v) for v in stored}
    dtype = types.pop()
    if not isinstance(dtype, Quantized) or types:
        return No("operands are not numbers of integers of one type")
    if reason := _why_not_bytes(layer, dtype):
        return No(reason)
    if all(isinstance(v, Constant) for v in stored):
        return No("it moves a constant")
    if dtype.axis is not None:
        return No(f"the operand has several scales: {dtype}")
    mapping = {value: found for value, found in zip(moved, stored, strict=True) if found is not None}
    names = [f"{r.name}.{dtype.storage}" for r in layer.results]
    results = builder.results(layer.with_operands(mapping), names)
    to = layer.results[0].type.dtype
    if len(results) == 1:
        return Cast(results[0], to=to)
    return tuple(builder.layer(Cast(part, to=to), r.name) for part, r in zip(results, layer.results, strict=True))


@rewrite(Cast, quantized=True)
def raise_cast_to_integers(cast: Cast, builder: Builder) -> Layer | No:
    """quantize(move(x)) -> move(quantize(x))"""
    to, layer = target(cast), cast.x.owner
    if to is None or to.axis is not None or not isinstance(layer, _MOVERS) or isinstance(layer, Split):
        return No("it does not quantize numbers that were moved")
    if not has_one_use(cast.x):
        return No(f"%{cast.x.name} is read as numbers elsewhere")
    if reason := _why_not_bytes(layer, to):
        return No(reason)
    moved = dict.fromkeys(_moved(layer))
    if not any(source(v) is None for v in moved):
        return No("all operands are numbers of integers")
    return layer.with_operands({v: builder.layer(Cast(v, to=to), f"{v.name}.{to.storage}") for v in moved})


def _moved(layer: Layer) -> tuple[Value, ...]:
    return layer.xs if isinstance(layer, Concat) else (layer.operands[0],)


def _why_not_bytes(layer: Layer, dtype: Quantized) -> str | None:
    """Why elements of a type cannot be moved as they are stored."""
    if (to := getattr(layer, "to", None)) is not None:
        return f"{layer.op} converts to {to}"
    if isinstance(layer, Resize) and layer.mode != "nearest":
        return f"{layer.mode} mixes elements"
    if isinstance(layer, Pad) and layer.value and dtype.axis is None:
        exact = dequantize(quantize(np.array(layer.value), dtype, _nothing), dtype, _nothing)
        if float(exact) != np.float32(layer.value):
            return f"no integer stands for {layer.value}, with which it pads"
    return None


def _nothing(name: str) -> Array:
    raise AssertionError(name)


# --- weights ---


@rewrite(Reshape, Transpose, quantized=True)
def move_constant(layer: Layer, builder: Builder) -> Layer | No:
    """move(dequantize(@w)) -> dequantize(@v)"""
    constant = constant_source(layer.operands[0])
    data = stored_data(constant)
    if constant is None or data is None:
        return No("the operand is not the numbers of a constant")
    dtype = constant.type.dtype
    assert isinstance(dtype, Quantized)
    type = layer.result.type
    if isinstance(layer, Transpose):
        moved, axis = data.transpose(layer.perm), None if dtype.axis is None else layer.perm.index(dtype.axis)
    else:
        moved, axis = data.reshape(type.static_shape), _axis_after(constant.type, dtype.axis, type.static_shape)
    if dtype.block or (axis is None) != (dtype.axis is None):
        return No(f"the scales of {dtype} do not move along")
    kept = attrs.evolve(dtype, axis=axis)
    return Cast(builder.constant(constant.name, moved, TensorType(kept, moved.shape)), to=type.dtype)


def _axis_after(before: TensorType, axis: int | None, shape: tuple[int, ...]) -> int | None:
    """The axis of a reshaped tensor that has the indices of an axis before; None if there is none."""
    if axis is None:
        return None
    old = before.static_shape
    lead = math.prod(old[:axis])
    found = [i for i, size in enumerate(shape) if size == old[axis] and math.prod(shape[:i]) == lead]
    return found[0] if found else None


@rewrite(Matmul, quantized=True)
def matmul_of_weights(layer: Matmul, builder: Builder) -> Layer | No:
    """matmul(x, dequantize(@B)) -> fully_connected(x, dequantize(@Bᵀ))"""
    constant = constant_source(layer.b)
    if constant is None or constant.type.rank != 2 or layer.to is not None:
        return No("the right operand is not the numbers of one constant matrix")
    if source(layer.a) is not None and not per_tensor(source(layer.a) or layer.a):
        return No("the left operand has several scales")
    weight = builder.layer(Transpose(layer.b, perm=(1, 0)), f"{layer.b.name}.t")
    return FullyConnected(layer.a, weight)
