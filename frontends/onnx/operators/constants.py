"""Constants, and operators whose result is known at import: shapes, and functions that only fold."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx

from plait.frontends.onnx.context import Context
from plait.frontends.onnx.registry import converter
from plait.frontends.onnx.tracking import known_dims
from plait.frontends.onnx.unsupported import Unsupported
from plait.ir.diagnostics import ShapeError
from plait.ir.layers.shape import ShapeOf, Slice
from plait.ir.types import TensorType
from plait.ir.values import Array, Constant, Value


@converter("Constant")
def constant(ctx: Context) -> Value:
    given = [name for name in ctx.attributes if ctx.attributes[name] is not None]
    if len(given) != 1:
        raise ShapeError(f"wants exactly one attribute, got {', '.join(given) or 'none'}")
    name, value = given[0], ctx.attributes[given[0]]
    match name:
        case "value":
            made = ctx.reader.constant(value, ctx.output, str(ctx.node))
            ctx.made.append(made)
            return made
        case "value_float" | "value_floats":
            return ctx.constant(np.array(value, dtype=np.float32))
        case "value_int" | "value_ints":
            return ctx.constant(np.array(value, dtype=np.int64))
    raise Unsupported(f"Constant with {name}")


@converter("ConstantOfShape", since=9)
def constant_of_shape(ctx: Context) -> Value:
    shape = ctx.known_ints(0, "the shape")
    if any(d < 0 for d in shape):
        raise ShapeError(f"shape {list(shape)} has a negative dimension")
    tensor = ctx.attributes.get("value") or onnx.TensorProto(
        data_type=onnx.TensorProto.FLOAT, dims=[1], float_data=[0.0]
    )
    fill = ctx.reader.constant(tensor, "value", f"the value of {ctx.node}")
    if fill.type.elements != 1:
        raise ShapeError(f"the value must have one element, got {fill.type}")
    # Loaded only when read: files of architectures have hundreds of megabytes of such weights.
    return ctx.lazy(TensorType(fill.type.dtype, shape), lambda: np.full(shape, fill.data.reshape(())))


@converter("Shape")
def shape(ctx: Context) -> Value:
    x = ctx.value()
    rank = x.type.rank
    part = slice(ctx.int_attr("start", 0), ctx.int_attr("end") if ctx.has("end") else None)
    start, stop, _ = part.indices(rank)
    if (start, stop) == (0, rank):
        return ctx.shape_value(ShapeOf(x), x.type.shape)
    whole = ctx.shape_value(ShapeOf(x), x.type.shape)
    return ctx.emit(Slice(whole, axes=(0,), starts=(start,), stops=(max(stop, start),)))


@converter("Size")
def size(ctx: Context) -> Value:
    from plait.ir.layers.reduce import Reduce

    x = ctx.value()
    return ctx.emit(Reduce(ctx.shape_value(ShapeOf(x), x.type.shape), fn="prod", keep=False))


def _equal(a: Any, b: Any) -> Array:
    return np.asarray(np.equal(a, b), dtype=np.bool_)


_FOLDED: dict[str, Callable[..., Array]] = {
    "Equal": _equal,
    "Less": np.less,
    "Greater": np.greater,
    "LessOrEqual": np.less_equal,
    "GreaterOrEqual": np.greater_equal,
    "Not": np.logical_not,
    "And": np.logical_and,
    "Or": np.logical_or,
    "Xor": np.logical_xor,
    "Where": np.where,
    "Sign": np.sign,
}


@converter(*_FOLDED)
def folded(ctx: Context) -> Value:
    """Functions without a layer: shape arithmetic uses them on constants."""
    arrays = _arrays(ctx)
    size = math.prod(np.broadcast_shapes(*(a.shape for a in arrays)))
    return _known(ctx, lambda: _FOLDED[ctx.node.op](*arrays), size)


@converter("Range", since=11)
def range_(ctx: Context) -> Value:
    start, limit, delta = (a.reshape(()) for a in _arrays(ctx))
    if delta == 0:
        raise ShapeError("the step is 0")
    count = max(math.ceil((limit.item() - start.item()) / delta.item()), 0)
    return _known(ctx, lambda: (start + np.arange(count) * delta).astype(start.dtype), count)


def _arrays(ctx: Context) -> Sequence[Array]:
    arrays = []
    for value in ctx.values():
        if isinstance(value, Constant):
            arrays.append(value.data)
        elif (dims := known_dims(value)) is not None:
            arrays.append(dims)
        else:
            raise Unsupported(f"{ctx.node.op} of run-time data")
    return arrays


def _known(ctx: Context, compute: Callable[[], Array], elements: int) -> Value:
    """A constant computed now, if it is small, and holds no dims."""
    if elements > 1 << 24:
        raise Unsupported(f"{ctx.node.op} would make a constant of {elements:,} elements")
    data = np.asarray(compute())
    if data.dtype == object:
        if not all(isinstance(d, int) for d in data.flat):
            raise Unsupported(f"{ctx.node.op} on symbolic dimensions; pin them with dims=")
        data = data.astype(np.int64)
    return ctx.constant(data)
