"""Layers that move elements without computing on them."""

from __future__ import annotations

import attrs
import numpy as np

from plait.ir.attributes import integer, ints, number, optional_dtype
from plait.ir.diagnostics import ShapeError
from plait.ir.dims import Dimension
from plait.ir.dtypes import ElementType, Quantized
from plait.ir.integer import Stored, Target
from plait.ir.layer import Elements, Layer, operand_axes
from plait.ir.layers._rules import axis_in, result_dtype, show
from plait.ir.registry import layer
from plait.ir.types import DType, TensorType
from plait.ir.values import Array, Value


@layer("reshape")
@attrs.define(eq=False)
class Reshape(Layer):
    """The same elements, row-major, in another shape. One entry may be -1 (inferred); 0 copies the dimension of `x` at
    that place.

    Operands:
        x: elements of any type.
    Attributes:
        shape: the dimensions of the result.
    Shapes: any, to `shape`. The number of elements stays the same; with -1, which stands for what is left, it must
        divide. Symbols that do not cancel stay in the dimension for -1.
    Types: any; the result has the type of `x`.
    Example:
        (%x: f32[Nx8x4x4])
        %y = reshape(%x) {shape = [0, -1]}
    Source: ONNX operator specification, Reshape (allowzero = 0).
    """

    x: Value
    shape: tuple[int, ...] = attrs.field(converter=ints, kw_only=True)

    def infer(self) -> TensorType:
        source = self.x.type.shape
        if self.shape.count(-1) > 1 or min(self.shape, default=0) < -1:
            raise ShapeError(f"shape {list(self.shape)} may have one -1 and no other negative number")
        if any(d == 0 and i >= len(source) for i, d in enumerate(self.shape)):
            raise ShapeError(f"shape {list(self.shape)} copies a dimension that {self.x.type} does not have")
        shape: list[Dimension] = [source[i] if d == 0 else d for i, d in enumerate(self.shape)]
        total: Dimension = 1
        for d in source:
            total = total * d
        known: Dimension = 1
        for d in shape:
            known = known * (1 if d == -1 else d)
        if -1 in shape:
            place = shape.index(-1)
            if isinstance(total, int) and isinstance(known, int) and (known == 0 or total % known):
                raise ShapeError(f"{show(source)} cannot be reshaped to {list(self.shape)}")
            shape[place] = _quotient(source, shape, total, known)
        elif total != known:
            raise ShapeError(f"{show(source)} cannot be reshaped to {list(self.shape)}")
        return TensorType(self.x.type.dtype, shape)

    def reference(self, x: Array) -> Array:
        return x.reshape([x.shape[i] if d == 0 else d for i, d in enumerate(self.shape)])


def _quotient(source: tuple[Dimension, ...], shape: list[Dimension], total: Dimension, known: Dimension) -> Dimension:
    """`total / known` for the entry -1: common symbolic factors are cancelled one by one."""
    if isinstance(known, int):
        return total // known
    rest = list(source)
    for d in shape:
        if not isinstance(d, int) and d in rest:
            rest.remove(d)
    top: Dimension = 1
    for d in rest:
        top = top * d
    bottom = 1
    for d in shape:
        bottom *= d if isinstance(d, int) and d != -1 else 1
    return top // bottom


@layer("transpose")
@attrs.define(eq=False)
class Transpose(Layer):
    """Permutation of the logical axes: axis `i` of the result is axis `perm[i]` of `x`.

    Operands:
        x: elements of any type.
    Attributes:
        perm: for each axis of the result its place in `x`; each axis once.
    Shapes: [d0, d1, ...] to [d(perm[0]), d(perm[1]), ...].
    Types: any; the result has the type of `x`.
    Example:
        (%x: f32[1x224x224x3])
        %y = transpose(%x) {perm = [0, 3, 1, 2]}
    Source: ONNX operator specification, Transpose.
    """

    x: Value
    perm: tuple[int, ...] = attrs.field(converter=ints, kw_only=True)

    def infer(self) -> TensorType:
        if sorted(self.perm) != list(range(self.x.type.rank)):
            raise ShapeError(f"perm {list(self.perm)} is not a permutation of the {self.x.type.rank} axes")
        return TensorType(self.x.type.dtype, tuple(self.x.type.shape[p] for p in self.perm))

    def reference(self, x: Array) -> Array:
        return np.asarray(x.transpose(self.perm), order="C")


