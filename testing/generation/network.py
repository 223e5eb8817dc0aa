"""A function under construction: values to choose operands from, and layers that are added with their annotations."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import attrs
import numpy as np

from plait.ir.dims import Dimension
from plait.ir.dtypes import ConstantName, DType, ElementType, Quantized
from plait.ir.layer import Layer
from plait.ir.layers.elementwise import Adapt
from plait.ir.module import Function, Module
from plait.ir.region import Region
from plait.ir.types import OptionalType, SequenceType, TensorType, Type
from plait.ir.values import Array, Constant, Value
from plait.testing.generation import pieces
from plait.testing.generation.source import Source
from plait.testing.generation.style import Style

MOST_ELEMENTS = 5000
"""Tensors larger than this are operands no more."""
_RECENT = 6
"""Operands are chosen among so many of the newest values that fit."""


class Net:
    """A function under construction.

    `region` is where layers are added, `depth` how deep it lies in others. `growing` names the functions under
    construction: this one, and those that will call it.
    """

    def __init__(self, source: Source, style: Style, module: Module, name: str, caller: Net | None = None) -> None:
        self.source, self.style, self.module = source, style, module
        self.function = Function(name)
        self.region: Region = self.function.body
        self.depth: int = 0 if caller is None else caller.depth + 1
        self.growing: frozenset[str] = frozenset([name]) | (frozenset() if caller is None else caller.growing)
        self._scope: list[Value] = []

    @property
    def values(self) -> list[Value]:
        """The values that `region` sees, oldest first."""
        return [*self.function.arguments, *self._scope]

    # --- operands ---

    def tensor(
        self, dtypes: Sequence[ElementType], rank: int | None = None, least: int = 0, static: Sequence[int] = ()
    ) -> Value:
        """A value with one of these element types: of the given rank or of at least `least` dimensions, and with known
        sizes along the axes `static`. A new argument if there is none, and now and then even so."""
        fitting = [v for v in self.values if _fits(v.type, dtypes, rank, least, static)][-_RECENT:]
        if fitting and not self.source.chance(15):
            return self.source.choice(fitting[::-1])
        rank = self.source.integer(least, max(4, least)) if rank is None else rank
        shape = [pieces.dimension(self.source, self.style.symbols, self.style.arithmetic) for _ in range(rank)]
        for axis in static:
            if rank and not isinstance(shape[axis], int):
                shape[axis] = self.source.integer(1, 5)
        return self.argument(TensorType(self.source.choice(dtypes), shape))

    def anything(self, rank: int | None = None, least: int = 0, static: Sequence[int] = ()) -> Value:
        """A tensor of any element type, quantized ones included."""
        source = self.source
        if not self.style.computable and source.chance(15):
            dtype = source.choice(self.style.anything)
            sizes = [source.integer(1, 5) for _ in range(source.integer(least, 3) if rank is None else rank)]
            return self.constant(pieces.array(source, dtype, tuple(sizes)), dtype)
        if source.chance(self.style.quantized):
            quantized = pieces.quantized(self.source, ())
            return self.tensor((quantized,), rank, least, static)
        return self.tensor(self.style.anything, rank, least, static)

    def image(self) -> Value:
        """A floating-point tensor of four dimensions, the number of channels of which is known."""
        return self.tensor(self.style.floats, rank=4, static=(1,))

    def operand(self, dtype: ElementType, shape: Sequence[Dimension], low: float = -1.0, high: float = 1.0) -> Value:
        """A tensor of exactly this kind: an old value, a constant or a new argument.

        Args:
            low, high: bounds of a constant's numbers, in modules that are computable.
        """
        fitting = [v for v in self.values if _same(v.type, TensorType(dtype, shape))]
        if fitting and not self.style.computable and self.source.chance(50):
            return self.source.choice(fitting[::-1])
        sizes = tuple(d for d in shape if isinstance(d, int))
        if len(sizes) < len(shape) or self.source.chance(25):
            return self.argument(TensorType(dtype, shape))
        if self.style.computable and dtype.is_float:
            random = np.random.default_rng(self.source.integer(0, 999))
            return self.constant(random.uniform(low, high, sizes).astype(dtype.numpy), dtype)
        return self.constant(pieces.array(self.source, dtype, sizes), dtype)

    def argument(self, type: Type) -> Value:
        """A new argument of the function."""
        value = Value(self.name(), type)
        self.function.arguments.append(value)
        return value

    def exact(self, type: Type) -> Value:
        """A value of exactly this type: an old one, or what an adapt makes of one that is equal but for the format."""
        same = [v for v in self.values if v.type == type]
        if same and self.source.chance(60):
            return self.source.choice(same[::-1])
        like = [v for v in self.values if _same(v.type, type)]
        if like:
            return self.append(Adapt(self.source.choice(like[::-1])), [type]).result
        return self.argument(type)

    def type(self) -> Type:
        """Any type: a tensor, perhaps with quantized elements, a sequence or an optional value."""
        if self.source.chance(self.style.sequences):
            return self.source.choice((SequenceType, OptionalType))(self.type())
        type = pieces.tensor_type(self.source, self.style)
        axes = [i for i, d in enumerate(type.shape) if isinstance(d, int)]
        if not axes or not self.source.chance(self.style.quantized):
            return type
        return attrs.evolve(type, dtype=self._quantized(self.source.choice(axes), type.shape))

    def _quantized(self, axis: int, shape: Sequence[Dimension]) -> Quantized:
        """A quantized element type whose scales, and perhaps zero points, are constants."""
        source, size = self.source, shape[axis]
        assert isinstance(size, int)
        block = source.integer(1, size) if source.chance(30) else 0
        count = -(-size // block) if block else size
        counts = tuple(d for d in shape[:axis] if isinstance(d, int)) if block else ()
        counts = (*counts, count, *(d for d in shape[axis + 1 :] if isinstance(d, int))) if block else (count,)
        if block and len(counts) != len(shape):  # other dimensions are symbolic, the constant's shape would be too
            block, counts = 0, (size,)
        scale = ConstantName(self.constant(np.full(counts, 0.25, np.float32)).name)
        storage = source.choice(pieces.STORAGES)
        zero = self.constant(np.zeros(counts, storage.numpy), storage) if source.chance(50) else None
        return Quantized(storage, scale, 0 if zero is None else ConstantName(zero.name), axis, block)

    def constant(self, data: Array, dtype: ElementType | None = None) -> Constant:
        """A new constant of the module."""
        type = TensorType(dtype or DType.of(data.dtype), data.shape)
        return self.module.adopt(Constant(self.module.free_name(self.name()), data, type=type))

    def name(self) -> str:
        """A name, which may be in use."""
        return pieces.name(self.source, self.style.odd_names)

    # --- layers ---

    def append(self, layer: Layer, types: Sequence[Type] | None = None) -> Layer:
        """Add a layer with its annotations; `types` are those of its results if they are not to be inferred."""
        source = self.source
        if source.chance(self.style.annotations):
            self._annotate(layer)
        if types is None:
            types = layer.result_types()
            types = types if layer.declares_types else [self._placed(t) for t in types]
        self.region.append(layer, [self.name() for _ in types], types)
        self._scope += layer.results
        return layer

    @contextlib.contextmanager
    def nested(self, arguments: Sequence[Type] = ()) -> Iterator[Region]:
        """A new region with arguments of these types, where layers are added meanwhile."""
        outer, mark = self.region, len(self._scope)
        self.region = Region([Value(self.name(), type) for type in arguments])
        self._scope += self.region.arguments
        self.depth += 1
        try:
            yield self.region
        finally:
            self.region, self.depth = outer, self.depth - 1
            del self._scope[mark:]

    def _annotate(self, layer: Layer) -> None:
        source = self.source
        if source.chance(30):
            layer.comment = source.choice(pieces.COMMENTS)
        if source.chance(50):
            layer.locations = pieces.locations(source)
        if source.chance(40):
            layer.via = source.choice(pieces.ROUTINES)
            layer.cost_us = source.integer(0, 10**6) / 100 if source.chance(70) else None

    def _placed(self, type: Type) -> Type:
        """The type in some layout, on some device."""
        if not isinstance(type, TensorType) or not self.source.chance(self.style.annotations):
            return type
        return pieces.placed(self.source, type, self.style)

    # --- the end ---

    def finish(self) -> Function:
        """Choose outputs: the last value, and some others; names for callers are unique."""
        source, values = self.source, self.values
        if source.chance(self.style.annotations):
            self.function.comment = source.choice(pieces.COMMENTS)
        outputs = [values[-1]] if values else []
        for _ in range(source.integer(0, 2) if values else 0):
            outputs.append(source.choice(values))
        if source.chance(10) and self.module.constants and not self.style.computable:
            outputs.append(source.choice(list(self.module.constants.values())))
        names: list[str] = []
        for value in outputs:
            name = value.name if source.chance(60) else self.name()
            while name in names:
                name += "'" if source.chance(50) else "2"
            names.append(name)
        self.function.set_outputs(outputs, names)
        self._name_arguments()
        self.module.functions[self.function.name] = self.function
        return self.function

    def _name_arguments(self) -> None:
        """Callers give arguments by name: make these unique."""
        taken: set[str] = set()
        for argument in self.function.arguments:
            while argument.name in taken:
                argument.name += "1"
            taken.add(argument.name)


def _same(type: Type, other: Type) -> bool:
    """Whether two types are those of tensors that are equal but for the format."""
    tensors = isinstance(type, TensorType) and isinstance(other, TensorType)
    return tensors and (type.dtype, type.shape) == (other.dtype, other.shape)


def _fits(type: Type, dtypes: Sequence[ElementType], rank: int | None, least: int, static: Sequence[int]) -> bool:
    if not isinstance(type, TensorType) or type.dtype not in dtypes:
        return False
    if type.rank < least or rank not in (None, type.rank):
        return False
    if any(not isinstance(type.shape[a], int) for a in static):
        return False
    sizes = [d for d in type.shape if isinstance(d, int)]
    return 0 < int(np.prod(sizes, dtype=np.int64)) <= MOST_ELEMENTS
