"""The parts of a module in an order that copies of it share, so that a place can be named by a number."""

from __future__ import annotations

from collections.abc import Iterator

from plait.ir.layer import Layer
from plait.ir.module import Module
from plait.ir.region import Region
from plait.ir.values import Value


def regions_of(module: Module) -> Iterator[Region]:
    """Bodies of functions and of layers; those of a layer come before the layer's own region."""
    for function in module.functions.values():
        yield from _nested(function.body)
        yield function.body


def layers_of(module: Module) -> Iterator[Layer]:
    """All layers; those inside a layer come before it, since its result types may follow from theirs."""
    for function in module.functions.values():
        yield from layers_in(function.body)


def arguments_of(module: Module) -> Iterator[Value]:
    """Arguments of all functions, not of nested regions, whose arguments belong to the layer around them."""
    for function in module.functions.values():
        yield from function.arguments


def regions_in(layer: Layer) -> tuple[Region, ...]:
    """The regions that a layer holds."""
    return ()


def _nested(region: Region) -> Iterator[Region]:
    for layer in region:
        for inner in regions_in(layer):
            yield from _nested(inner)
            yield inner


def layers_in(region: Region) -> Iterator[Layer]:
    """The layers of a region and of all regions inside."""
    for layer in region:
        for inner in regions_in(layer):
            yield from layers_in(inner)
        yield layer