@layer("concat")
@attrs.define(eq=False)
class Concat(Layer):
    """Operands one after the other along `axis`.

    Operands:
        xs: at least one; all of one type and rank.
    Attributes:
        axis: the axis along which they are joined; negative ones count from the end.
        to: the type of the result, where that is not the type of the first: a quantized one, or floats from quantized
            ones.
    Shapes: equal but for `axis`, whose sizes add up.
    Types: any, one for all, which the result has; with `to`, any quantized ones.
    Example:
        (%a: f32[1x8x4x4], %b: f32[1x24x4x4])
        %y = concat(%a, %b)
    Source: ONNX operator specification, Concat.
    """

    integer_operands = operand_axes(xs=None)

    xs: tuple[Value, ...]
    axis: int = attrs.field(default=1, converter=integer, kw_only=True)
    to: ElementType | None = attrs.field(default=None, converter=optional_dtype, kw_only=True)

    def infer(self) -> TensorType:
        if not self.xs:
            raise ShapeError("concat needs at least one operand")
        first = self.xs[0].type
        axis = axis_in(self.axis, first.rank)
        total: Dimension = 0
        for value in self.xs:
            shape = value.type.shape
            if (
                not self._joins(value.type.dtype, first.dtype)
                or len(shape) != first.rank
                or any(a != b for i, (a, b) in enumerate(zip(shape, first.shape, strict=True)) if i != axis)
            ):
                raise ShapeError(f"{value.type} does not fit {first} along axis {axis}")
            total = total + shape[axis]
        return TensorType(result_dtype(self), (*first.shape[:axis], total, *first.shape[axis + 1 :]))

    def _joins(self, one: ElementType, other: ElementType) -> bool:
        """Whether elements of two types become those of one result."""
        return one == other or (self.to is not None and isinstance(one, Quantized) and isinstance(other, Quantized))

    def reference(self, *xs: Array) -> Array:
        return np.concatenate(xs, axis=self.axis)

    def integer_reference(self, target: Target, *xs: Stored) -> Array:
        return self.reference(*map(target.requantized, xs))


@layer("split")
@attrs.define(eq=False)
class Split(Layer):
    """Parts of `x` along `axis`, of the given sizes.

    Operands:
        x: elements of any type.
    Attributes:
        sizes: the size of each part; the layer has as many results.
        axis: the axis that is cut; negative ones count from the end.
    Shapes: each part has the shape of `x`, with its own size along `axis`. The sizes add up to that of `x`; a part may
        be empty.
    Types: any; the results have the type of `x`.
    Example:
        (%x: f32[1x32x4x4])
        %a, %b = split(%x) {sizes = [8, 24]}
    Source: ONNX operator specification, Split.
    """

    x: Value
    sizes: tuple[int, ...] = attrs.field(converter=ints, kw_only=True)
    axis: int = attrs.field(default=1, converter=integer, kw_only=True)

    def infer(self) -> tuple[TensorType, ...]:
        shape = self.x.type.shape
        axis = axis_in(self.axis, len(shape))
        if min(self.sizes, default=-1) < 0 or sum(self.sizes) != shape[axis]:
            raise ShapeError(f"sizes {list(self.sizes)} do not add up to {shape[axis]}")
        return tuple(TensorType(self.x.type.dtype, (*shape[:axis], s, *shape[axis + 1 :])) for s in self.sizes)

    def reference(self, x: Array) -> tuple[Array, ...]:
        return tuple(np.ascontiguousarray(p) for p in np.split(x, np.cumsum(self.sizes)[:-1], axis=self.axis))


