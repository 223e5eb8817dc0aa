"""Types of values: element type, logical shape, layout, device."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from plait.ir.dims import Dim, Dimension, substitute
from plait.ir.dtypes import DType as DType
from plait.ir.dtypes import ElementType, element_type
from plait.ir.layout import Format, Layout, default_layout, layout_named

Shape = tuple[Dimension, ...]


def _shape_of(dims: Iterable[Dimension]) -> Shape:
    return tuple(dims)


def _layout_of(layout: Layout | None, self: Any) -> Layout:
    return default_layout(len(self.shape)) if layout is None or not layout.name else layout


@attrs.frozen
class TensorType:
    """A tensor: `dtype[d0xd1x...] layout on device`.

    `shape` is logical. `layout` defaults to row-major, which for rank 4 is called `nchw`.
    """

    dtype: ElementType
    shape: Shape = attrs.field(converter=_shape_of)
    layout: Layout = attrs.field(default=None, converter=attrs.Converter(_layout_of, takes_self=True))  # type: ignore[misc]
    device: str = "cpu"

    def __str__(self) -> str:
        text = f"{self.dtype}[{'x'.join(str(d) for d in self.shape)}]"
        if self.layout.name:
            text += f" {self.layout}"
        return text if self.device == "cpu" else f"{text} on {self.device}"

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def format(self) -> Format:
        """Device, dtype and layout: what routines see of this type."""
        return Format(self.dtype.value, self.layout.name, self.device)

    @property
    def is_static(self) -> bool:
        """Whether every dimension is an integer."""
        return all(isinstance(d, int) for d in self.shape)

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
        """The same logical tensor in another format."""
        return TensorType(element_type(format.dtype), self.shape, layout_named(format.layout), format.device)

    def same_logical(self, other: TensorType) -> bool:
        """Equal dtype and shape, whatever the layout and device."""
        return self.dtype == other.dtype and self.shape == other.shape

    def substitute(self, bindings: Mapping[str, Dimension]) -> TensorType:
        """This type with dimension symbols replaced."""
        return attrs.evolve(self, shape=tuple(substitute(d, bindings) for d in self.shape))

    def symbols(self) -> frozenset[str]:
        """Names of the symbols in the shape."""
        return frozenset().union(*(d.symbols() for d in self.shape if isinstance(d, Dim)))
