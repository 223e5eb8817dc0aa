"""Squeeze and excitation: channels weighed by what all of the image says."""

from __future__ import annotations

import attrs
import numpy as np

from plait.ir.activation import NONE, RELU, Activation, activation
from plait.ir.diagnostics import ShapeError
from plait.ir.layer import Elements, Layer
from plait.ir.layers._rules import show, want_rank
from plait.ir.registry import layer
from plait.ir.types import TensorType
from plait.ir.values import Array, Value

SIGMOID = Activation("sigmoid")


@layer("squeeze_excite")
@attrs.define(eq=False)
class SqueezeExcite(Layer):
    """A gate for each channel, computed from the means of all channels: `act(x * gates)`.

    Operands:
        x: images [N, C, H, W].
        reduce_weight: filters [S, C, 1, 1], from the channels of the image to few.
        expand_weight: filters [C, S, 1, 1], from those to the gates.
        reduce_bias: [S].
        expand_bias: [C].
    Attributes:
        reduce_act: what is applied to the few channels.
        gate: what makes gates of the sums.
        act: what is applied to each number of the result.
    Shapes: any height and width; the result has the shape of `x`. The shapes of the weights are static.
    Types: floats of one type, which the result has.
    Semantics: What `global_avg_pool`, `conv2d` with `reduce_act`, `conv2d` with `gate` and `mul` with `act` compute one
        after the other: each step is rounded to the type.
    Example:
        (%x: f32[1x16x8x8], %r: f32[4x16x1x1], %e: f32[16x4x1x1], %rb: f32[4], %eb: f32[16])
        %y = squeeze_excite(%x, %r, %e, %rb, %eb) {gate = hard_sigmoid(0.2, 0.5)}
    Source: Hu et al. 2018, Squeeze-and-excitation networks; Howard et al. 2019, Searching for MobileNetV3.
    """

    elements = Elements.FLOATS
    one_type = True

    x: Value
    reduce_weight: Value
    expand_weight: Value
    reduce_bias: Value | None = None
    expand_bias: Value | None = None
    reduce_act: Activation = attrs.field(default=RELU, converter=activation, kw_only=True)
    gate: Activation = attrs.field(default=SIGMOID, converter=activation, kw_only=True)
    act: Activation = attrs.field(default=NONE, converter=activation, kw_only=True)

    def infer(self) -> TensorType:
        channels = want_rank(self.x, 4, "x")[1]
        few = want_rank(self.reduce_weight, 4, "reduce_weight")[0]
        if not isinstance(few, int) or not isinstance(channels, int):
            raise ShapeError("the numbers of channels must be known")
        wanted = {
            "reduce_weight": (few, channels, 1, 1),
            "expand_weight": (channels, few, 1, 1),
            "reduce_bias": (few,),
            "expand_bias": (channels,),
        }
        for name, shape in wanted.items():
            value: Value | None = getattr(self, name)
            if value is not None and value.type.shape != shape:
                raise ShapeError(f"{name} must be {show(shape)}, got {value.type}")
        return TensorType(self.x.type.dtype, self.x.type.shape)

    @property
    def reduced(self) -> int:
        """The number of channels between the two weights."""
        return self.reduce_weight.type.static_shape[0]

    def flops(self) -> int:
        n, c = self.x.type.static_shape[:2]
        return 2 * self.x.type.elements + 4 * n * c * self.reduced

    def reference(
        self, x: Array, reduce_weight: Array, expand_weight: Array, reduce_bias: Array | None, expand_bias: Array | None
    ) -> Array:
        means = x.mean(axis=(2, 3), dtype=np.float64).astype(x.dtype)
        few = _dense(means, reduce_weight, reduce_bias, self.reduce_act)
        gates = _dense(few, expand_weight, expand_bias, self.gate)
        with np.errstate(all="ignore"):
            return self.act((x * gates[:, :, None, None]).astype(x.dtype))


def _dense(x: Array, weight: Array, bias: Array | None, act: Activation) -> Array:
    y = x.astype(np.float64) @ weight[:, :, 0, 0].astype(np.float64).T
    if bias is not None:
        y += bias
    return act(y).astype(x.dtype)
