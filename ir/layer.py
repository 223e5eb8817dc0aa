"""The base class of layers. A layer says what is computed; `via` says which routine computes it, once that is
chosen."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import attrs

from plait.ir.diagnostics import Location, ShapeError, Span
from plait.ir.dtypes import DType, Quantized
from plait.ir.types import Type
from plait.ir.values import Array, Value

if TYPE_CHECKING:
    from plait.ir.integer import Target
    from plait.ir.region import Region
    from plait.ir.registry import LayerSpec


class Elements(enum.Enum):
    """Kinds of element types. Quantized ones count as all of them, since they stand for real numbers."""

    ANY = "anything"
    NUMBERS = "numbers"
    FLOATS = "floating-point numbers"


def operand_axes(**axes: int | None) -> Mapping[str, int | None]:
    """What `Layer.integer_operands` takes: an axis, or None, for each operand by name."""
    return MappingProxyType(axes)


class Scope(Protocol):
    """What an evaluator offers to layers that run other code."""

    def region(self, region: Region, arguments: Sequence[Array]) -> tuple[Array, ...]:
        """The outputs of a region of the layer."""
        ...

    def net(self, name: str, arguments: Sequence[Array]) -> tuple[Array, ...]:
        """The outputs of another function of the module."""
        ...


@attrs.define(eq=False)
class Layer:
    """One operation. Subclasses are attrs classes registered with `@layer(name)`; see `plait.ir.registry` for how
    fields are read.

    Attached layers (`region is not None`) change operands only through `Region.replace_uses`; attributes by replacing
    the layer.
    """

    spec: ClassVar[LayerSpec]
    declares_types: ClassVar[bool] = False
    """Result types follow from nothing and are stated with the layer: `infer` gives `declared`."""
    elements: ClassVar[Elements] = Elements.ANY
    """Which element types the operands may have."""
    one_type: ClassVar[bool] = False
    """Whether all operands have one element type (quantized ones aside: they stand for real numbers)."""
    stored_operands: ClassVar[frozenset[str]] = frozenset()
    """Operands (weights) that may be stored as 16-bit floats where the others are f32: they stand for the same numbers
    in f32."""
    integer_operands: ClassVar[Mapping[str, int | None]] = MappingProxyType({})
    """The operands that are quantized, all of them, where the layer computes on integers; for each the axis along which
    scales may differ, if there is one. Empty if the layer has no integer rule."""
    remarks: ClassVar[frozenset[str]] = frozenset()
    """Attributes that passes heed, and on which neither the result nor any routine depends."""

    via: str | None = attrs.field(default=None, kw_only=True)
    """Path of the chosen routine, with its variant: `cpu/f32/nchw16c/direct[tile=14x2]`."""
    cost_us: float | None = attrs.field(default=None, kw_only=True)
    """Measured time of that routine in microseconds."""
    locations: tuple[Location, ...] = attrs.field(default=(), kw_only=True)
    """Nodes of the original model that this layer stands for."""
    comment: str = attrs.field(default="", kw_only=True, repr=False)
    """Lines of comment that stand before the layer in the text, without their `//`."""
    span: Span | None = attrs.field(default=None, kw_only=True, repr=False)
    """Where the layer stands in a text file, for diagnostics."""
    declared: tuple[Type, ...] = attrs.field(default=(), kw_only=True, repr=False)
    """Types of the results, of layers that have `declares_types`."""
    results: tuple[Value, ...] = attrs.field(default=(), init=False, repr=False)
    region: Region | None = attrs.field(default=None, init=False, repr=False)
    previous: Layer | None = attrs.field(default=None, init=False, repr=False)
    next: Layer | None = attrs.field(default=None, init=False, repr=False)

    # --- what subclasses define ---

    def infer(self) -> Type | tuple[Type, ...]:
        """Types of the results from operands and attributes (layouts are left at their default).

        Raises:
            ShapeError: operands and attributes do not fit together.
        """
        if self.declares_types:
            return self.declared
        raise NotImplementedError(type(self).__name__)

    def reference(self, *operands: Any) -> Array | tuple[Array, ...]:
        """NumPy semantics: arrays in logical order in (None for an absent operand), array or arrays out. Inputs are not
        changed."""
        raise NotImplementedError(type(self).__name__)

    def integer_reference(self, target: Target, *operands: Any) -> Array:
        """NumPy semantics of a layer that computes on integers (see `plait.ir.quantization.why_not_integer`).

        Args:
            target: how the result is stored.
            operands: quantized ones as `plait.ir.integer.Stored`, others as for `reference`.
        """
        raise NotImplementedError(type(self).__name__)

    def execute(self, scope: Scope, *operands: Any) -> Array | tuple[Array, ...]:
        """What the evaluator calls: `reference`, unless the layer runs regions or other functions through `scope`."""
        return self.reference(*operands)

    def refuse_integers(self) -> str | None:
        """Why the attributes rule out that the layer computes on integers, or None."""
        return None

    def flops(self) -> int:
        """Floating-point operations, a multiply-add counted as two; static shapes only."""
        return 0

    # --- derived ---

    @property
    def op(self) -> str:
        """The name of this kind of layer in the text form."""
        return self.spec.name

    def named_operands(self) -> Iterator[tuple[str, Value]]:
        """(field name, value) of each operand that is present, in order."""
        for operand in self.spec.operands:
            match getattr(self, operand.name):
                case None:
                    pass
                case Value() as value:
                    yield operand.name, value
                case values:
                    for value in values:
                        yield operand.name, value

    @property
    def operands(self) -> tuple[Value, ...]:
        """The operands that are present, in order."""
        return tuple(value for _, value in self.named_operands())

    def operand_slots(self) -> tuple[Value | None, ...]:
        """All operands in order with None for absent ones; what `reference` takes."""
        slots: list[Value | None] = []
        for operand in self.spec.operands:
            field = getattr(self, operand.name)
            if operand.variadic:
                slots.extend(field)
            else:
                slots.append(field)
        return tuple(slots)

    def reads(self) -> tuple[Value, ...]:
        """What the layer needs of its surroundings, each once: operands, and what its regions read but do not
        define."""
        regions = [inner for region in self.regions() for inner in region.nest()]
        if not regions:
            return tuple(dict.fromkeys(self.operands))
        defined = {v for region in self.regions() for v in region.values()}
        read = [v for region in regions for v in (*(o for inner in region for o in inner.operands), *region.outputs)]
        return tuple(dict.fromkeys(v for v in (*self.operands, *read) if v not in defined))

    def attributes(self) -> dict[str, Any]:
        """Attributes that differ from their default, in declaration order."""
        return {a.name: v for a in self.spec.attributes if (v := getattr(self, a.name)) != a.default or a.required}

    def regions(self) -> tuple[Region, ...]:
        """The regions that the layer holds, in the order of the text."""
        return tuple(getattr(self, r.field) for r in self.spec.regions)

    @property
    def result(self) -> Value:
        """The only result."""
        (value,) = self.results
        return value

    def result_types(self) -> tuple[Type, ...]:
        """`infer`, always as a tuple, after a check of the operands' element types.

        Raises:
            ShapeError: operands and attributes do not fit together.
        """
        if self.elements is not Elements.ANY:
            self._check_elements()
        types = self.infer()
        return types if isinstance(types, tuple) else (types,)

    def _check_elements(self) -> None:
        plain: DType | None = None
        for name, value in self.named_operands():
            dtype = value.type.dtype
            if isinstance(dtype, Quantized):
                continue
            if not (dtype.is_float or (self.elements is Elements.NUMBERS and (dtype.is_integer or dtype.is_complex))):
                raise ShapeError(f"{name} must hold {self.elements.value}, got {value.type}")
            if plain is DType.F32 and name in self.stored_operands and dtype in (DType.F16, DType.BF16):
                continue
            if self.one_type and plain not in (None, dtype):
                raise ShapeError(f"operands have dtypes {plain} and {dtype}")
            plain = dtype

    def with_operands(self, mapping: Mapping[Value, Value]) -> Layer:
        """A detached copy with operands replaced, and regions copied so that they read the replaced values."""
        changes: dict[str, Any] = {}
        if self.spec.regions:
            from plait.ir.clone import clone_region

            changes = {r.field: clone_region(getattr(self, r.field), mapping) for r in self.spec.regions}
        for operand in self.spec.operands:
            field = getattr(self, operand.name)
            if operand.variadic:
                changes[operand.name] = tuple(mapping.get(v, v) for v in field)
            elif field is not None:
                changes[operand.name] = mapping.get(field, field)
        return attrs.evolve(self, **changes)

    def nbytes(self) -> int:
        """Bytes read and written at least once each: operands and results."""
        return sum(v.type.nbytes for v in (*self.operands, *self.results))

    def describe(self) -> str:
        """A short name for messages: first result and kind."""
        return f"%{self.results[0].name} ({self.op})" if self.results else self.op


@attrs.define(eq=False)
class OpaqueLayer(Layer):
    """A layer whose kind is not registered: kept as text so that files of absent plug-ins can be inspected and
    printed."""

    declares_types = True

    kind: str
    args: tuple[Value, ...] = ()
    values: dict[str, Any] = attrs.field(factory=dict)
    bodies: dict[str, Region] = attrs.field(factory=dict)
    fields: tuple[str, ...] = ()
    """Names given to the operands in the text, "" for positional ones; empty if all are."""

    @property
    def op(self) -> str:
        return self.kind

    def regions(self) -> tuple[Region, ...]:
        return tuple(self.bodies.values())

    def with_operands(self, mapping: Mapping[Value, Value]) -> OpaqueLayer:
        from plait.ir.clone import clone_region

        args = tuple(mapping.get(v, v) for v in self.args)
        return attrs.evolve(self, args=args, bodies={n: clone_region(r, mapping) for n, r in self.bodies.items()})

    def attributes(self) -> dict[str, Any]:
        return self.values


@attrs.define(eq=False)
class Return(Layer):
    """The outputs of a region, kept as the operands of a terminator so that they count as uses. Never printed as a
    layer."""

    values: tuple[Value, ...] = ()

    def infer(self) -> tuple[Type, ...]:
        return ()
