"""The layer `square`."""

from __future__ import annotations

import attrs

from plait.ir import Layer, TensorType, Value, layer
from plait.ir.values import Array


@layer("square")
@attrs.define(eq=False)
class Square(Layer):
    """`x * x`."""

    x: Value

    def infer(self) -> TensorType:
        return TensorType(self.x.type.dtype, self.x.type.shape)

    def reference(self, x: Array) -> Array:
        return x * x