@layer("slice")
@attrs.define(eq=False)
class Slice(Layer):
    """`x[start:stop:step]` along each of `axes`, as Python slices; large stops are clamped.

    Operands:
        x: elements of any type.
    Attributes:
        axes: those that are sliced; negative ones count from the end.
        starts: the first index, for each of `axes`; negative ones count from the end.
        stops: the index before which it ends, likewise; below minus the size: the beginning, for negative steps.
        steps: the distance of indices, not 0; by default 1 for each axis.
    Shapes: that of `x`, with as many elements along each of `axes` as there are indices. These axes are static.
    Types: any; the result has the type of `x`.
    Semantics: Starts and stops beyond the ends are clamped to them. Nothing between them gives an empty result.
    Example:
        (%x: f32[1x32x10x10])
        %y = slice(%x) {axes = [2, 3], starts = [1, 1], stops = [-1, -1]}
    Source: ONNX operator specification, Slice.
    """

    x: Value
    axes: tuple[int, ...] = attrs.field(converter=ints, kw_only=True)
    starts: tuple[int, ...] = attrs.field(converter=ints, kw_only=True)
    stops: tuple[int, ...] = attrs.field(converter=ints, kw_only=True)
    steps: tuple[int, ...] = attrs.field(default=(), converter=ints, kw_only=True)

    def slices(self, shape: tuple[int, ...]) -> tuple[slice, ...]:
        """Python slices for every axis of a static shape, with non-negative starts."""
        result = [slice(None)] * len(shape)
        for axis, start, stop, step in zip(self.axes, self.starts, self.stops, self._steps(), strict=True):
            axis = axis_in(axis, len(shape))
            size = shape[axis]
            if step < 0:
                first = min(start + size if start < 0 else start, size - 1)
                last = -1 if stop < -size else min(stop + size if stop < 0 else stop, size - 1)
                result[axis] = slice(first, None if last < 0 else last, step)
            else:
                result[axis] = slice(*slice(start, stop, step).indices(size))
        return tuple(result)

    def _steps(self) -> tuple[int, ...]:
        return self.steps or (1,) * len(self.axes)

    def infer(self) -> TensorType:
        if not len(self.axes) == len(self.starts) == len(self.stops) == len(self._steps()):
            raise ShapeError("axes, starts, stops and steps must have equal lengths")
        if 0 in self._steps():
            raise ShapeError("a step is 0")
        shape = list(self.x.type.shape)
        for axis in self.axes:
            if not isinstance(shape[axis_in(axis, len(shape))], int):
                raise ShapeError(f"axis {axis} of {self.x.type} is symbolic")
        fixed = tuple(d if isinstance(d, int) else 1 for d in shape)
        for i, part in enumerate(self.slices(fixed)):
            if isinstance(shape[i], int):
                shape[i] = len(range(*part.indices(fixed[i])))
        return TensorType(self.x.type.dtype, shape)

    def reference(self, x: Array) -> Array:
        return np.asarray(x[self.slices(x.shape)], order="C")


