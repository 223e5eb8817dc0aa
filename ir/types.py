"""Types of values: tensors (element type, logical shape, layout, split, device), sequences and optional values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from plait.ir.diagnostics import ShapeError, unknown
from plait.ir.dims import Dim, Dimension, substitute
from plait.ir.dtypes import DType as DType
from plait.ir.dtypes import ElementType, Quantized, element_type
from plait.ir.layout import ANY_SPLIT, SPLITS, Format, Layout, default_layout, layout_named
from plait.ir.spelling import word_text

Shape = tuple[Dimension, ...]


def _shape_of(dims: Iterable[Dimension]) -> Shape:
    return tuple(dims)


def _layout_of(layout: Layout | None, self: Any) -> Layout:
    rank = len(self.shape)
    if layout is None or not layout.name or (layout.rank == rank and layout.is_row_major):
        return default_layout(rank)
    return layout


class Type:
    """Base of the types of values. What only tensors have raises `ShapeError` on the others, so rules about shapes need
    no check of their own."""

    __slots__ = ()

    def _no_tensor(self) -> ShapeError:
        return ShapeError(f"wants a tensor, got {self}")

    @property
    def dtype(self) -> ElementType:
        raise self._no_tensor()

    @property
    def shape(self) -> Shape:
        raise self._no_tensor()

    @property
    def layout(self) -> Layout:
        raise self._no_tensor()

    @property
    def device(self) -> str:
        raise self._no_tensor()

    @property
    def split(self) -> str:
        raise self._no_tensor()

    @property
    def rank(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def format(self) -> Format:
        """Device, dtype, layout and split: what routines see of this type."""
        return Format(self.dtype.value, self.layout.name, self.device, self.split)

    @property
    def is_plain(self) -> bool:
        """Whether values are arrays that hold what they stand for: no sequences, optional or quantized values."""
        return False

    @property
    def is_static(self) -> bool:
        """Whether every dimension is an integer."""
        return not self.symbols()

    @property
    def static_shape(self) -> tuple[int, ...]:
        """The shape as integers.

        Raises:
            ValueError: a dimension is symbolic.
        """
        if not self.is_static:
            raise ValueError(f"{self} has symbolic dimensions")
        return tuple(d for d in self.shape if isinstance(d, int))

    @property
    def elements(self) -> int:
        """Number of logical elements (static shapes only)."""
        return math.prod(self.static_shape)

    @property
    def storage_shape(self) -> tuple[int, ...]:
        """Shape of the array in memory."""
        return self.layout.storage_shape(self.static_shape)

    @property
    def nbytes(self) -> int:
        """Bytes in memory, padding of blocked layouts included."""
        return math.prod(self.storage_shape) * self.dtype.size

    def with_format(self, format: Format) -> TensorType:
        """The same logical tensor in another format.

        Raises:
            ValueError: dtype, layout or split of the format do not exist, or do not fit the shape.
        """
        split = "" if format.split == ANY_SPLIT else format.split
        return TensorType(element_type(format.dtype), self.shape, layout_named(format.layout), format.device, split)

    def placed_like(self, other: Type) -> Type:
        """This type in the layout and split and on the device of another; types that are not tensors have none."""
        return self

    def same_logical(self, other: Type) -> bool:
        """Equal but for layout, split and device; a size `_`, which is not known, is equal to any."""
        return self == other

    def tensors(self) -> tuple[TensorType, ...]:
        """The types of the tensors that a value is or holds."""
        raise NotImplementedError

    def constant_names(self) -> tuple[str, ...]:
        """Names of the constants that the type refers to: scales and zero points."""
        return tuple(name for tensor in self.tensors() for name in tensor.constant_names())

    def substitute(self, bindings: Mapping[str, Dimension]) -> Type:
        """This type with dimension symbols replaced."""
        raise NotImplementedError

    def symbols(self) -> frozenset[str]:
        """Names of the symbols in the dimensions."""
        raise NotImplementedError


ANY_SIZE = "_"
"""Name of the symbol for a size that is not known before the run: of the tensors in a sequence, or made of one. Two
dimensions of this name need not be equal."""


def _may_be_equal(a: Dimension, b: Dimension) -> bool:
    return a == b or ANY_SIZE in (str(a), str(b))


@attrs.frozen
class TensorType(Type):
    """A tensor: `dtype[d0xd1x...] layout split rows on device`.

    `shape` is logical. `layout` defaults to row-major, which for rank 4 is called `nchw`. `split` (see
    `plait.ir.layout.SPLITS`) is for images.

    Raises:
        ShapeError: a quantized element type does not fit the shape, or a split does not exist or is not of an image.
    """

    dtype: ElementType
    shape: Shape = attrs.field(converter=_shape_of)
    layout: Layout = attrs.field(default=None, converter=attrs.Converter(_layout_of, takes_self=True))  # type: ignore[misc]
    device: str = "cpu"
    split: str = ""

    def __attrs_post_init__(self) -> None:
        if self.split:
            _check_split(self.split, self.shape)
        if isinstance(self.dtype, Quantized) and self.dtype.axis is not None:
            _check_axis(self.dtype, self.dtype.axis, self.shape)

    def __str__(self) -> str:
        text = f"{self.dtype}[{'x'.join(str(d) for d in self.shape)}]"
        if self.layout.name:
            text += f" {self.layout}"
        if self.split:
            text += f" split {self.split}"
        return text if self.device == "cpu" else f"{text} on {word_text(self.device)}"

    @property
    def is_plain(self) -> bool:
        return isinstance(self.dtype, DType)

    @property
    def is_static(self) -> bool:
        return all(isinstance(d, int) for d in self.shape)

    def placed_like(self, other: Type) -> TensorType:
        return attrs.evolve(self, layout=other.layout, device=other.device, split=other.split if self.rank == 4 else "")

    def same_logical(self, other: Type) -> bool:
        if not isinstance(other, TensorType) or self.dtype != other.dtype or self.rank != other.rank:
            return False
        return self.shape == other.shape or all(map(_may_be_equal, self.shape, other.shape))

    def tensors(self) -> tuple[TensorType, ...]:
        return (self,)

    def constant_names(self) -> tuple[str, ...]:
        return self.dtype.constant_names() if isinstance(self.dtype, Quantized) else ()

    def substitute(self, bindings: Mapping[str, Dimension]) -> TensorType:
        return attrs.evolve(self, shape=tuple(substitute(d, bindings) for d in self.shape))

    def symbols(self) -> frozenset[str]:
        return frozenset().union(*(d.symbols() for d in self.shape if isinstance(d, Dim)))


def _check_axis(dtype: Quantized, axis: int, shape: Shape) -> None:
    if axis >= len(shape):
        raise ShapeError(f"axis {axis} of {dtype} is out of range for {len(shape)} dimensions")
    for what, numbers in (("scales", dtype.scale), ("zero points", dtype.zero)):
        if isinstance(numbers, tuple) and isinstance(shape[axis], int) and len(numbers) != shape[axis]:
            raise ShapeError(f"{dtype} has {len(numbers)} {what} but dimension {axis} is {shape[axis]}")


def _check_split(split: str, shape: Shape) -> None:
    if split not in SPLITS:
        raise ShapeError(unknown("split", split, SPLITS))
    if len(shape) != 4:
        raise ShapeError(f"only images are split by {split}, not {len(shape)} dimensions")


@attrs.frozen
class SequenceType(Type):
    """A list of any length of values of one type: `seq<f32[Nx4]>`. A dimension `_` of the elements is another one in
    each."""

    element: Type

    def __str__(self) -> str:
        return f"seq<{self.element}>"

    @property
    def is_static(self) -> bool:
        return self.element.is_static

    def same_logical(self, other: Type) -> bool:
        return isinstance(other, SequenceType) and self.element.same_logical(other.element)

    def tensors(self) -> tuple[TensorType, ...]:
        return self.element.tensors()

    def substitute(self, bindings: Mapping[str, Dimension]) -> SequenceType:
        return SequenceType(self.element.substitute(bindings))

    def symbols(self) -> frozenset[str]:
        return self.element.symbols() - {ANY_SIZE}


@attrs.frozen
class OptionalType(Type):
    """A value or nothing: `optional<f32[4]>`."""

    element: Type

    def __str__(self) -> str:
        return f"optional<{self.element}>"

    def same_logical(self, other: Type) -> bool:
        return isinstance(other, OptionalType) and self.element.same_logical(other.element)

    def tensors(self) -> tuple[TensorType, ...]:
        return self.element.tensors()

    def substitute(self, bindings: Mapping[str, Dimension]) -> OptionalType:
        return OptionalType(self.element.substitute(bindings))

    def symbols(self) -> frozenset[str]:
        return self.element.symbols()
