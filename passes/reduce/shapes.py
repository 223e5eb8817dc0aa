"""Smaller shapes: dimensions of arguments and constants and integers in attributes, each as small as can be.

A number is changed at one place, or wherever it occurs; `fit` makes the layers around follow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from plait.ir.module import Module
from plait.ir.types import TensorType
from plait.passes.reduce.fit import Slot, put, slots_of_attributes, slots_of_value
from plait.passes.reduce.search import Search
from plait.passes.reduce.walk import arguments_of, layers_of

_DIVISORS = 1000
"""Below this divisors are tried: the ends of slices may be as large as integers get."""


def reduce_shapes(search: Search) -> None:
    """Bind symbols to small numbers; shrink each number wherever it occurs; then each place on its own."""
    for symbol in _symbols(search.best):
        for size in (1, 2, 3):
            if search.attempt(partial(_bind, symbol=symbol, size=size)):
                break
    for number in sorted({s.get() for s in slots_of_module(search.best)}, reverse=True):
        _shrink(search, number, partial(_replace_all, number=number))
    place = 0
    while place < len(slots := list(slots_of_module(search.best))):
        number = slots[place].get()
        _shrink(search, number, partial(_set_one, place=place))
        place += 1


def _shrink(search: Search, number: int, change: Callable[..., bool]) -> None:
    """Find a small number in place of a larger one: halving the range that is left, then among its divisors."""
    low, high = 0, number
    while high - low > 1:
        # The least first: mostly it will do.
        middle = 1 if low == 0 else (low + high) // 2
        if search.attempt(partial(change, to=middle)):
            high = middle
        else:
            low = middle
    for divisor in range(2, min(high, _DIVISORS)):
        # Groups and blocks leave only multiples of something: smaller ones may do where the range has none.
        if high % divisor == 0 and search.attempt(partial(change, to=divisor)):
            break


def slots_of_module(module: Module) -> Iterator[Slot]:
    """All free integers, in an order that copies share."""
    for value in (*arguments_of(module), *module.constants.values()):
        yield from slots_of_value(value)
    for layer in layers_of(module):
        yield from slots_of_attributes(layer)


def _replace_all(module: Module, number: int, to: int) -> bool:
    slots = [slot for slot in slots_of_module(module) if slot.get() == number]
    return _changed(slots, to)


def _set_one(module: Module, place: int, to: int) -> bool:
    return _changed([list(slots_of_module(module))[place]], to)


def _changed(slots: Iterable[Slot], to: int) -> bool:
    slots = [slot for slot in slots if slot.get() != to]
    put(slots, to)
    return bool(slots)


def _symbols(module: Module) -> list[str]:
    return sorted({s for f in module.functions.values() for s in f.symbols()})


def _bind(module: Module, symbol: str, size: int) -> bool:
    for value in arguments_of(module):
        if isinstance(value.type, TensorType):
            value.type = value.type.substitute({symbol: size})
    return True
