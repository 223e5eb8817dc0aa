"""The bits of elements, whatever these stand for."""

from __future__ import annotations

from typing import Any

import attrs

from plait.ir.attributes import dtype as dtype_converter
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
