"""MatMulInteger as a matrix product of quantized numbers whose scale is 1, and whose result is the sums themselves.

A zero point that is computed at run time, as DynamicQuantizeLinear makes one of the left operand, is taken off behind
the product, where the columns of the right operand are known: sum (a - z) b = sum a b - z * sum b.
"""

from __future__ import annotations

import numpy as np

from plait.frontends.onnx.context import Context
from plait.frontends.onnx.operators._quantized import storage_of
from plait.ir.dtypes import DType, Quantized
from plait.ir.layers.elementwise import Cast, Mul, Sub
from plait.ir.layers.linear import Matmul
from plait.ir.values import Constant, Value

_SUMS = Quantized(DType.I32, 1.0, 0)
_MOST_PRODUCTS = ((1 << 31) - 1) // (255 * 255)


def integer_sums(ctx: Context) -> Value | None:
    """The result (i32); None where operands and zero points are none that types with one scale can describe."""
    a, b, a_zero = ctx.value(0), ctx.value(1), ctx.optional(2)
    offset = _offset(ctx.optional(3))
    if min(a.type.rank, b.type.rank) < 2 or not (_is_bytes(a) and _is_bytes(b)) or offset is None:
        return None
    depth = b.type.shape[-2]
    if not isinstance(depth, int) or depth > _MOST_PRODUCTS:
        return None
    known = _offset(a_zero)
    if known is not None:
        return _product(ctx, a, known, b, offset)
    if a_zero is None or a_zero.type.elements != 1 or not isinstance(b, Constant) or not b.has_data:
        return None
    columns = (b.data.astype(np.int64) - offset).sum(-2, keepdims=True).astype(np.int32)
    zero = ctx.reshape(ctx.emit(Cast(a_zero, to=DType.I32)), ())
    taken = ctx.emit(Mul(ctx.constant(columns, "columns"), zero))
    return ctx.emit(Sub(_product(ctx, a, 0, b, offset), taken))


def _is_bytes(value: Value) -> bool:
    return value.type.dtype in (DType.U8, DType.I8)


def _offset(zero: Value | None) -> int | None:
    """A zero point that is known, and the same for all elements."""
    if zero is None:
        return 0
    if not isinstance(zero, Constant) or not zero.has_data or not zero.data.size or np.ptp(zero.data.astype(int)):
        return None
    return int(zero.data.flat[0])


def _product(ctx: Context, a: Value, a_zero: int, b: Value, b_zero: int) -> Value:
    left, right = (ctx.retyped(v, Quantized(storage_of(v), 1.0, zero)) for v, zero in ((a, a_zero), (b, b_zero)))
    return ctx.retyped(ctx.emit(Matmul(left, right, to=_SUMS)), DType.I32)
