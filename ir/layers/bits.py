"""The bits of elements, whatever these stand for."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np

from plait.ir.attributes import dtype as dtype_converter
from plait.ir.attributes import optional_dtype
from plait.ir.casting import cast_array
from plait.ir.diagnostics import ShapeError
from plait.ir.dtypes import DType, ElementType
from plait.ir.layer import Layer, Scope
from plait.ir.registry import layer
from plait.ir.types import TensorType
from plait.ir.values import Array, Value


@layer("bitcast")
@attrs.define(eq=False)
class Bitcast(Layer):
    """The same bits, read as elements of another type of the same size.

    Operands:
        x: elements of any type but strings.
    Attributes:
        to: the type of the result, with as many bits.
    Shapes: any; the result has the shape of `x`.
    Types: any to any of the same number of bits. Between a plain integer type and a quantized one that is stored so
        it changes nothing but what elements stand for.
    Semantics: Exact; nothing is computed.
    Example:
        (%x: u8[1x3x8x8])
        %y = bitcast(%x) {to = qu8<0.5:128>}
    Source: ONNX operator specification, BitCast.
    """

    x: Value
    to: ElementType = attrs.field(converter=dtype_converter, kw_only=True)

    def infer(self) -> TensorType:
        source = self.x.type.dtype
        if source.bits != self.to.bits or DType.STRING in (source, self.to):
            raise ShapeError(f"bitcast wants a type of {source.bits} bits for {source}, got {self.to}")
        return TensorType(self.to, self.x.type.shape)

    def execute(self, scope: Scope, *operands: Any) -> Array:
        return self.reference(*operands)  # bits are those of the stored integers, not of what they stand for

    def reference(self, x: Array) -> Array:
        source, target = self.x.type.dtype.storage, self.to.storage
        if source.is_integer and target.is_integer and source.bits < 8:
            return cast_array(x, target)  # a byte holds each element, and its upper bits follow from the sign
        return x.view(target.numpy)


@layer("lookup")
@attrs.define(eq=False)
class LookupTable(Layer):
    """A function of single bytes, given by its 256 results.

    Operands:
        x: elements of 8 bits.
        table: 256 bytes. The bits of an element of `x`, read as an unsigned integer, say which of them are the bits of
            the result.
    Attributes:
        to: the type of the result, of 8 bits; that of `x` if it is left out.
    Shapes: any; the result has the shape of `x`.
    Types: integers of 8 bits, or quantized elements that are stored so; `table` is `u8[256]`. What elements stand for
        matters as little as for `bitcast`.
    Semantics: Exact.
    Example:
        (%x: qu8<0.5:128>[1x3x8x8], %table: u8[256])
        %y = lookup(%x, %table) {to = qu8<0.25>}
    Source: TensorFlow Lite, whose kernels of unary functions on 8 bits are such tables.
    """

    x: Value
    table: Value
    to: ElementType | None = attrs.field(default=None, converter=optional_dtype, kw_only=True)

    def infer(self) -> TensorType:
        result = self.x.type.dtype if self.to is None else self.to
        for dtype in (self.x.type.dtype, result):
            if not dtype.storage.is_integer or dtype.bits != 8:
                raise ShapeError(f"lookup is for integers of 8 bits, got {dtype}")
        table = self.table.type
        if table.dtype is not DType.U8 or table.shape != (256,):
            raise ShapeError(f"the table must be u8[256], got {table}")
        return TensorType(result, self.x.type.shape)

    def execute(self, scope: Scope, *operands: Any) -> Array:
        return self.reference(*operands)  # on bits, as bitcast

    def reference(self, x: Array, table: Array) -> Array:
        return np.asarray(table[x.view(np.uint8)]).view(self.result.type.dtype.numpy)
