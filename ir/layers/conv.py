"""Convolution."""

from __future__ import annotations

import attrs
import numpy as np

from plait.ir.activation import NONE, Activation, activation
from plait.ir.attributes import integer, optional_dtype, pads, pair, scale_rounding
from plait.ir.diagnostics import ShapeError
from plait.ir.dtypes import ElementType
from plait.ir.integer import Slot, Stored, Target, along, bias_steps
from plait.ir.layer import Elements, Layer, operand_axes
from plait.ir.layers._rules import result_dtype, show, want_rank, window_extent
from plait.ir.registry import layer
from plait.ir.types import TensorType
from plait.ir.values import Array, Value


@layer("conv2d")
@attrs.define(eq=False)
class Conv2d(Layer):
    """2-D convolution (cross-correlation), then bias, residual and activation: `act(conv(x, weight) + bias +
    residual)`.

    Operands:
        x: images [N, C, H, W].
        weight: filters [O, C / groups, KH, KW].
        bias: [O], added to each pixel of an output channel.
        residual: [N, O, OH, OW], added before the activation: the skip connection of a residual block.
    Attributes:
        stride: step of the window, for height and width.
        pad: rows and columns of zeros around the image: top, left, bottom, right.
        dilation: distance of neighbouring elements of a filter, for height and width.
        groups: parts into which channels are cut; each has filters of its own. `groups == C` is a depthwise
            convolution.
        act: what is applied to each number of the result.
        to: the type of the result, where that is not the type of `x`: a quantized one, or floats from quantized `x`.
        rounding: how integers change their scale: `half_even`, or `fixed_point` as in TensorFlow Lite.
    Shapes: `x` [N, C, H, W] and `weight` [O, C / groups, KH, KW] to [N, O, OH, OW], where `OH = (H + top + bottom -
        dilation * (KH - 1) - 1) / stride + 1`, rounded down, and OW likewise. O is a multiple of `groups`, the window
        fits into the padded image, and the shape of `weight` is static.
    Types: floats of one type, which the result has, or quantized numbers.
    Semantics: `sum(weight[o, c, p, q] * x[n, g + c, i * stride + p * dilation - top, j * stride + q * dilation -
        left])` over c, p and q, where g is the first channel of the group of o, and x is 0 outside of the image.
        Computed in float64 and rounded once.
    Example:
        (%x: f32[1x3x32x32], %w: f32[8x3x3x3], %b: f32[8])
        %y = conv2d(%x, %w, %b) {stride = [2, 2], pad = [1, 1, 1, 1], act = relu}
    Source: ONNX operator specification, Conv.
    """

    elements = Elements.FLOATS
    one_type = True
    integer_operands = operand_axes(x=None, weight=0, residual=None)

    x: Value
    weight: Value
    bias: Value | None = None
    residual: Value | None = None
    stride: tuple[int, int] = attrs.field(default=(1, 1), converter=pair, kw_only=True)
    pad: tuple[int, int, int, int] = attrs.field(default=(0, 0, 0, 0), converter=pads, kw_only=True)
    dilation: tuple[int, int] = attrs.field(default=(1, 1), converter=pair, kw_only=True)
    groups: int = attrs.field(default=1, converter=integer, kw_only=True)
    act: Activation = attrs.field(default=NONE, converter=activation, kw_only=True)
    to: ElementType | None = attrs.field(default=None, converter=optional_dtype, kw_only=True)
    rounding: str = attrs.field(default="half_even", converter=scale_rounding, kw_only=True)

    def infer(self) -> TensorType:
        n, c, h, w = want_rank(self.x, 4, "x")
        o, per_group, kh, kw = want_rank(self.weight, 4, "weight")
        if min(self.stride) < 1 or min(self.dilation) < 1 or self.groups < 1 or min(self.pad) < 0:
            raise ShapeError("stride, dilation and groups must be positive, pad not negative")
        if not isinstance(kh, int) or not isinstance(kw, int) or not isinstance(o, int):
            raise ShapeError("the shape of weight must be known")
        if c != per_group * self.groups:
            raise ShapeError(
                f"x has {c} channels but weight {show(self.weight.type.shape)} with {self.groups} groups takes "
                f"{per_group * self.groups}"
            )
        if o % self.groups:
            raise ShapeError(f"{o} output channels do not divide into {self.groups} groups")
        if self.bias is not None and self.bias.type.shape != (o,):
            raise ShapeError(f"bias must be [{o}], got {self.bias.type}")
        top, left, bottom, right = self.pad
        out = (
            n,
            o,
            window_extent(h, kh, self.stride[0], self.dilation[0], top, bottom),
            window_extent(w, kw, self.stride[1], self.dilation[1], left, right),
        )
        if self.residual is not None and self.residual.type.shape != out:
            raise ShapeError(f"residual must be {show(out)}, got {self.residual.type}")
        return TensorType(result_dtype(self), out)

    @property
    def kernel(self) -> tuple[int, int]:
        """Kernel height and width."""
        kh, kw = self.weight.type.static_shape[2:]
        return kh, kw

    @property
    def is_depthwise(self) -> bool:
        """One filter for each input channel."""
        return self.groups > 1 and self.weight.type.shape[1] == 1 and self.weight.type.shape[0] == self.groups

    def flops(self) -> int:
        return 2 * self.result.type.elements * int(np.prod(self.weight.type.static_shape[1:]))

    def reference(self, x: Array, weight: Array, bias: Array | None, residual: Array | None) -> Array:
        y = conv2d(x, weight, self.stride, self.pad, self.dilation, self.groups)
        if bias is not None:
            y += bias.astype(np.float64).reshape(1, -1, 1, 1)
        if residual is not None:
            y += residual
        return self.act(y).astype(x.dtype)

    def refuse_integers(self) -> str | None:
        if self.residual is not None and self.rounding == "fixed_point":
            return "a residual has no rule in fixed point"
        return None

    def integer_reference(
        self, target: Target, x: Stored, weight: Stored, bias: Slot, residual: Stored | None
    ) -> Array:
        channels = weight.grid.scale * x.grid.scale
        sums = conv2d(x.steps, weight.steps, self.stride, self.pad, self.dilation, self.groups)  # exact below 2^53
        sums = sums.astype(np.int64) + along(bias_steps(bias, channels), 1, 4)
        steps = target.rescaled(sums, along(channels, 1, 4))
        if residual is not None:
            steps = steps + target.rescaled(residual.steps, residual.grid.scale)
        return target.store(steps)


