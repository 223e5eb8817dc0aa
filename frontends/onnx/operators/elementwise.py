"""Arithmetic, unary functions, casts."""

from __future__ import annotations

from collections.abc import Sequence

from plait.frontends.onnx.context import Context
from plait.frontends.onnx.registry import converter
from plait.frontends.onnx.tensors import dtype_of
from plait.ir.diagnostics import ShapeError
from plait.ir.dtypes import DType, ElementType
from plait.ir.layers import elementwise as ew
from plait.ir.layers._rules import axis_in
from plait.ir.layers.bits import Bitcast
from plait.ir.values import Value

_BINARY = {"Add": ew.Add, "Sub": ew.Sub, "Mul": ew.Mul, "Div": ew.Div}
_MANY: dict[str, type[ew.Binary]] = {"Sum": ew.Add, "Mean": ew.Add, "Max": ew.Maximum, "Min": ew.Minimum}


@converter("Add", "Sub", "Mul", "Div")
def binary(ctx: Context) -> Value:
    a, b = _operands(ctx)
    return ctx.emit(_BINARY[ctx.node.op](a, b))


@converter("Pow")
def power(ctx: Context) -> Value:
    a, b = _operands(ctx)
    ours, other = a.type.dtype, b.type.dtype
    if ours == other:
        return ctx.emit(ew.Pow(a, b))
    if ours.is_float or not other.is_float:
        return ctx.emit(ew.Pow(a, ctx.emit(ew.Cast(b, to=ours))))
    return ctx.emit(ew.Cast(ctx.emit(ew.Pow(ctx.emit(ew.Cast(a, to=other)), b)), to=ours))


def _operands(ctx: Context) -> tuple[Value, Value]:
    """Both operands so that NumPy's broadcasting applies: before opset 7, `axis` says where B begins in A."""
    a, b = ctx.value(0), ctx.value(1)
    if ctx.opset >= 7 or not ctx.int_attr("broadcast", 0):
        return a, b
    if not ctx.has("axis") or b.type.rank == 0:
        return a, b
    tail = a.type.rank - axis_in(ctx.int_attr("axis"), a.type.rank) - b.type.rank
    if tail < 0:
        raise ShapeError(f"{b.type} does not fit into {a.type} from axis {ctx.int_attr('axis')} on")
    return a, ctx.reshape(b, (*b.type.shape, *[1] * tail))


@converter("Sum", "Mean", "Max", "Min")
def of_many(ctx: Context) -> Value:
    op = ctx.node.op
    values = ctx.values()
    result = _chain(ctx, _MANY[op], values)
    return ctx.emit(ew.Div(result, ctx.like(result, len(values)))) if op == "Mean" else result


def _chain(ctx: Context, kind: type[ew.Binary], values: Sequence[Value]) -> Value:
    if not values:
        raise ShapeError("wants at least one input")
    result = values[0]
    for value in values[1:]:
        result = ctx.emit(kind(result, value))
    return result


@converter("Exp", "Log", "Sqrt", "Abs", "Neg", "Floor", "Ceil", "Reciprocal")
def unary(ctx: Context) -> Value:
    return ctx.emit(ew.Unary(ctx.value(), fn=ctx.node.op.lower()))


@converter("Round", since=11)
def round_(ctx: Context) -> Value:
    return ctx.emit(ew.Unary(ctx.value(), fn="round"))


@converter("Erf", since=9)
def erf(ctx: Context) -> Value:
    return ctx.emit(ew.Unary(ctx.value(), fn="erf"))


@converter("Identity")
def identity(ctx: Context) -> Value:
    return ctx.value()


@converter("Cast", since=6)
def cast(ctx: Context) -> Value:
    return _cast(ctx, dtype_of(ctx.int_attr("to")))


@converter("Cast", until=5)
def cast_by_name(ctx: Context) -> Value:
    from onnx import TensorProto

    name = ctx.text_attr("to").upper()
    if name not in TensorProto.DataType.keys():  # noqa: SIM118 - an enum wrapper, not a dict
        raise ShapeError(f"unknown element type {ctx.text_attr('to')!r}")
    return _cast(ctx, dtype_of(TensorProto.DataType.Value(name)))


@converter("CastLike", since=15)
def cast_like(ctx: Context) -> Value:
    return _cast(ctx, ctx.value(1).type.dtype)


@converter("BitCast", since=26)
def bit_cast(ctx: Context) -> Value:
    return ctx.emit(Bitcast(ctx.value(), to=dtype_of(ctx.int_attr("to"))))


def _cast(ctx: Context, to: ElementType) -> Value:
    x = ctx.value()
    if x.type.dtype == to:
        return x
    saturate = bool(ctx.int_attr("saturate", 1)) or not (to.is_float and to.storage.bits == 8)
    rounding = ctx.text_attr("round_mode", "up") if to is DType.F8E8M0 else "up"
    return ctx.emit(ew.Cast(x, to=to, saturate=saturate, rounding=rounding))