@layer("pad")
@attrs.define(eq=False)
class Pad(Layer):
    """`x` with `before[i]` and `after[i]` elements of `value` added along axis i; negative counts crop.

    Operands:
        x: numbers in any shape.
    Attributes:
        before: elements to add before the first, for each axis.
        after: elements to add after the last, for each axis.
        value: what is added, converted to the type of the result.
        to: the type of the result, where that is not the type of `x`: a quantized one, or floats from quantized `x`.
    Shapes: each dimension d to `d + before + after`.
    Types: numbers; the result has the type of `x`, or `to`.
    Example:
        (%x: f32[1x3x8x8])
        %y = pad(%x) {before = [0, 0, 1, 1], after = [0, 0, 1, 1]}
    Source: ONNX operator specification, Pad (mode = constant).
    """

    elements = Elements.NUMBERS
    integer_operands = operand_axes(x=None)

    x: Value
    before: tuple[int, ...] = attrs.field(converter=ints, kw_only=True)
    after: tuple[int, ...] = attrs.field(converter=ints, kw_only=True)
    value: float = attrs.field(default=0.0, converter=number, kw_only=True)
    to: ElementType | None = attrs.field(default=None, converter=optional_dtype, kw_only=True)

    def infer(self) -> TensorType:
        if not len(self.before) == len(self.after) == self.x.type.rank:
            raise ShapeError(f"before and after need {self.x.type.rank} entries")
        return TensorType(
            result_dtype(self),
            tuple(d + b + a for d, b, a in zip(self.x.type.shape, self.before, self.after, strict=True)),
        )

    def reference(self, x: Array) -> Array:
        return self._padded(x, np.array(self.value).astype(x.dtype))

    def integer_reference(self, target: Target, x: Stored) -> Array:
        return self._padded(target.requantized(x), target.grid.nearest(np.float32(self.value)))

    def _padded(self, x: Array, value: Array) -> Array:
        crop = tuple(
            slice(max(-b, 0), d - max(-a, 0)) for d, b, a in zip(x.shape, self.before, self.after, strict=True)
        )
        widths = [(max(b, 0), max(a, 0)) for b, a in zip(self.before, self.after, strict=True)]
        return np.pad(x[crop], widths, constant_values=value)


@layer("gather")
@attrs.define(eq=False)
class Gather(Layer):
    """`x` at `indices` along `axis`; negative indices count from the end.

    Operands:
        x: elements of any type, with at least one axis.
        indices: integers in any shape.
    Attributes:
        axis: the axis of `x` that is indexed; negative ones count from the end.
    Shapes: that of `x`, with the whole shape of `indices` in the place of `axis`.
    Types: `indices` i64 or i32; the result has the type of `x`.
    Semantics: An index beyond the ends is an error.
    Example:
        (%x: f32[1000x64], %i: i64[Nx16])
        %y = gather(%x, %i)
    Source: ONNX operator specification, Gather.
    """

    x: Value
    indices: Value
    axis: int = attrs.field(default=0, converter=integer, kw_only=True)

    def infer(self) -> TensorType:
        axis = axis_in(self.axis, self.x.type.rank)
        if self.indices.type.dtype not in (DType.I64, DType.I32):
            raise ShapeError(f"indices must be i64 or i32, got {self.indices.type}")
        shape = self.x.type.shape
        return TensorType(self.x.type.dtype, (*shape[:axis], *self.indices.type.shape, *shape[axis + 1 :]))

    def reference(self, x: Array, indices: Array) -> Array:
        return np.take(x, indices, axis=self.axis)


@layer("expand")
@attrs.define(eq=False)
class Expand(Layer):
    """`x` broadcast with a shape.

    Operands:
        x: elements of any type.
    Attributes:
        shape: the dimensions to broadcast with; 1 leaves that of `x`.
    Shapes: that of `x` and `shape`, broadcast as for `add`.
    Types: any; the result has the type of `x`.
    Example:
        (%x: f32[8x1x1])
        %y = expand(%x) {shape = [2, 8, 4, 4]}
    Source: ONNX operator specification, Expand.
    """

    x: Value
    shape: tuple[int, ...] = attrs.field(converter=ints, kw_only=True)

    def infer(self) -> TensorType:
        from plait.ir.layers._rules import broadcast

        return TensorType(self.x.type.dtype, broadcast([self.x.type.shape, self.shape]))

    def reference(self, x: Array) -> Array:
        return np.array(np.broadcast_to(x, np.broadcast_shapes(x.shape, self.shape)), order="C")


@layer("shape")
@attrs.define(eq=False)
class ShapeOf(Layer):
    """The dimensions of `x` as i64[rank].

    Operands:
        x: elements of any type.
    Shapes: any, to [rank].
    Types: any, to i64.
    Example:
        (%x: f32[Nx3x8x8])
        %y = shape(%x)
    Source: ONNX operator specification, Shape.
    """

    x: Value

    def infer(self) -> TensorType:
        return TensorType(DType.I64, (self.x.type.rank,))

    def reference(self, x: Array) -> Array:
        return np.array(x.shape, dtype=np.int64)
