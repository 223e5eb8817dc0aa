"""The parts of a module in an order that copies of it share, so that a place can be named by a number."""

from __future__ import annotations

from collections.abc import Iterator

from plait.ir.layer import Layer
from plait.ir.layers.control import Call
from plait.ir.module import Function, Module
from plait.ir.region import Region
from plait.ir.values import Value
from plait.passes.support.regions import inner_first


def regions_of(module: Module) -> Iterator[Region]:
    """Bodies of functions and of layers, outer ones first."""
    for function in module.functions.values():
        yield from function.body.nest()


def layers_of(module: Module) -> Iterator[Layer]:
    """All layers; those inside a layer come before it, since its result types follow from theirs."""
    for function in module.functions.values():
        yield from inner_first(function.body)


def arguments_of(module: Module) -> Iterator[Value]:
    """Arguments of all functions. Those of nested regions belong to the layer around them."""
    for function in module.functions.values():
        yield from function.arguments


def function_of(region: Region) -> Function:
    """The function that a region is part of."""
    while isinstance(region.owner, Layer):
        assert region.owner.region is not None
        region = region.owner.region
    assert isinstance(region.owner, Function)
    return region.owner


def callee_of(module: Module, layer: Layer) -> Function | None:
    """The function that a layer calls."""
    return module.functions.get(layer.callee.name) if isinstance(layer, Call) else None
