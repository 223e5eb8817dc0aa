"""Activation layers. Their semantics are those of `plait.ir.activation`, which other layers carry as `act`."""

from __future__ import annotations

import attrs

from plait.ir.activation import Activation
from plait.ir.attributes import number
from plait.ir.layer import Layer
from plait.ir.registry import layer
from plait.ir.types import TensorType
from plait.ir.values import Array, Value


@attrs.define(eq=False)
class ActivationLayer(Layer):
    """An element-wise function of one operand that other layers can absorb."""

    x: Value

    def activation(self) -> Activation:
        """The function, as other layers carry it."""
        raise NotImplementedError

    def infer(self) -> TensorType:
        return TensorType(self.x.type.dtype, self.x.type.shape)

    def flops(self) -> int:
        return self.x.type.elements

    def reference(self, x: Array) -> Array:
        return self.activation()(x)


@layer("relu")
@attrs.define(eq=False)
class Relu(ActivationLayer):
    """`max(x, 0)`."""

    def activation(self) -> Activation:
        return Activation("relu")


@layer("clip")
@attrs.define(eq=False)
class Clip(ActivationLayer):
    """`min(max(x, low), high)`; relu6 is `{low = 0, high = 6}`."""

    low: float = attrs.field(default=float("-inf"), converter=number, kw_only=True)
    high: float = attrs.field(default=float("inf"), converter=number, kw_only=True)

    def activation(self) -> Activation:
        return Activation("clip", (self.low, self.high))


@layer("hard_swish")
@attrs.define(eq=False)
class HardSwish(ActivationLayer):
    """`x * clip(x / 6 + 1 / 2, 0, 1)`. Source: Howard et al. 2019."""

    def activation(self) -> Activation:
        return Activation("hard_swish")


@layer("hard_sigmoid")
@attrs.define(eq=False)
class HardSigmoid(ActivationLayer):
    """`clip(alpha * x + beta, 0, 1)`."""

    alpha: float = attrs.field(default=0.2, converter=number, kw_only=True)
    beta: float = attrs.field(default=0.5, converter=number, kw_only=True)

    def activation(self) -> Activation:
        return Activation("hard_sigmoid", (self.alpha, self.beta))


@layer("sigmoid")
@attrs.define(eq=False)
class Sigmoid(ActivationLayer):
    """`1 / (1 + exp(-x))`."""

    def activation(self) -> Activation:
        return Activation("sigmoid")


@layer("silu")
@attrs.define(eq=False)
class Silu(ActivationLayer):
    """`x * sigmoid(x)`, also called swish."""

    def activation(self) -> Activation:
        return Activation("silu")


@layer("leaky_relu")
@attrs.define(eq=False)
class LeakyRelu(ActivationLayer):
    """`x if x >= 0 else alpha * x`."""

    alpha: float = attrs.field(default=0.01, converter=number, kw_only=True)

    def activation(self) -> Activation:
        return Activation("leaky_relu", (self.alpha,))


@layer("tanh")
@attrs.define(eq=False)
class Tanh(ActivationLayer):
    """Hyperbolic tangent."""

    def activation(self) -> Activation:
        return Activation("tanh")


@layer("elu")
@attrs.define(eq=False)
class Elu(ActivationLayer):
    """`x if x >= 0 else alpha * (exp(x) - 1)`."""

    alpha: float = attrs.field(default=1.0, converter=number, kw_only=True)

    def activation(self) -> Activation:
        return Activation("elu", (self.alpha,))


@layer("gelu")
@attrs.define(eq=False)
class Gelu(ActivationLayer):
    """`x / 2 * (1 + erf(x / sqrt(2)))`."""

    def activation(self) -> Activation:
        return Activation("gelu")
