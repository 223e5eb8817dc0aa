"""Pooling."""

from __future__ import annotations

import math

import attrs
import numpy as np

from plait.ir.attributes import boolean, optional_dtype, pads, pair, scale_rounding
from plait.ir.diagnostics import ShapeError
from plait.ir.dtypes import DType, ElementType, is_floating
from plait.ir.fixed_point import divide
from plait.ir.integer import Stored, Target, mean_of_integers
from plait.ir.layer import Elements, Layer, operand_axes
from plait.ir.layers._rules import result_dtype, want_rank, window_extent
from plait.ir.layers.conv import windows
from plait.ir.registry import layer
from plait.ir.types import TensorType
from plait.ir.values import Array, Value


@attrs.define(eq=False)
class Pool2d(Layer):
    """A reduction of sliding windows of images.

    Operands:
        x: images [N, C, H, W].
    Attributes:
        kernel: height and width of the window.
        stride: step of the window, for height and width.
        pad: rows and columns around the image: top, left, bottom, right.
        dilation: distance of neighbouring elements of a window, for height and width.
        ceil: keep a last, partial window if it starts inside the image or the padding before it.
        to: the type of the result, where that is not the type of `x`: a quantized one, or floats from quantized `x`.
    Shapes: `x` [N, C, H, W] to [N, C, OH, OW], where `OH = (H + top + bottom - dilation * (KH - 1) - 1) / stride + 1`,
        rounded down, with `ceil` up, and OW likewise. The window fits into the padded image.
    Types: numbers; the result has the type of `x`, or `to`.
    """

    elements = Elements.NUMBERS
    integer_operands = operand_axes(x=None)

    x: Value
    kernel: tuple[int, int] = attrs.field(converter=pair, kw_only=True)
    stride: tuple[int, int] = attrs.field(default=(1, 1), converter=pair, kw_only=True)
    pad: tuple[int, int, int, int] = attrs.field(default=(0, 0, 0, 0), converter=pads, kw_only=True)
    dilation: tuple[int, int] = attrs.field(default=(1, 1), converter=pair, kw_only=True)
    ceil: bool = attrs.field(default=False, converter=boolean, kw_only=True)
    to: ElementType | None = attrs.field(default=None, converter=optional_dtype, kw_only=True)

    def infer(self) -> TensorType:
        n, c, h, w = want_rank(self.x, 4, "x")
        if min(*self.kernel, *self.stride, *self.dilation) < 1 or min(self.pad) < 0:
            raise ShapeError("kernel, stride and dilation must be positive, pad not negative")
        (kh, kw), (sh, sw), (dh, dw) = self.kernel, self.stride, self.dilation
        top, left, bottom, right = self.pad
        height = window_extent(h, kh, sh, dh, top, bottom, self.ceil)
        width = window_extent(w, kw, sw, dw, left, right, self.ceil)
        return TensorType(result_dtype(self), (n, c, height, width))

    def flops(self) -> int:
        return self.result.type.elements * self.kernel[0] * self.kernel[1]

    def full_pad(self, size: tuple[int, ...], out: tuple[int, ...]) -> tuple[int, int, int, int]:
        """Padding with the trailing sides extended so that every window, partial ones of `ceil` included, lies inside.

        `size` and `out` are height and width of image and result.
        """
        top, left, _, _ = self.pad
        sides = zip(self.pad[2:], out, self.stride, self.dilation, self.kernel, size, self.pad[:2], strict=True)
        bottom, right = (max(p, (o - 1) * s + d * (k - 1) + 1 - i - q) for p, o, s, d, k, i, q in sides)
        return (top, left, bottom, right)


@layer("max_pool2d")
@attrs.define(eq=False)
class MaxPool2d(Pool2d):
    """Maximum over sliding windows of [N, C, H, W]; padding never wins.

    Semantics: Exact. NaN if the window holds a NaN; the lowest number of the type (of floats -inf) if it holds nothing
        but padding.
    Example:
        (%x: f32[1x64x112x112])
        %y = max_pool2d(%x) {kernel = [3, 3], stride = [2, 2], pad = [1, 1, 1, 1]}
    Source: ONNX operator specification, MaxPool.
    """

    def reference(self, x: Array) -> Array:
        oh, ow = self.infer().static_shape[2:]
        pad = self.full_pad(x.shape[2:], (oh, ow))
        floating = is_floating(x.dtype)
        lowest = -np.inf if floating else DType.of(x.dtype).integer_range[0]
        wide = x.astype(np.float64) if floating else x  # some small floats have no infinity
        view = windows(wide, self.kernel, self.stride, pad, self.dilation, lowest)[:, :, :oh, :ow]
        return np.asarray(view.max(axis=(4, 5))).astype(x.dtype)

    def integer_reference(self, target: Target, x: Stored) -> Array:
        return self.reference(target.requantized(x))


