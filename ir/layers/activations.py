"""Activation layers. Their semantics are those of `plait.ir.activation`, which other layers carry as `act`."""

from __future__ import annotations

import attrs

from plait.ir.activation import Activation
from plait.ir.attributes import number, optional_dtype
from plait.ir.dtypes import ElementType
from plait.ir.layer import Elements, Layer
from plait.ir.layers._rules import result_dtype
from plait.ir.registry import layer
from plait.ir.types import TensorType
from plait.ir.values import Array, Value


@attrs.define(eq=False)
class ActivationLayer(Layer):
    """An element-wise function of one operand that other layers can absorb.

    Operands:
        x: numbers in any shape.
    Attributes:
        to: the type of the result, where that is not the type of `x`: a quantized one, or floats from quantized `x`.
    Shapes: any; the result has the shape of `x`.
    Types: numbers; the result has the type of `x`, or `to`.
    Semantics: Computed in float64 and rounded once; of integers what is behind the point is dropped. NaN stays NaN.
    Example:
        (%x: f32[1x8x4x4])
        %y = op(%x)
    """

    elements = Elements.NUMBERS

    x: Value
    to: ElementType | None = attrs.field(default=None, converter=optional_dtype, kw_only=True)

    def activation(self) -> Activation:
        """The function, as other layers carry it."""
        raise NotImplementedError

    def infer(self) -> TensorType:
        return TensorType(result_dtype(self), self.x.type.shape)

    def flops(self) -> int:
        return self.x.type.elements

    def reference(self, x: Array) -> Array:
        return self.activation()(x)


@layer("relu")
@attrs.define(eq=False)
class Relu(ActivationLayer):
    """`max(x, 0)`.

    Semantics: Exact. NaN stays NaN.
    Source: ONNX operator specification, Relu.
    """

    def activation(self) -> Activation:
        return Activation("relu")


@layer("clip")
@attrs.define(eq=False)
class Clip(ActivationLayer):
    """`min(max(x, low), high)`; relu6 is `{low = 0, high = 6}`.

    Attributes:
        low: the least result.
        high: the greatest result; it wins where `low` is greater.
    Semantics: Exact, if the type of `x` has the bounds. NaN stays NaN.
    Example:
        (%x: f32[1x8x4x4])
        %y = clip(%x) {low = 0.0, high = 6.0}
    Source: ONNX operator specification, Clip.
    """

    low: float = attrs.field(default=float("-inf"), converter=number, kw_only=True)
    high: float = attrs.field(default=float("inf"), converter=number, kw_only=True)

    def activation(self) -> Activation:
        return Activation("clip", (self.low, self.high))


@layer("hard_swish")
@attrs.define(eq=False)
class HardSwish(ActivationLayer):
    """`x * clip(x / 6 + 1 / 2, 0, 1)`.

    Source: Howard et al. 2019, Searching for MobileNetV3; ONNX operator specification, HardSwish.
    """

    def activation(self) -> Activation:
        return Activation("hard_swish")


@layer("hard_sigmoid")
@attrs.define(eq=False)
class HardSigmoid(ActivationLayer):
    """`clip(alpha * x + beta, 0, 1)`.

    Attributes:
        alpha: the slope.
        beta: the result at 0.
    Source: ONNX operator specification, HardSigmoid.
    """

    alpha: float = attrs.field(default=0.2, converter=number, kw_only=True)
    beta: float = attrs.field(default=0.5, converter=number, kw_only=True)

    def activation(self) -> Activation:
        return Activation("hard_sigmoid", (self.alpha, self.beta))


@layer("sigmoid")
@attrs.define(eq=False)
class Sigmoid(ActivationLayer):
    """`1 / (1 + exp(-x))`.

    Source: ONNX operator specification, Sigmoid.
    """

    def activation(self) -> Activation:
        return Activation("sigmoid")


@layer("silu")
@attrs.define(eq=False)
class Silu(ActivationLayer):
    """`x * sigmoid(x)`, also called swish.

    Source: Elfwing et al. 2018, Sigmoid-weighted linear units; Ramachandran et al. 2017 (swish).
    """

    def activation(self) -> Activation:
        return Activation("silu")


@layer("leaky_relu")
@attrs.define(eq=False)
class LeakyRelu(ActivationLayer):
    """`x if x >= 0 else alpha * x`.

    Attributes:
        alpha: the slope below 0.
    Source: Maas et al. 2013; ONNX operator specification, LeakyRelu.
    """

    alpha: float = attrs.field(default=0.01, converter=number, kw_only=True)

    def activation(self) -> Activation:
        return Activation("leaky_relu", (self.alpha,))


@layer("tanh")
@attrs.define(eq=False)
class Tanh(ActivationLayer):
    """Hyperbolic tangent.

    Source: ONNX operator specification, Tanh.
    """

    def activation(self) -> Activation:
        return Activation("tanh")


@layer("elu")
@attrs.define(eq=False)
class Elu(ActivationLayer):
    """`x if x >= 0 else alpha * (exp(x) - 1)`.

    Attributes:
        alpha: `-alpha` is the limit for very negative numbers.
    Source: Clevert et al. 2016; ONNX operator specification, Elu.
    """

    alpha: float = attrs.field(default=1.0, converter=number, kw_only=True)

    def activation(self) -> Activation:
        return Activation("elu", (self.alpha,))


@layer("gelu")
@attrs.define(eq=False)
class Gelu(ActivationLayer):
    """`x / 2 * (1 + erf(x / sqrt(2)))`.

    Source: Hendrycks & Gimpel 2016; ONNX operator specification, Gelu (not its approximation by tanh).
    """

    def activation(self) -> Activation:
        return Activation("gelu")
