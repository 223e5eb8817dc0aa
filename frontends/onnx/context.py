"""What a converter sees: one node, its operands as values, and the means to make layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from plait.frontends.onnx.nodes import Node
from plait.frontends.onnx.tensors import TensorReader
from plait.frontends.onnx.tracking import FunctionBuilder, frozen, known_dims
from plait.frontends.onnx.unsupported import Unsupported
from plait.ir.diagnostics import Location, ShapeError
from plait.ir.dims import Dimension
from plait.ir.dtypes import ConstantName, ElementType, Quantized
from plait.ir.layer import Layer
from plait.ir.layers.shape import Reshape
from plait.ir.types import DType, TensorType
from plait.ir.values import Array, Constant, Value

_SHAPING = ("Expand", "Flatten", "Identity", "Reshape", "Shape", "Size", "Squeeze", "Tile", "Transpose", "Unsqueeze")
MOVERS = frozenset((*_SHAPING, "Concat", "Gather", "MaxPool", "Slice", "Split"))
"""Operators to which it is all one what elements stand for, as long as their order stays the same."""


class Context:
    """The conversion of one node.

    Converters raise `Unsupported(why)` for what they cannot express, `ShapeError` for a node that contradicts itself.
    """

    def __init__(
        self,
        node: Node,
        attributes: dict[str, Any],
        operands: Sequence[Value | None],
        builder: FunctionBuilder,
        reader: TensorReader,
        file: str,
        read: set[str],
    ) -> None:
        self.node = node
        self.attributes = attributes
        self.operands = tuple(operands)
        self.reader = reader
        self.made: list[Value] = []
        self._builder = builder
        self._locations = (Location(file, node.name),)
        self._read = read
        self._moves = node.op in MOVERS and _of_one_type(self.operands)

    # --- the node ---

    @property
    def opset(self) -> int:
        return self.node.opset

    @property
    def output(self) -> str:
        """Name of the first output that has one."""
        return next(filter(None, self.node.outputs), self.node.name)

    def wants(self, i: int) -> bool:
        """Whether something reads output `i`."""
        return i < len(self.node.outputs) and self.node.outputs[i] in self._read

    def value(self, i: int = 0) -> Value:
        """Operand `i`, which must be there."""
        if (value := self.optional(i)) is None:
            raise ShapeError(f"input {i} is missing")
        return value

    def optional(self, i: int) -> Value | None:
        """Operand `i`, or None if it is left out. ONNX knows no quantized types: such a value is the integers stored,
        except to operators that only move elements, which move them as they are."""
        value = self.stored(i)
        if value is None or not isinstance(value.type, TensorType) or not isinstance(value.type.dtype, Quantized):
            return value
        return value if self._moves else self.retyped(value, value.type.dtype.storage)

    def stored(self, i: int) -> Value | None:
        """Operand `i` with the type that it was given, which may be quantized; None if it is left out."""
        return self.operands[i] if i < len(self.operands) else None

    def values(self) -> tuple[Value, ...]:
        """All operands of an operator that takes any number."""
        return tuple(self.value(i) for i in range(len(self.operands)))

    def has(self, name: str) -> bool:
        """Whether the attribute is given or has a default."""
        return name in self.attributes

    def int_attr(self, name: str, default: int | None = None) -> int:
        """An integer attribute."""
        return int(self._attribute(name, default))

    def float_attr(self, name: str, default: float | None = None) -> float:
        """A number attribute: the decimal that its 32 bits stand for (0.2, not 0.20000000298)."""
        return short(float(self._attribute(name, default)))

    def text_attr(self, name: str, default: str | None = None) -> str:
        """A text attribute."""
        return str(self._attribute(name, default))

    def ints_attr(self, name: str, default: Sequence[int] | None = None) -> tuple[int, ...]:
        """An attribute that is a list of integers."""
        return tuple(self._attribute(name, default))

    def _attribute(self, name: str, default: Any) -> Any:
        if (value := self.attributes.get(name, default)) is None:
            raise ShapeError(f"attribute {name!r} is missing")
        return value

    # --- known contents ---

    def known(self, i: int, what: str) -> tuple[Dimension, ...]:
        """The elements of integer operand `i`: integers, or dims computed from shapes.

        Raises:
            Unsupported: they depend on run-time data.
        """
        dims = known_dims(self.value(i))
        if dims is None:
            raise Unsupported(f"{what} must be known at import; it is computed at run time")
        return tuple(dims.reshape(-1))

    def known_ints(self, i: int, what: str) -> tuple[int, ...]:
        """The elements of integer operand `i`.

        Raises:
            Unsupported: they depend on run-time data or on symbolic dimensions.
        """
        dims = self.known(i, what)
        if not all(isinstance(d, int) for d in dims):
            raise Unsupported(f"{what} depends on symbolic dimensions; pin them with dims=")
        return tuple(d for d in dims if isinstance(d, int))

    def ints_from(self, name: str, i: int, what: str) -> tuple[int, ...] | None:
        """Integers that older opsets give as attribute `name` and newer ones as operand `i`; None if absent."""
        if self.has(name):
            return self.ints_attr(name)
        return None if self.optional(i) is None else self.known_ints(i, what)

    def number(self, i: int, what: str) -> float | None:
        """The single number in operand `i`, or None if it is left out.

        Raises:
            Unsupported: it is computed at run time.
        """
        value = self.optional(i)
        if value is None:
            return None
        if not isinstance(value, Constant) or value.type.elements != 1:
            raise Unsupported(f"{what} must be a constant of one element")
        data = value.data.reshape(())
        return short(float(data)) if value.type.dtype is DType.F32 else float(data)

    # --- making values ---

    def retyped(self, value: Value, to: ElementType) -> Value:
        """The same bits as elements of another type."""
        if value.type.dtype == to:
            return value
        made = self._builder.retyped(value, to)
        self.made.append(made)
        return made

    def parameter(self, constant: Constant) -> ConstantName:
        """The name by which quantized types can refer to the elements of a constant."""
        return self._builder.parameter(constant)

    def emit(self, layer: Layer) -> Value:
        """The only result of a layer; operands that are all known give a constant."""
        (value,) = self.emit_all(layer)
        return value

    def emit_all(self, layer: Layer) -> tuple[Value, ...]:
        """All results of a layer."""
        layer.locations = self._locations
        results = self._builder.emit(layer, [f"{self.output}.{layer.op}"])
        self.made += results
        return results

    def constant(self, data: Array, hint: str = "const") -> Constant:
        """A constant with these elements."""
        value = frozen(f"{self.output}.{hint}", np.asarray(data))
        self.made.append(value)
        return value

    def like(self, value: Value, number: float) -> Constant:
        """A constant of rank 0 in the dtype of `value`."""
        return self.constant(np.array(number, dtype=value.type.dtype.numpy))

    def lazy(self, type: TensorType, load: Callable[[], Array]) -> Constant:
        """A constant that is computed at its first use, counted against the limit for folding."""
        self._builder.charge(type, self.node.op)
        value = Constant(f"{self.output}.const", type=type, load=load)
        self.made.append(value)
        return value

    def shape_value(self, recipe: Layer, dims: Sequence[Dimension]) -> Value:
        """The value of a layer that yields these dims."""
        recipe.locations = self._locations
        value = self._builder.track_shape(recipe, dims, self.output)
        self.made.append(value)
        return value

    def reshape(self, value: Value, shape: Sequence[Dimension]) -> Value:
        """`value` in another shape, which may hold one -1 and dims; `value` itself if it has that shape.

        Raises:
            Unsupported: more than one dim is neither an integer nor that of the operand at the same place.
        """
        if tuple(shape) == value.type.shape:
            return value
        return self.emit(Reshape(value, shape=_spell(value.type.shape, shape)))


def _of_one_type(operands: Sequence[Value | None]) -> bool:
    """Whether quantized operands are all of one type, with one scale for the whole tensor, so that it stays true of
    elements that have moved."""
    types = [v.type.dtype for v in operands if v is not None and isinstance(v.type, TensorType)]
    quantized = [t for t in types if isinstance(t, Quantized)]
    return len(set(quantized)) == 1 and quantized[0].axis is None


def _spell(source: Sequence[Dimension], target: Sequence[Dimension]) -> tuple[int, ...]:
    """The attribute of `Reshape` for a target shape: 0 copies, -1 stands for what is left."""
    entries: list[int] = []
    for i, dim in enumerate(target):
        if isinstance(dim, int) and dim != 0:
            entries.append(dim)
        elif i < len(source) and source[i] == dim:
            entries.append(0)
        elif dim == 0:
            raise Unsupported("a reshape of an empty tensor")
        else:
            entries.append(-1)
    if entries.count(-1) > 1:
        entries = _solve(source, target, entries)
    return tuple(entries)


def _solve(source: Sequence[Dimension], target: Sequence[Dimension], entries: list[int]) -> list[int]:
    """An explicit -1 beside a dim that needs -1 itself: what is left may come out as an integer."""
    if target.count(-1) == 1:
        left: Dimension = math.prod(source[1:], start=source[0]) if source else 1
        for dim in target:
            left = left if dim == -1 else left // dim
        if isinstance(left, int):
            place = list(target).index(-1)
            entries = [left if i == place else e for i, e in enumerate(entries)]
    if entries.count(-1) > 1:
        raise Unsupported("a reshape to several symbolic dimensions; pin them with dims=")
    return entries


def short(value: float) -> float:
    """The shortest decimal that is the same number in 32 bits."""
    if not math.isfinite(value) or float(np.float32(value)) != value:
        return value
    return float(str(np.float32(value)))
