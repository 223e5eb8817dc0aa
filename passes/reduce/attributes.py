"""Fewer operands, and attributes back at their defaults."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from plait.ir.layer import Layer, OpaqueLayer
from plait.ir.module import Module
from plait.ir.registry import AttributeSpec
from plait.passes.reduce.search import Search
from plait.passes.reduce.size import parts
from plait.passes.reduce.walk import layers_of


def reduce_attributes(search: Search) -> None:
    """Drop operands that a layer can do without, then reset attributes: all of a layer, one, one member of one."""
    # Counted from the end, since layers before one go when it reads them no more.
    number = -1
    while -number <= search.size.layers:
        _drop_operands(search, number)
        for reset in list(_resets(list(layers_of(search.best))[number])):
            search.attempt(partial(_reset, number=number, reset=reset))
        number -= 1


def _drop_operands(search: Search, number: int) -> None:
    for spec in list(layers_of(search.best))[number].spec.operands:
        if spec.optional:
            search.attempt(partial(_set_operand, number=number, field=spec.name, value=None))
        if spec.variadic:
            _drop_repeated(search, number, spec.name)


def _drop_repeated(search: Search, number: int, field: str) -> None:
    at = 0
    while at < len(values := getattr(list(layers_of(search.best))[number], field)):
        fewer = (*range(at), *range(at + 1, len(values)))
        if not search.attempt(partial(_keep_operands, number=number, field=field, kept=fewer)):
            at += 1


def _keep_operands(module: Module, number: int, field: str, kept: Sequence[int]) -> bool:
    layer = list(layers_of(module))[number]
    values = getattr(layer, field)
    if isinstance(layer, OpaqueLayer) and layer.fields:
        layer.fields = tuple(layer.fields[i] for i in kept)
    return _set_operand(module, number, field, tuple(values[i] for i in kept))


def _set_operand(module: Module, number: int, field: str, value: Any) -> bool:
    layer = list(layers_of(module))[number]
    if getattr(layer, field) == value or layer.region is None:
        return False
    layer.region.set_operand(layer, field, value)
    return True


Reset = dict[str, Any]
"""Attributes and what to set them to."""


def _resets(layer: Layer) -> Iterator[Reset]:
    """Ways back to the defaults, from the largest step to the smallest."""
    changed = [s for s in layer.spec.attributes if not s.required and getattr(layer, s.name) != s.default]
    if len(changed) > 1:
        yield {spec.name: spec.default for spec in changed}
    for spec in changed:
        yield {spec.name: spec.default}
    for spec in changed:
        yield from ({spec.name: value} for value in _by_member(layer, spec))


def _by_member(layer: Layer, spec: AttributeSpec) -> Iterator[Any]:
    held, default = getattr(layer, spec.name), parts(spec.default)
    if isinstance(held, tuple) and len(held) == len(default):
        for i, member in enumerate(default):
            if held[i] != member:
                yield (*held[:i], member, *held[i + 1 :])


def _reset(module: Module, number: int, reset: Reset) -> bool:
    layer = list(layers_of(module))[number]
    for name, value in reset.items():
        # The layer is part of a copy, so it may be changed where it stands.
        setattr(layer, name, value)
    return True