@layer("avg_pool2d")
@attrs.define(eq=False)
class AvgPool2d(Pool2d):
    """Mean over sliding windows of [N, C, H, W].

    Attributes:
        count_pad: divide by the window size, counting declared padding (but not the overhang of `ceil`), instead of by
            the number of input elements in the window.
        rounding: how integers change their scale: `half_even`, or `fixed_point` as in TensorFlow Lite.
    Semantics: Padding is 0. Computed in float64 and rounded once; of integers what is behind the point is dropped.
    Example:
        (%x: f32[1x64x8x8])
        %y = avg_pool2d(%x) {kernel = [2, 2], stride = [2, 2]}
    Source: ONNX operator specification, AveragePool.
    """

    count_pad: bool = attrs.field(default=False, converter=boolean, kw_only=True)
    rounding: str = attrs.field(default="half_even", converter=scale_rounding, kw_only=True)

    def reference(self, x: Array) -> Array:
        total, count = self._totals(x)
        result: Array = (total / count).astype(x.dtype)
        return result

    def _totals(self, x: Array) -> tuple[Array, Array]:
        """The sum of each window (f64), and by what it is divided."""
        oh, ow = self.infer().static_shape[2:]
        pad = self.full_pad(x.shape[2:], (oh, ow))
        total = windows(x.astype(np.float64), self.kernel, self.stride, pad, self.dilation)[:, :, :oh, :ow].sum(
            axis=(4, 5)
        )
        inside = np.ones((1, 1, *x.shape[2:]))
        if self.count_pad:
            top, left, bottom, right = self.pad
            inside = np.pad(inside, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=1)
            pad = (0, 0, pad[2] - bottom, pad[3] - right)
        count = windows(inside, self.kernel, self.stride, pad, self.dilation)[:, :, :oh, :ow].sum(axis=(4, 5))
        return total, count

    def integer_reference(self, target: Target, x: Stored) -> Array:
        total, count = self._totals(x.steps)
        same = x.grid.scale == target.grid.scale and x.grid.zero == target.grid.zero
        if target.fixed_point and same and not self.count_pad:
            stored = total.astype(np.int64) + x.grid.zero * count.astype(np.int64)
            return target.store(divide(stored, count.astype(np.int64)) - x.grid.zero)
        return mean_of_integers(target, total.astype(np.int64), count.astype(np.int64), x.grid.scale)


@layer("global_avg_pool")
@attrs.define(eq=False)
class GlobalAvgPool(Layer):
    """Mean over height and width: [N, C, H, W] to [N, C, 1, 1].

    Operands:
        x: images [N, C, H, W].
    Attributes:
        to: the type of the result, where that is not the type of `x`: a quantized one, or floats from quantized `x`.
        rounding: how integers change their scale: `half_even`, or `fixed_point` as in TensorFlow Lite.
    Shapes: `x` [N, C, H, W] to [N, C, 1, 1].
    Types: numbers; the result has the type of `x`, or `to`.
    Semantics: Computed in float64 and rounded once.
    Example:
        (%x: f32[1x512x7x7])
        %y = global_avg_pool(%x)
    Source: Lin et al. 2014, Network in network; ONNX operator specification, GlobalAveragePool.
    """

    elements = Elements.NUMBERS
    integer_operands = operand_axes(x=None)

    x: Value
    to: ElementType | None = attrs.field(default=None, converter=optional_dtype, kw_only=True)
    rounding: str = attrs.field(default="half_even", converter=scale_rounding, kw_only=True)

    def infer(self) -> TensorType:
        n, c, _, _ = want_rank(self.x, 4, "x")
        return TensorType(result_dtype(self), (n, c, 1, 1))

    def flops(self) -> int:
        return self.x.type.elements

    def reference(self, x: Array) -> Array:
        result: Array = x.mean(axis=(2, 3), keepdims=True, dtype=np.float64).astype(x.dtype)
        return result

    def integer_reference(self, target: Target, x: Stored) -> Array:
        total, count = x.steps.sum(axis=(2, 3), keepdims=True), math.prod(x.integers.shape[2:])
        return mean_of_integers(target, total, np.array(count), x.grid.scale)
