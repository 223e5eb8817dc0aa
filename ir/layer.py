"""The base class of layers. A layer says what is computed; `via` says which routine computes it, once that is
chosen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from plait.ir.diagnostics import Location, Span
from plait.ir.types import Type
from plait.ir.values import Array, Value

if TYPE_CHECKING:
    from plait.ir.region import Region
    from plait.ir.registry import LayerSpec


@attrs.define(eq=False)
class Layer:
    """One operation. Subclasses are attrs classes registered with `@layer(name)`; see `plait.ir.registry` for how
    fields are read.

    Attached layers (`region is not None`) change operands only through `Region.replace_uses`; attributes by replacing
    the layer.
    """

    spec: ClassVar[LayerSpec]

    via: str | None = attrs.field(default=None, kw_only=True)
    """Path of the chosen routine, with its variant: `cpu/f32/nchw16c/direct[tile=14x2]`."""
    cost_us: float | None = attrs.field(default=None, kw_only=True)
    """Measured time of that routine in microseconds."""
    locations: tuple[Location, ...] = attrs.field(default=(), kw_only=True)
    """Nodes of the original model that this layer stands for."""
    span: Span | None = attrs.field(default=None, kw_only=True, repr=False)
    """Where the layer stands in a text file, for diagnostics."""
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
        raise NotImplementedError(type(self).__name__)

    def reference(self, *operands: Any) -> Array | tuple[Array, ...]:
        """NumPy semantics: arrays in logical order in (None for an absent operand), array or arrays out. Inputs are not
        changed."""
        raise NotImplementedError(type(self).__name__)

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

    def attributes(self) -> dict[str, Any]:
        """Attributes that differ from their default, in declaration order."""
        return {a.name: v for a in self.spec.attributes if (v := getattr(self, a.name)) != a.default or a.required}

    @property
    def result(self) -> Value:
        """The only result."""
        (value,) = self.results
        return value

    def result_types(self) -> tuple[Type, ...]:
        """`infer`, always as a tuple."""
        types = self.infer()
        return types if isinstance(types, tuple) else (types,)

    def with_operands(self, mapping: Mapping[Value, Value]) -> Layer:
        """A detached copy with operands replaced."""
        changes: dict[str, Any] = {}
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

    kind: str
    args: tuple[Value | None, ...] = ()
    attrs: dict[str, Any] = attrs.field(factory=dict)
    types: tuple[Type, ...] = ()

    @property
    def op(self) -> str:
        return self.kind

    def infer(self) -> tuple[Type, ...]:
        return self.types

    def attributes(self) -> dict[str, Any]:
        return self.attrs


@attrs.define(eq=False)
class Return(Layer):
    """The outputs of a region, kept as the operands of a terminator so that they count as uses. Never printed as a
    layer."""

    values: tuple[Value, ...] = ()

    def infer(self) -> tuple[Type, ...]:
        return ()
