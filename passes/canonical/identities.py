"""Layers that change nothing, and layers that undo or repeat one another.

x + 0 = x * 1 = reshape(x; its shape) = transpose(x; identity) = concat(x) = split(x; all) = ... = x
reshape(reshape(x)) = reshape(x)
transpose(transpose(x; p); q) = transpose(x; p[q])
concat(concat(a, b), c) = concat(a, b, c)
"""

from __future__ import annotations

import numpy as np

from plait.ir.diagnostics import ShapeError
from plait.ir.dtypes import Quantized
from plait.ir.layer import Layer
from plait.ir.layers.elementwise import Add, Binary, Cast, Div, Maximum, Minimum, Mul, Sub
from plait.ir.layers.pool import AvgPool2d, GlobalAvgPool, MaxPool2d
from plait.ir.layers.resize import Resize
from plait.ir.layers.shape import Concat, Expand, Pad, Reshape, Slice, Split, Transpose
from plait.ir.types import Type
from plait.ir.values import Value
from plait.passes.layout.turned import moves_nothing
from plait.passes.rewriting import No, has_one_use, rewrite
from plait.passes.support.constants import constant_data


def _unless_converted(layer: Layer, x: Value) -> Value | No:
    """`x`, if the layer does not give its elements another type."""
    same = x.type.dtype == layer.results[0].type.dtype
    return x if same else No(f"it converts to {layer.results[0].type.dtype}")


@rewrite(Add, Sub, Mul, Div, quantized=True)
def neutral_element(layer: Binary) -> Value | No:
    """x + 0 -> x; x - 0 -> x; x * 1 -> x; x / 1 -> x"""
    if any(isinstance(v.type.dtype, Quantized) for v in (layer.a, layer.b, layer.result)):
        return No("stored integers are no numbers")
    data = constant_data(layer.b)
    neutral = 0 if isinstance(layer, (Add, Sub)) else 1
    if data is None or not np.all(data == neutral):
        return No(f"the right operand is not {neutral}")
    if layer.act:
        return No(f"{layer.op} applies {layer.act}")
    if not layer.a.type.same_logical(layer.result.type):
        return No("it broadcasts")
    return layer.a


@rewrite(Maximum, Minimum, quantized=True)
def bound_by_itself(layer: Binary) -> Value | No:
    """max(x, x) -> x; min(x, x) -> x"""
    return _unless_converted(layer, layer.a) if layer.a is layer.b and not layer.act else No("the operands differ")


@rewrite(Reshape, Expand, Cast, quantized=True)
def same_type(layer: Layer) -> Value | No:
    """reshape, expand or cast to the type that it has already -> x"""
    (x,) = layer.operands
    return x if x.type.same_logical(layer.result.type) else No("the type changes")


@rewrite(Pad, quantized=True)
def pad_by_nothing(layer: Pad) -> Value | No:
    """pad(x; 0) -> x"""
    return No("it pads or crops") if any(layer.before) or any(layer.after) else _unless_converted(layer, layer.x)


@rewrite(Slice, quantized=True)
def whole_slice(layer: Slice) -> Value | No:
    """slice(x) of all elements -> x"""
    if layer.x.type.same_logical(layer.result.type) and all(s == 1 for s in layer.steps):
        return layer.x
    return No("it takes a part, or in another order")


@rewrite(Transpose, quantized=True)
def identity_transpose(layer: Transpose) -> Value | No:
    """transpose(x; 0, 1, 2, ...) -> x"""
    return layer.x if layer.perm == tuple(range(len(layer.perm))) else No("it moves axes")


@rewrite(Concat, quantized=True)
def concat_of_one(layer: Concat) -> Value | No:
    """concat(x) -> x"""
    return _unless_converted(layer, layer.xs[0]) if len(layer.xs) == 1 else No("it has several operands")


@rewrite(Split, quantized=True)
def split_in_one(layer: Split) -> Value | No:
    """split(x; all) -> x"""
    return layer.x if len(layer.sizes) == 1 else No("it makes several parts")


