"""Sequences and optional values (ONNX operators of these names). Values are Python lists, and None for nothing."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np

from plait.ir.attributes import boolean, integer, type_of
from plait.ir.diagnostics import ShapeError
from plait.ir.dims import Dimension, symbol
from plait.ir.dtypes import ElementType, Quantized
from plait.ir.layer import Layer
from plait.ir.layers._rules import axis_in
from plait.ir.registry import layer
from plait.ir.types import ANY_SIZE, DType, OptionalType, SequenceType, TensorType, Type
from plait.ir.values import Array, Constant, Value

_ANY = symbol(ANY_SIZE)
_INTEGERS = (DType.I64, DType.I32)


def _sequence(value: Value, what: str = "s") -> SequenceType:
    if not isinstance(value.type, SequenceType):
        raise ShapeError(f"{what} must be a sequence, got {value.type}")
    return value.type


def _join(a: Type, b: Type) -> Type:
    """The type of what may be of either type: dimensions that differ are of any size."""
    if isinstance(a, TensorType) and isinstance(b, TensorType) and a.dtype == b.dtype and a.rank == b.rank:
        return TensorType(a.dtype, tuple(m if m == n else _ANY for m, n in zip(a.shape, b.shape, strict=True)))
    if a.same_logical(b):
        return a
    raise ShapeError(f"{b} does not fit into a sequence of {a}: elements have one dtype and one rank")


def _check_position(position: Value | None) -> None:
    if position is not None and (position.type.dtype not in _INTEGERS or position.type.elements != 1):
        raise ShapeError(f"position must be one integer (i64 or i32), got {position.type}")


def _position(position: Array | None, length: int, default: int, inclusive: bool = False) -> int:
    """The index that a position from the front or, if negative, from the end means."""
    place = default if position is None else int(position.reshape(()))
    if not -length <= place < length + inclusive:
        raise ValueError(f"position {place} is out of range for a sequence of {length}")
    return place + length if place < 0 else place


@layer("sequence_construct")
@attrs.define(eq=False)
class SequenceConstruct(Layer):
    """A sequence of the operands, of which there is at least one.

    Operands:
        xs: the elements, in order.
    Shapes: of one rank; dimensions that differ become `_`, any size, in the type of the element.
    Types: any, one for all.
    Example:
        (%a: f32[2x4], %b: f32[3x4])
        %s = sequence_construct(%a, %b)
    Source: ONNX operator specification, SequenceConstruct.
    """

    xs: tuple[Value, ...]

    def infer(self) -> SequenceType:
        if not self.xs:
            raise ShapeError("sequence_construct needs at least one operand; sequence_empty makes empty ones")
        element = self.xs[0].type
        for value in self.xs:
            element = _join(element, value.type)
        return SequenceType(element)

    def reference(self, *xs: Any) -> Any:
        return list(xs)


@layer("sequence_empty")
@attrs.define(eq=False)
class SequenceEmpty(Layer):
    """An empty sequence for elements of the type `of`, whose dimensions may be `_`: any size.

    Attributes:
        of: the type of the elements.
    Shapes: the result is `seq<of>`.
    Types: any.
    Example:
        ()
        %s = sequence_empty() {of = f32[_x4]}
    Source: ONNX operator specification, SequenceEmpty.
    """

    of: Type = attrs.field(converter=type_of, kw_only=True)

    def infer(self) -> SequenceType:
        return SequenceType(self.of)

    def reference(self) -> Any:
        return []


@layer("sequence_at")
@attrs.define(eq=False)
class SequenceAt(Layer):
    """The element at `position`, counted from the end if negative.

    Operands:
        s: a sequence.
        position: one integer.
    Shapes: `position` has one element; the result is of the sequence's element type.
    Types: `position` i64 or i32.
    Semantics: A position beyond the ends is an error.
    Example:
        const @first : i64[] = 0
        (%s: seq<f32[_x4]>)
        %y = sequence_at(%s, @first)
    Source: ONNX operator specification, SequenceAt.
    """

    s: Value
    position: Value

    def infer(self) -> Type:
        _check_position(self.position)
        return _sequence(self.s).element

    def reference(self, s: list[Any], position: Array) -> Any:
        return s[_position(position, len(s), 0)]


@layer("sequence_insert")
@attrs.define(eq=False)
class SequenceInsert(Layer):
    """The sequence with `x` inserted before `position`, by default at the end.

    Operands:
        s: a sequence.
        x: the new element.
        position: one integer; negative ones count from the end.
    Shapes: `x` has the rank of the elements; dimensions that differ become `_`, any size. `position` has one element.
    Types: `x` as the elements; `position` i64 or i32.
    Semantics: A position beyond the ends is an error; that behind the last element is none.
    Example:
        (%s: seq<f32[_x4]>, %x: f32[3x4])
        %t = sequence_insert(%s, %x)
    Source: ONNX operator specification, SequenceInsert.
    """

    s: Value
    x: Value
    position: Value | None = None

    def infer(self) -> SequenceType:
        _check_position(self.position)
        return SequenceType(_join(_sequence(self.s).element, self.x.type))

    def reference(self, s: list[Any], x: Any, position: Array | None) -> Any:
        place = _position(position, len(s), len(s), inclusive=True)
        return [*s[:place], x, *s[place:]]


@layer("sequence_erase")
@attrs.define(eq=False)
class SequenceErase(Layer):
    """The sequence without the element at `position`, by default the last.

    Operands:
        s: a sequence.
        position: one integer; negative ones count from the end.
    Shapes: `position` has one element; the result has the type of `s`.
    Types: `position` i64 or i32.
    Semantics: A position beyond the ends is an error, and so is an empty sequence.
    Example:
        (%s: seq<f32[_x4]>)
        %t = sequence_erase(%s)
    Source: ONNX operator specification, SequenceErase.
    """

    s: Value
    position: Value | None = None

    def infer(self) -> SequenceType:
        _check_position(self.position)
        return _sequence(self.s)

    def reference(self, s: list[Any], position: Array | None) -> Any:
        place = _position(position, len(s), -1)
        return [*s[:place], *s[place + 1 :]]


@layer("sequence_length")
@attrs.define(eq=False)
class SequenceLength(Layer):
    """The number of elements.

    Operands:
        s: a sequence.
    Shapes: the result is a scalar.
    Types: i64.
    Example:
        (%s: seq<f32[_x4]>)
        %n = sequence_length(%s)
    Source: ONNX operator specification, SequenceLength.
    """

    s: Value

    def infer(self) -> TensorType:
        _sequence(self.s)
        return TensorType(DType.I64, ())

    def reference(self, s: list[Any]) -> Array:
        return np.array(len(s), dtype=np.int64)


@layer("split_to_sequence")
@attrs.define(eq=False)
class SplitToSequence(Layer):
    """Parts of `x` along `axis`: of the sizes in the vector `split`, of one size if it is a scalar (the last may be
    smaller), else of 1.

    Operands:
        x: elements of any type, with at least one axis.
        split: the size of all parts (a scalar), or of each (a vector).
    Attributes:
        axis: the axis that is cut; negative ones count from the end.
        keep: parts of 1 made without `split` keep the axis.
    Shapes: the elements have the shape of `x`, along `axis` the size of the parts if that is known and one for all,
        else `_`. Sizes add up to that of `x`.
    Types: `split` i64 or i32; the elements have the type of `x`.
    Example:
        (%x: f32[6x4])
        %s = split_to_sequence(%x)
    Source: ONNX operator specification, SplitToSequence.
    """

    x: Value
    split: Value | None = None
    axis: int = attrs.field(default=0, converter=integer, kw_only=True)
    keep: bool = attrs.field(default=True, converter=boolean, kw_only=True)

    def infer(self) -> SequenceType:
        shape = list(self.x.type.shape)
        axis = axis_in(self.axis, len(shape))
        if self.split is None:
            shape[axis : axis + 1] = [1] if self.keep else []
        else:
            shape[axis] = _part(shape[axis], self.split)
        return SequenceType(TensorType(self.x.type.dtype, shape))

    def reference(self, x: Array, split: Array | None) -> Any:
        axis, size = axis_in(self.axis, x.ndim), x.shape[self.axis]
        if split is None:
            parts = np.split(x, size, axis) if size else []
            return [p if self.keep else p.squeeze(axis) for p in parts]
        if split.ndim == 0:
            if (step := int(split)) < 1:
                raise ValueError(f"parts of {step} elements")
            stops = list(range(step, size, step))
            return np.split(x, stops, axis) if size else []
        if split.sum() != size or (split < 0).any():
            raise ValueError(f"parts of {split.tolist()} elements do not add up to {size}")
        return np.split(x, np.cumsum(split)[:-1], axis) if split.size else []


def _part(size: Dimension, split: Value) -> Dimension:
    """What is known of the size of each part."""
    if split.type.dtype not in _INTEGERS or split.type.rank > 1:
        raise ShapeError(f"split must be a scalar or vector of integers (i64 or i32), got {split.type}")
    if not isinstance(split, Constant):
        return _ANY
    sizes = [int(n) for n in split.data.reshape(-1)]
    if split.type.rank == 0:
        if sizes[0] < 1:
            raise ShapeError(f"parts must have at least 1 element, got {sizes[0]}")
        return sizes[0] if isinstance(size, int) and size % sizes[0] == 0 else _ANY
    if min(sizes, default=0) < 0 or (isinstance(size, int) and sum(sizes) != size):
        raise ShapeError(f"parts of {sizes} elements do not add up to {size}")
    return sizes[0] if len(set(sizes)) == 1 else _ANY


@layer("concat_from_sequence")
@attrs.define(eq=False)
class ConcatFromSequence(Layer):
    """The elements one after the other along `axis`, or along a new axis there with `new_axis`. The sequence must not
    be empty, and the size of the axis is not known before: `_`.

    Operands:
        s: a sequence that is not empty.
    Attributes:
        axis: the axis along which they are joined; negative ones count from the end.
        new_axis: stack them along a new axis.
    Shapes: that of the elements, with `_` along `axis`, or inserted there.
    Types: that of the elements.
    Semantics: An empty sequence is an error, and so are elements whose other dimensions differ.
    Example:
        (%s: seq<f32[_x4]>)
        %y = concat_from_sequence(%s) {axis = 0}
    Source: ONNX operator specification, ConcatFromSequence.
    """

    s: Value
    axis: int = attrs.field(kw_only=True, converter=integer)
    new_axis: bool = attrs.field(default=False, converter=boolean, kw_only=True)

    def infer(self) -> TensorType:
        element = _sequence(self.s).element
        shape = list(element.shape)
        axis = axis_in(self.axis, len(shape) + self.new_axis)
        shape[axis : axis + (not self.new_axis)] = [_ANY]
        return TensorType(_moved(element.dtype, axis) if self.new_axis else element.dtype, shape)

    def reference(self, s: list[Array]) -> Array:
        if not s:
            raise ValueError("an empty sequence has nothing to concatenate")
        return np.stack(s, self.axis) if self.new_axis else np.concatenate(s, self.axis)


def _moved(dtype: ElementType, new: int) -> ElementType:
    """A quantized type whose axis makes room for a new one."""
    if not isinstance(dtype, Quantized) or dtype.axis is None:
        return dtype
    if dtype.block:
        raise ShapeError(f"the scales of {dtype} have no place along a new axis")
    return attrs.evolve(dtype, axis=dtype.axis + (new <= dtype.axis))


@layer("optional")
@attrs.define(eq=False)
class Optional(Layer):
    """`x` as an optional value; without it nothing, of the type `of`.

    Operands:
        x: what it holds.
    Attributes:
        of: the type of what it could hold; may be left out where `x` is given.
    Shapes: the result is `optional<T>`, where T is the type of `x`, or `of`.
    Types: any.
    Example:
        (%x: f32[4])
        %o = optional(%x)
    Source: ONNX operator specification, Optional.
    """

    x: Value | None = None
    of: Type | None = attrs.field(default=None, converter=attrs.converters.optional(type_of), kw_only=True)

    def infer(self) -> OptionalType:
        if self.x is None and self.of is None:
            raise ShapeError("an optional value without an operand needs the type `of`")
        if self.x is not None and self.of is not None and not self.of.same_logical(self.x.type):
            raise ShapeError(f"the operand is {self.x.type}, not {self.of}")
        element = self.x.type if self.x is not None else self.of
        assert element is not None
        return OptionalType(element)

    def reference(self, x: Any) -> Any:
        return x


@layer("optional_get")
@attrs.define(eq=False)
class OptionalGet(Layer):
    """What an optional value holds; it must hold something. Other values are given back as they are.

    Operands:
        x: an optional value, or any other.
    Shapes: `optional<T>` to T; any other type to itself.
    Types: any.
    Semantics: A value that holds nothing is an error.
    Example:
        (%o: optional<f32[4]>)
        %x = optional_get(%o)
    Source: ONNX operator specification, OptionalGetElement.
    """

    x: Value

    def infer(self) -> Type:
        return self.x.type.element if isinstance(self.x.type, OptionalType) else self.x.type

    def reference(self, x: Any) -> Any:
        if x is None:
            raise ValueError("the optional value holds nothing")
        return x


@layer("optional_has")
@attrs.define(eq=False)
class OptionalHas(Layer):
    """Whether an optional value holds something. Other values always do, and an absent operand never does.

    Operands:
        x: an optional value, or any other.
    Shapes: the result is a scalar.
    Types: any, to bool.
    Example:
        (%o: optional<f32[4]>)
        %y = optional_has(%o)
    Source: ONNX operator specification, OptionalHasElement.
    """

    x: Value | None = None

    def infer(self) -> TensorType:
        return TensorType(DType.BOOL, ())

    def reference(self, x: Any) -> Array:
        return np.array(x is not None)
