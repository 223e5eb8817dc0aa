"""Normalisation layers."""

from __future__ import annotations

import attrs
import numpy as np

from plait.ir.activation import NONE, Activation, activation
from plait.ir.attributes import integer, number
from plait.ir.diagnostics import ShapeError
from plait.ir.layer import Elements, Layer
from plait.ir.layers._rules import axis_in, want_rank
from plait.ir.registry import layer
from plait.ir.types import TensorType
from plait.ir.values import Array, Value


def _per_channel(x: Array, values: Array) -> Array:
    return values.astype(np.float64).reshape(1, -1, *[1] * (x.ndim - 2))


@layer("batch_norm")
@attrs.define(eq=False)
class BatchNorm(Layer):
    """Inference-time batch normalisation over axis 1: `(x - mean) / sqrt(variance + epsilon) * scale + bias`.

    Operands:
        x: [N, C, ...].
        scale: a factor for each channel.
        bias: a summand for each channel.
        mean: the mean of each channel, of the training data.
        variance: the variance of each channel, of the training data.
    Attributes:
        epsilon: added to the variance.
    Shapes: `x` [N, C, ...], the others [C]; the result has the shape of `x`.
    Types: floats; the result has the type of `x`.
    Semantics: Computed in float64 and rounded once.
    Example:
        (%x: f32[1x8x4x4], %s: f32[8], %b: f32[8], %m: f32[8], %v: f32[8])
        %y = batch_norm(%x, %s, %b, %m, %v)
    Source: Ioffe & Szegedy 2015; ONNX operator specification, BatchNormalization (training_mode = 0).
    """

    elements = Elements.FLOATS

    x: Value
    scale: Value
    bias: Value
    mean: Value
    variance: Value
    epsilon: float = attrs.field(default=1e-5, converter=number, kw_only=True)

    def infer(self) -> TensorType:
        if self.x.type.rank < 2:
            raise ShapeError(f"x needs at least 2 dimensions, got {self.x.type}")
        c = self.x.type.shape[1]
        for name, value in list(self.named_operands())[1:]:
            if value.type.shape != (c,):
                raise ShapeError(f"{name} must be [{c}], got {value.type}")
        return TensorType(self.x.type.dtype, self.x.type.shape)

    def flops(self) -> int:
        return 2 * self.x.type.elements

    def reference(self, x: Array, scale: Array, bias: Array, mean: Array, variance: Array) -> Array:
        factor = _per_channel(x, scale) / np.sqrt(_per_channel(x, variance) + self.epsilon)
        return ((x - _per_channel(x, mean)) * factor + _per_channel(x, bias)).astype(x.dtype)


@layer("scale_shift")
@attrs.define(eq=False)
class ScaleShift(Layer):
    """`act(x * scale + shift)` with one scale and shift for each channel (axis 1): what is left of a batch_norm that no
    layer absorbs.

    Operands:
        x: [N, C, ...].
        scale: a factor for each channel.
        shift: a summand for each channel.
    Attributes:
        act: what is applied to each number of the result.
    Shapes: `x` [N, C, ...], the others [C]; the result has the shape of `x`.
    Types: floats; the result has the type of `x`.
    Semantics: Computed in float64 and rounded once.
    Example:
        (%x: f32[1x8x4x4], %s: f32[8], %t: f32[8])
        %y = scale_shift(%x, %s, %t) {act = relu}
    Source: Plait; the affine part of batch normalisation, Ioffe & Szegedy 2015.
    """

    elements = Elements.FLOATS

    x: Value
    scale: Value
    shift: Value
    act: Activation = attrs.field(default=NONE, converter=activation, kw_only=True)

    def infer(self) -> TensorType:
        if self.x.type.rank < 2:
            raise ShapeError(f"x needs at least 2 dimensions, got {self.x.type}")
        c = self.x.type.shape[1]
        for value in (self.scale, self.shift):
            if value.type.shape != (c,):
                raise ShapeError(f"scale and shift must be [{c}], got {value.type}")
        return TensorType(self.x.type.dtype, self.x.type.shape)

    def flops(self) -> int:
        return 2 * self.x.type.elements

    def reference(self, x: Array, scale: Array, shift: Array) -> Array:
        return self.act(x * _per_channel(x, scale) + _per_channel(x, shift)).astype(x.dtype)