@rewrite(MaxPool2d, AvgPool2d, quantized=True)
def pool_of_one(layer: Layer) -> Value | No:
    """a pool with a 1 x 1 window, stride 1 and no padding -> x"""
    assert isinstance(layer, (MaxPool2d, AvgPool2d))
    if layer.kernel == layer.stride == (1, 1) and not any(layer.pad):
        return _unless_converted(layer, layer.x)
    return No("the window or the stride is larger than 1, or it pads")


@rewrite(Resize, quantized=True)
def resize_to_same(layer: Resize) -> Value | No:
    """resize(x) to the size that it has -> x"""
    if layer.x.type.shape[2:] != layer.size:
        return No("the size changes")
    # With any other scale than 1 elements move though the size stays.
    return No("it has a scale") if layer.scale else _unless_converted(layer, layer.x)


@rewrite(GlobalAvgPool, quantized=True)
def mean_of_one(layer: GlobalAvgPool) -> Value | No:
    """global_avg_pool(x) -> x for x of [N, C, 1, 1]"""
    if layer.x.type.shape[2:] != (1, 1):
        return No("the plane is larger than 1 x 1")
    return _unless_converted(layer, layer.x)


@rewrite(Reshape, quantized=True)
def reshape_of_reshape(layer: Reshape) -> Layer | No:
    """reshape(reshape(x; s); t) -> reshape(x; t)"""
    inner = layer.x.owner
    if not isinstance(inner, Reshape):
        return No("the operand is not a reshape")
    return reshape_to(inner.x, layer.result.type)


def reshape_to(x: Value, wanted: Type) -> Layer | No:
    """A reshape of `x` to a type, if its `shape` attribute can say so."""
    shape: list[int] = []
    for i, dim in enumerate(wanted.shape):
        if isinstance(dim, int):
            shape.append(dim)
        elif i < x.type.rank and x.type.shape[i] == dim:
            shape.append(0)
        else:
            shape.append(-1)
    made = Reshape(x, shape=shape)
    try:
        fits = made.infer().same_logical(wanted)
    except ShapeError:
        fits = False
    return made if fits and 0 not in wanted.shape else No("a reshape cannot say the symbolic shape")


@rewrite(Transpose, quantized=True)
def transpose_of_transpose(layer: Transpose) -> Layer | No:
    """transpose(transpose(x; p); q) -> transpose(x; p[q])"""
    inner = layer.x.owner
    if not isinstance(inner, Transpose):
        return No("the operand is not a transpose")
    return Transpose(inner.x, perm=tuple(inner.perm[q] for q in layer.perm))


@rewrite(Transpose, quantized=True)
def transpose_to_reshape(layer: Transpose) -> Layer | No:
    """transpose(x) -> reshape(x) if only axes of size 1 change places with others"""
    if not moves_nothing(layer.x.type, layer.perm):
        return No("axes larger than 1 change places")
    if layer.perm == tuple(range(len(layer.perm))):
        return No("it moves no axis")
    return reshape_to(layer.x, layer.result.type)


@rewrite(Concat)
def concat_of_concat(layer: Concat) -> Layer | No:
    """concat(concat(a, b), c) -> concat(a, b, c) along the same axis"""
    axis, reason = layer.axis % layer.xs[0].type.rank, "no operand is a concat"
    parts: list[Value] = []
    for value in layer.xs:
        inner = value.owner
        if not isinstance(inner, Concat):
            parts.append(value)
        elif not has_one_use(value):
            reason = f"%{value.name} has other uses"
            parts.append(value)
        elif inner.axis % value.type.rank != axis:
            reason = f"%{value.name} is joined along another axis"
            parts.append(value)
        else:
            parts += inner.xs
    return Concat(tuple(parts), axis=layer.axis) if len(parts) > len(layer.xs) else No(reason)


RULES = (
    neutral_element,
    bound_by_itself,
    same_type,
    pad_by_nothing,
    whole_slice,
    identity_transpose,
    concat_of_one,
    split_in_one,
    pool_of_one,
    mean_of_one,
    resize_to_same,
    reshape_of_reshape,
    transpose_of_transpose,
    transpose_to_reshape,
    concat_of_concat,
)
