"""Making a layer fit its operands again: when the shape of one has changed, constants, arguments and attributes follow.

The search knows nothing of kinds of layers, so it serves those of plug-ins too. It looks at the integers of the layer
that are free (dimensions of constants and arguments, members of attributes), and sets one of them, all that are equal,
or two such groups, to numbers that occur about the layer, until `infer` is content. What results may well be another
computation: whether it still fails is for the check to say.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import attrs

from plait.ir.layer import Layer
from plait.ir.types import TensorType
from plait.ir.values import Value
from plait.passes.reduce.size import integers, shape_of

MISFITS = (ValueError, IndexError, TypeError, ArithmeticError, LookupError)
"""What `infer` raises when a layer does not fit (`ShapeError` is a `ValueError`), or is asked in vain."""
_TRIES = 3000


@attrs.frozen
class Slot:
    """A place that holds an integer: a dimension of a value, or (a member of) an attribute of a layer."""

    owner: Value | Layer
    name: str = ""
    index: int | None = None

    def get(self) -> int:
        """The integer that is there now."""
        held: Any = shape_of(self.owner) if isinstance(self.owner, Value) else getattr(self.owner, self.name)
        return int(held if self.index is None else held[self.index])

    def set(self, number: int) -> None:
        """Put another there. Attributes of attached layers may be set, since the layer is part of a copy."""
        if isinstance(self.owner, Value):
            type = self.owner.type
            assert isinstance(type, TensorType) and self.index is not None
            self.owner.type = attrs.evolve(type, shape=_with(type.shape, self.index, number))
        elif self.index is None:
            setattr(self.owner, self.name, number)
        else:
            setattr(self.owner, self.name, _with(getattr(self.owner, self.name), self.index, number))


Move = tuple[tuple[Slot, ...], int]
"""Slots, and what to set them to."""


def fit(layer: Layer) -> bool:
    """Change free integers until the layer infers its types; false, with nothing changed, if no try helps."""
    slots = list(slots_of(layer))
    numbers = _numbers(layer)
    before = [slot.get() for slot in slots]
    for moves in itertools.islice(_attempts(slots, numbers), _TRIES):
        try:
            for group, number in moves:
                put(group, number)
            layer.result_types()
        except MISFITS:
            for slot, number in zip(slots, before, strict=True):
                if slot.get() != number:
                    slot.set(number)
        else:
            return True
    return False


def put(slots: Iterable[Slot], number: int) -> None:
    """Set all slots to one number."""
    for slot in slots:
        slot.set(number)


def slots_of(layer: Layer) -> Iterator[Slot]:
    """The free integers of a layer: of operands that no layer computes, then of attributes."""
    for value in dict.fromkeys(layer.operands):
        if value.owner is None:
            yield from slots_of_value(value)
    yield from slots_of_attributes(layer)


def slots_of_value(value: Value) -> Iterator[Slot]:
    """The dimensions of a value that are integers."""
    for axis, dim in enumerate(shape_of(value)):
        if isinstance(dim, int):
            yield Slot(value, index=axis)


def slots_of_attributes(layer: Layer) -> Iterator[Slot]:
    """The integers in the attributes of a layer."""
    for spec in layer.spec.attributes:
        held = getattr(layer, spec.name)
        if isinstance(held, tuple):
            yield from (Slot(layer, spec.name, i) for i, n in enumerate(held) if _is_integer(n))
        elif _is_integer(held):
            yield Slot(layer, spec.name)


def _attempts(slots: Sequence[Slot], numbers: Sequence[int]) -> Iterator[tuple[Move, ...]]:
    """Combinations of moves, the likely ones first.

    Smaller numbers before larger ones, since what is to be followed has become smaller; groups of equal numbers, which
    are mostly one dimension, before single ones; dimensions before attributes before both together.
    """
    dims = [slot for slot in slots if isinstance(slot.owner, Value)]
    attributes = [slot for slot in slots if not isinstance(slot.owner, Value)]
    for smaller in (True, False):
        single = list(_moves([(slot,) for slot in dims], numbers, smaller))
        yield from ((move,) for move in _moves(_equal(dims), numbers, smaller))
        yield from ((move,) for move in single)
        yield from ((move,) for move in _moves(_equal(attributes), numbers, smaller))
        yield from ((move,) for move in _moves([(slot,) for slot in attributes], numbers, smaller))
        yield from ((move,) for move in _moves(_equal(slots), numbers, smaller))
        pairs = [(a, b) for a, b in itertools.combinations(single, 2) if a[0] != b[0]]
        # Two of the places that hold one number, before any two.
        yield from sorted(pairs, key=lambda pair: pair[0][1] != pair[1][1])


def _equal(slots: Iterable[Slot]) -> list[tuple[Slot, ...]]:
    """Groups of slots that hold the same number."""
    groups: dict[int, list[Slot]] = {}
    for slot in slots:
        groups.setdefault(slot.get(), []).append(slot)
    return [tuple(group) for group in groups.values()]


def _moves(groups: Iterable[tuple[Slot, ...]], numbers: Sequence[int], smaller: bool) -> Iterator[Move]:
    for group in groups:
        value = group[0].get()
        yield from ((group, n) for n in numbers if n != value and (n < value) is smaller)


def _numbers(layer: Layer) -> list[int]:
    """Integers to try: dimensions of the operands, their quotients and products, and the integers in attributes."""
    shapes = [[d for d in shape_of(v) if isinstance(d, int)] for v in dict.fromkeys(layer.operands)]
    dims = [d for shape in shapes for d in shape]
    near = [*dims, *integers(getattr(layer, spec.name) for spec in layer.spec.attributes)]
    found = dict.fromkeys(n for n in near if n > 0)
    found |= dict.fromkeys(a // b for a in dims for b in found if b > 1 and a > b and a % b == 0)
    for shape in shapes:
        for start in range(len(shape)):
            product = 1
            for d in shape[start:]:
                product *= d
            if product > 0:
                found.setdefault(product)
    return [*list(found)[:24], 1]


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _with(items: Sequence[Any], index: int, item: int) -> tuple[Any, ...]:
    return (*items[:index], item, *items[index + 1 :])
