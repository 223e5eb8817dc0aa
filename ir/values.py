"""Values: what layers read and make. They have identity; their name is for people."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from plait.ir.diagnostics import Diagnostic, IRError
from plait.ir.dtypes import Array as Array
from plait.ir.types import DType, TensorType, Type

if TYPE_CHECKING:
    from plait.ir.layer import Layer


class Value:
    """An SSA value: an argument of a region (`owner is None`) or a result of a layer.

    `users` maps each attached layer that reads this value to the number of its operands that do.
    """

    __slots__ = ("name", "owner", "type", "users")

    def __init__(self, name: str, type: Type, owner: Layer | None = None) -> None:
        self.name = name
        self.type = type
        self.owner = owner
        self.users: dict[Layer, int] = {}

    def __repr__(self) -> str:
        return f"<%{self.name}: {self.type}>"

    @property
    def use_count(self) -> int:
        """Number of operands, over all attached layers, that are this value (function outputs are not counted)."""
        return sum(self.users.values())


class Constant(Value):
    """A value known at compile time. `data` is loaded at the first use when a loader was given (memory-mapped
    weights). A constant may be known by its type alone, if its file was not read."""

    __slots__ = ("_data", "_load")

    type: TensorType

    def __init__(
        self,
        name: str,
        data: Array | None = None,
        *,
        type: TensorType | None = None,
        load: Callable[[], Array] | None = None,
    ) -> None:
        if data is not None:
            if data.dtype.kind in "UT":
                data = data.astype(object)
            type = type or TensorType(DType.of(data.dtype), data.shape)
        assert type is not None
        super().__init__(name, type)
        self._data = data
        self._load = load

    @property
    def data(self) -> Array:
        """The elements, row-major in the logical shape, read-only.

        Raises:
            IRError: P007, the file that holds them was not read.
        """
        if self._data is None:
            if self._load is None:
                raise IRError(Diagnostic("P007", f"the data of @{self.name} were not loaded"))
            self._data = self._load()
            self._data.flags.writeable = False
        return self._data

    @property
    def has_data(self) -> bool:
        """Whether the elements can be had."""
        return self._data is not None or self._load is not None

    def twin(self, name: str = "") -> Constant:
        """Another constant with the same data, not loaded before they are used."""
        return Constant(name or self.name, type=self.type, load=(lambda: self.data) if self.has_data else None)

    def supply(self, load: Callable[[], Array]) -> None:
        """Give a constant that has no data yet another way to get them."""
        if self._data is None:
            self._load = load

    def __repr__(self) -> str:
        return f"<@{self.name}: {self.type}>"


_NO_NUMBERS = (DType.STRING, DType.C64, DType.C128)


def scalar(constant: Value | None) -> float | None:
    """The single number in a constant of one element, else None."""
    if not isinstance(constant, Constant) or constant.type.elements != 1 or constant.type.dtype in _NO_NUMBERS:
        return None
    return float(np.asarray(constant.data).reshape(()))
