"""Regions: straight-line lists of layers with arguments and outputs; they keep the use lists of values.

A region is the body of a function, or belongs to a layer (`if`, `loop`). Layers of a nested region see the values of
the regions around it. A nested layer counts as a user of what it reads for as long as the layer that holds its region
is not removed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from plait.ir.layer import Layer, Return
from plait.ir.types import Type
from plait.ir.values import Value

if TYPE_CHECKING:
    from plait.ir.module import Function


class Region:
    """A doubly linked list of layers in execution order. Insertion, removal and replacement take constant time."""

    def __init__(self, arguments: Sequence[Value] = ()) -> None:
        self.arguments: list[Value] = list(arguments)
        self.owner: Function | Layer | None = None
        """The function whose body this is, or the layer that holds it."""
        self.first: Layer | None = None
        self.last: Layer | None = None
        self._return = Return()
        self._return.region = self
        self._count = 0
        self._counts_uses = True

    def __iter__(self) -> Iterator[Layer]:
        """Layers in order. The current layer may be removed or replaced while iterating."""
        layer = self.first
        while layer is not None:
            following = layer.next
            yield layer
            # If `layer` is still here, layers inserted after it are visited too.
            layer = layer.next if layer.region is self else following
            while layer is not None and layer.region is not self:
                layer = layer.next

    def __reversed__(self) -> Iterator[Layer]:
        layer = self.last
        while layer is not None:
            preceding = layer.previous
            yield layer
            layer = layer.previous if layer.region is self else preceding
            while layer is not None and layer.region is not self:
                layer = layer.previous

    def __len__(self) -> int:
        return self._count

    def walk(self) -> Iterator[Layer]:
        """Layers in order, those of nested regions after the layer that holds them."""
        for layer in self:
            yield layer
            for region in layer.regions():
                yield from region.walk()

    def nest(self) -> Iterator[Region]:
        """This region and all regions in it, outer ones first."""
        yield self
        for layer in self:
            for region in layer.regions():
                yield from region.nest()

    def values(self) -> Iterator[Value]:
        """All values that this region and those in it define, in the order of the text."""
        yield from self.arguments
        for layer in self:
            yield from layer.results
            for region in layer.regions():
                yield from region.values()

    @property
    def parent(self) -> Region | None:
        """The region around this one; None for the body of a function."""
        return self.owner.region if isinstance(self.owner, Layer) else None

    def encloses(self, other: Region) -> bool:
        """Whether `other` is this region or lies in it."""
        inner: Region | None = other
        while inner is not None and inner is not self:
            inner = inner.parent
        return inner is self

    @property
    def outputs(self) -> tuple[Value, ...]:
        """What the region yields, in order. A value may occur more than once."""
        return self._return.values

    @outputs.setter
    def outputs(self, values: Sequence[Value]) -> None:
        _drop_uses(self._return)
        self._return.values = tuple(values)
        if self._counts_uses:
            _add_uses(self._return)

    def is_output(self, value: Value) -> bool:
        """Whether the region yields `value`."""
        return self._return in value.users

    def append(self, layer: Layer, names: Sequence[str] = ("",), types: Sequence[Type] | None = None) -> Layer:
        """Attach a layer at the end; see `insert`."""
        return self.insert(layer, None, names, types)

    def insert(
        self,
        layer: Layer,
        before: Layer | None,
        names: Sequence[str] = ("",),
        types: Sequence[Type] | None = None,
    ) -> Layer:
        """Attach a detached layer before another one (None: at the end), and make its results.

        Args:
            names: one name for each result; missing ones are made from the first. Need not be unique: the printer
            numbers them. types: result types where they are known; inferred otherwise.

        Raises:
            ShapeError: types are to be inferred and the layer is inconsistent.
        """
        assert layer.region is None, "the layer is attached already"
        if not layer.results:
            types = layer.result_types() if types is None else types
            base = names[0] if names and names[0] else layer.op
            layer.results = tuple(
                Value(names[i] if i < len(names) and names[i] else (base if i == 0 else f"{base}.{i}"), t, layer)
                for i, t in enumerate(types)
            )
        after = self.last if before is None else before.previous
        layer.region, layer.previous, layer.next = self, after, before
        if after is None:
            self.first = layer
        else:
            after.next = layer
        if before is None:
            self.last = layer
        else:
            before.previous = layer
        self._count += 1
        if self._counts_uses:
            _add_uses(layer)
        for region in layer.regions():
            region.owner = layer
            region._count_uses(self._counts_uses)
        return layer

    def remove(self, layer: Layer) -> None:
        """Detach a layer whose results are unused. What its regions read is no longer used by them."""
        assert layer.region is self and not any(r.users for r in layer.results), f"{layer.describe()} is in use"
        self._unlink(layer)
        for region in layer.regions():
            # Not if another layer has taken the regions over (`attrs.evolve` shares them).
            if region.owner is layer:
                region._count_uses(False)

    def replace_uses(self, old: Value, new: Value) -> None:
        """Make every reader of `old` read `new`."""
        if old is new:
            return
        for user in list(old.users):
            _drop_uses(user)
            for operand in user.spec.operands:
                field = getattr(user, operand.name)
                if operand.variadic:
                    setattr(user, operand.name, tuple(new if v is old else v for v in field))
                elif field is old:
                    setattr(user, operand.name, new)
            _add_uses(user)

    def set_operand(self, layer: Layer, field: str, value: Value | tuple[Value, ...] | None) -> None:
        """Change one operand field of an attached layer."""
        _drop_uses(layer)
        setattr(layer, field, value)
        if self._counts_uses:
            _add_uses(layer)

    def replace(self, old: Layer, new: Layer) -> Layer:
        """Put a detached layer in the place of an attached one; it takes over names, formats, uses of the results."""
        types = [t.placed_like(r.type) for t, r in zip(new.result_types(), old.results, strict=True)]
        self.insert(new, old, [r.name for r in old.results], types)
        for before, after in zip(old.results, new.results, strict=True):
            self.replace_uses(before, after)
        self.remove(old)
        return new

    def move_before(self, layer: Layer, before: Layer | None) -> None:
        """Move an attached layer of this region."""
        self._unlink(layer)
        self.insert(layer, before)

    def _unlink(self, layer: Layer) -> None:
        if layer.previous is None:
            self.first = layer.next
        else:
            layer.previous.next = layer.next
        if layer.next is None:
            self.last = layer.previous
        else:
            layer.next.previous = layer.previous
        self._count -= 1
        _drop_uses(layer)
        # `next` and `previous` stay for an iterator that stands on this layer.
        layer.region = None

    def _count_uses(self, counts: bool) -> None:
        """Enter or withdraw the uses of all layers of this region and of those in it."""
        if counts is self._counts_uses:
            return
        self._counts_uses = counts
        change = _add_uses if counts else _drop_uses
        for layer in (*self, self._return):
            change(layer)
            for region in layer.regions():
                region._count_uses(counts)


def _add_uses(layer: Layer) -> None:
    for value in layer.operands:
        value.users[layer] = value.users.get(layer, 0) + 1


def _drop_uses(layer: Layer) -> None:
    for value in layer.operands:
        value.users.pop(layer, None)