@layer("local_response_norm")
@attrs.define(eq=False)
class LocalResponseNorm(Layer):
    """`x / (k + alpha / size * s) ** beta`, where s is the sum of x² over `size` neighbouring channels.

    Operands:
        x: images [N, C, H, W].
    Attributes:
        size: number of neighbouring channels, those of the channel itself included.
        alpha: weight of the sum of squares.
        beta: exponent.
        k: summand that keeps the divisor from 0.
    Shapes: `x` [N, C, H, W]; the result has the shape of `x`.
    Types: floats; the result has the type of `x`.
    Semantics: The window reaches from `(size - 1) / 2` channels before to `size / 2` behind, both rounded down;
        channels that do not exist count as 0. Computed in float64 and rounded once.
    Example:
        (%x: f32[1x96x8x8])
        %y = local_response_norm(%x) {size = 5}
    Source: Krizhevsky et al. 2012; ONNX operator specification, LRN.
    """

    elements = Elements.FLOATS

    x: Value
    size: int = attrs.field(converter=integer, kw_only=True)
    alpha: float = attrs.field(default=1e-4, converter=number, kw_only=True)
    beta: float = attrs.field(default=0.75, converter=number, kw_only=True)
    k: float = attrs.field(default=1.0, converter=number, kw_only=True)

    def infer(self) -> TensorType:
        want_rank(self.x, 4, "x")
        if self.size < 1:
            raise ShapeError("size must be positive")
        return TensorType(self.x.type.dtype, self.x.type.shape)

    def flops(self) -> int:
        return self.x.type.elements * (2 * self.size + 3)

    def reference(self, x: Array) -> Array:
        before, after = (self.size - 1) // 2, self.size // 2
        squares = np.pad(x.astype(np.float64) ** 2, ((0, 0), (before, after), (0, 0), (0, 0)))
        total = np.lib.stride_tricks.sliding_window_view(squares, self.size, axis=1).sum(axis=-1)
        result: Array = (x / (self.k + self.alpha / self.size * total) ** self.beta).astype(x.dtype)
        return result


@layer("softmax")
@attrs.define(eq=False)
class Softmax(Layer):
    """`exp(x) / sum(exp(x))` along one axis.

    Operands:
        x: numbers with at least one axis.
    Attributes:
        axis: the axis along which results add up to 1; negative ones count from the end.
    Shapes: any with that axis; the result has the shape of `x`.
    Types: floats; the result has the type of `x`.
    Semantics: The greatest number is subtracted first, so that nothing overflows. Computed in float64 and rounded once.
    Example:
        (%x: f32[Nx1000])
        %y = softmax(%x)
    Source: ONNX operator specification, Softmax (from version 13).
    """

    elements = Elements.FLOATS

    x: Value
    axis: int = attrs.field(default=-1, converter=integer, kw_only=True)

    def infer(self) -> TensorType:
        axis_in(self.axis, self.x.type.rank)
        return TensorType(self.x.type.dtype, self.x.type.shape)

    def flops(self) -> int:
        return 4 * self.x.type.elements

    def reference(self, x: Array) -> Array:
        wide = x.astype(np.float64)
        e = np.exp(wide - wide.max(axis=self.axis, keepdims=True))
        result: Array = (e / e.sum(axis=self.axis, keepdims=True)).astype(x.dtype)
        return result


@layer("layer_norm")
@attrs.define(eq=False)
class LayerNorm(Layer):
    """Normalisation over the axes from `axis` on: `(x - mean) / sqrt(var + epsilon) * scale + bias`.

    Operands:
        x: numbers with at least one axis.
        scale: factors, usually in the shape of the axes that are normalised.
        bias: summands, likewise.
    Attributes:
        axis: the first of the axes that are normalised; negative ones count from the end.
        epsilon: added to the variance.
    Shapes: any with that axis; `scale` and `bias` broadcast to it as for `add`. The result has the shape of `x`.
    Types: floats; the result has the type of `x`.
    Semantics: The variance is that of the whole (divided by the count, not by one less). Computed in float64 and
        rounded once.
    Example:
        (%x: f32[Nx16x64], %s: f32[64], %b: f32[64])
        %y = layer_norm(%x, %s, %b)
    Source: Ba et al. 2016; ONNX operator specification, LayerNormalization.
    """

    elements = Elements.FLOATS

    x: Value
    scale: Value
    bias: Value | None = None
    axis: int = attrs.field(default=-1, converter=integer, kw_only=True)
    epsilon: float = attrs.field(default=1e-5, converter=number, kw_only=True)

    def infer(self) -> TensorType:
        axis_in(self.axis, self.x.type.rank)
        return TensorType(self.x.type.dtype, self.x.type.shape)

    def flops(self) -> int:
        return 8 * self.x.type.elements

    def reference(self, x: Array, scale: Array, bias: Array | None) -> Array:
        wide = x.astype(np.float64)
        axes = tuple(range(self.axis % x.ndim, x.ndim))
        centred = wide - wide.mean(axis=axes, keepdims=True)
        y = centred / np.sqrt((centred**2).mean(axis=axes, keepdims=True) + self.epsilon) * scale
        result: Array = (y if bias is None else y + bias).astype(x.dtype)
        return result
