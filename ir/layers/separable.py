"""Depthwise separable convolution: two convolutions as one layer."""

from __future__ import annotations

import math

import attrs
import numpy as np

from plait.ir.activation import NONE, Activation, activation
from plait.ir.attributes import pads, pair
from plait.ir.diagnostics import ShapeError
from plait.ir.dims import Dimension
from plait.ir.layer import Elements, Layer
from plait.ir.layers._rules import show, want_rank, window_extent
from plait.ir.layers.conv import conv2d
from plait.ir.registry import layer
from plait.ir.types import TensorType
from plait.ir.values import Array, Value


@layer("separable_conv2d")
@attrs.define(eq=False)
class SeparableConv2d(Layer):
    """A convolution of each channel alone, then one of 1x1 over all channels: `act(pointwise(depthwise_act(depthwise(x)
    + depthwise_bias)) + bias + residual)`.

    Operands:
        x: images [N, C, H, W].
        depthwise_weight: a filter for each channel, [C, 1, KH, KW].
        weight: filters of the second convolution, [O, C, 1, 1].
        depthwise_bias: [C].
        bias: [O].
        residual: [N, O, OH, OW], added before the activation.
    Attributes:
        stride: step of the window, for height and width.
        pad: rows and columns of zeros around the image: top, left, bottom, right.
        dilation: distance of neighbouring elements of a filter, for height and width.
        depthwise_act: what is applied to the result of the first convolution.
        act: what is applied to each number of the result.
    Shapes: `x` [N, C, H, W] to [N, O, OH, OW], where OH and OW are those of `conv2d` with `depthwise_weight`. The
        shapes of the weights are static.
    Types: floats of one type, which the result has.
    Semantics: What `conv2d` with `groups = C` and `depthwise_act`, and `conv2d` with `residual` and `act` compute one
        after the other: each is rounded to the type.
    Example:
        (%x: f32[1x8x16x16], %d: f32[8x1x3x3], %w: f32[12x8x1x1])
        %y = separable_conv2d(%x, %d, %w) {stride = 2, pad = 1, depthwise_act = relu6}
    Source: Chollet 2017, Xception; Howard et al. 2017, MobileNets.
    """

    elements = Elements.FLOATS
    one_type = True

    x: Value
    depthwise_weight: Value
    weight: Value
    depthwise_bias: Value | None = None
    bias: Value | None = None
    residual: Value | None = None
    stride: tuple[int, int] = attrs.field(default=(1, 1), converter=pair, kw_only=True)
    pad: tuple[int, int, int, int] = attrs.field(default=(0, 0, 0, 0), converter=pads, kw_only=True)
    dilation: tuple[int, int] = attrs.field(default=(1, 1), converter=pair, kw_only=True)
    depthwise_act: Activation = attrs.field(default=NONE, converter=activation, kw_only=True)
    act: Activation = attrs.field(default=NONE, converter=activation, kw_only=True)

    def infer(self) -> TensorType:
        n, c, h, w = want_rank(self.x, 4, "x")
        kh, kw = want_rank(self.depthwise_weight, 4, "depthwise_weight")[2:]
        o = want_rank(self.weight, 4, "weight")[0]
        if min(self.stride) < 1 or min(self.dilation) < 1 or min(self.pad) < 0:
            raise ShapeError("stride and dilation must be positive, pad not negative")
        if not all(isinstance(d, int) for d in (c, o)) or not isinstance(kh, int) or not isinstance(kw, int):
            raise ShapeError("the shapes of the weights must be known")
        top, left, bottom, right = self.pad
        out = (
            n,
            o,
            window_extent(h, kh, self.stride[0], self.dilation[0], top, bottom),
            window_extent(w, kw, self.stride[1], self.dilation[1], left, right),
        )
        wanted: dict[str, tuple[Dimension, ...]] = {
            "depthwise_weight": (c, 1, kh, kw),
            "weight": (o, c, 1, 1),
            "depthwise_bias": (c,),
            "bias": (o,),
            "residual": out,
        }
        for name, shape in wanted.items():
            value: Value | None = getattr(self, name)
            if value is not None and value.type.shape != shape:
                raise ShapeError(f"{name} must be {show(shape)}, got {value.type}")
        return TensorType(self.x.type.dtype, out)

    @property
    def kernel(self) -> tuple[int, int]:
        """Height and width of the filters of the first convolution."""
        kh, kw = self.depthwise_weight.type.static_shape[2:]
        return kh, kw

    @property
    def channels(self) -> int:
        """The number of channels between the two convolutions."""
        return self.depthwise_weight.type.static_shape[0]

    def flops(self) -> int:
        n, o, oh, ow = self.result.type.static_shape
        return 2 * n * oh * ow * self.channels * (math.prod(self.kernel) + o)

    def reference(
        self,
        x: Array,
        depthwise_weight: Array,
        weight: Array,
        depthwise_bias: Array | None,
        bias: Array | None,
        residual: Array | None,
    ) -> Array:
        first = conv2d(x, depthwise_weight, self.stride, self.pad, self.dilation, x.shape[1])
        middle = self.depthwise_act(_biased(first, depthwise_bias)).astype(x.dtype)
        y = _biased(conv2d(middle, weight, (1, 1), (0, 0, 0, 0), (1, 1), 1), bias)
        if residual is not None:
            y += residual
        return self.act(y).astype(x.dtype)


def _biased(y: Array, bias: Array | None) -> Array:
    return y if bias is None else y + bias.astype(np.float64).reshape(1, -1, 1, 1)