def inner_products(conv: Conv2d) -> int:
    """Products of the sum, those with zeros of the padding left out."""
    n, o, oh, ow = conv.result.type.static_shape
    _, per_group, kh, kw = conv.weight.type.static_shape
    _, _, h, w = conv.x.type.static_shape
    rows = _taps(h, oh, kh, conv.stride[0], conv.pad[0], conv.dilation[0])
    columns = _taps(w, ow, kw, conv.stride[1], conv.pad[1], conv.dilation[1])
    return n * o * per_group * rows * columns


def _taps(size: int, outputs: int, kernel: int, stride: int, pad: int, dilation: int) -> int:
    """Pairs of an output and an element of its window that lies inside, along one dimension."""
    starts = range(-pad, outputs * stride - pad, stride)
    return sum(0 <= start + k * dilation < size for start in starts for k in range(kernel))


def windows(
    x: Array,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    pad: tuple[int, int, int, int],
    dilation: tuple[int, int],
    fill: float = 0.0,
) -> Array:
    """A strided view [N, C, OH, OW, KH, KW] of the windows of a padded image [N, C, H, W]."""
    top, left, bottom, right = pad
    padded = np.pad(x, ((0, 0), (0, 0), (top, max(bottom, 0)), (left, max(right, 0))), constant_values=fill)
    (kh, kw), (dh, dw) = kernel, dilation
    view = np.lib.stride_tricks.sliding_window_view(padded, (dh * (kh - 1) + 1, dw * (kw - 1) + 1), axis=(2, 3))
    return view[:, :, :: stride[0], :: stride[1], ::dh, ::dw]


def conv2d(
    x: Array,
    weight: Array,
    stride: tuple[int, int],
    pad: tuple[int, int, int, int],
    dilation: tuple[int, int],
    groups: int,
) -> Array:
    """Convolution in float64: [N, C, H, W] and [O, C / groups, KH, KW] to [N, O, OH, OW]. One matrix product for each
    group of images."""
    o, per_group, kh, kw = weight.shape
    view = windows(x.astype(np.float64), (kh, kw), stride, pad, dilation)
    n, _, oh, ow = view.shape[:4]
    if per_group == 1 and o == groups:
        depthwise: Array = np.einsum("nchwij,cij->nchw", view, weight[:, 0].astype(np.float64), optimize=True)
        return depthwise
    columns = view.reshape(n, groups, per_group, oh, ow, kh, kw).transpose(0, 1, 2, 5, 6, 3, 4)
    columns = columns.reshape(n, groups, per_group * kh * kw, oh * ow)
    filters = weight.astype(np.float64).reshape(groups, o // groups, per_group * kh * kw)
    result: Array = np.matmul(filters, columns).reshape(n, o, oh, ow)
    return result
