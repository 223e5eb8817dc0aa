"""Layers with regions: what they read, and in which order they stand."""

from __future__ import annotations

from collections.abc import Iterator

from plait.ir.layer import Layer
from plait.ir.region import Region
from plait.ir.values import Value


def inner_first(region: Region) -> Iterator[Layer]:
    """The layers of a region and of all regions inside; those inside a layer come before it."""
    for layer in region:
        for inner in layer.regions():
            yield from inner_first(inner)
        yield layer


def reads(layer: Layer) -> tuple[Value, ...]:
    """What a layer reads from around it: its operands, and what its regions read and do not make."""
    regions = [nested for region in layer.regions() for nested in region.nest()]
    if not regions:
        return layer.operands
    makers = {inner for region in regions for inner in region}
    arguments = {argument for region in regions for argument in region.arguments}
    read = [v for region in regions for v in (*(o for inner in region for o in inner.operands), *region.outputs)]
    return (*layer.operands, *(v for v in read if v.owner not in makers and v not in arguments))


def ancestor(layer: Layer, region: Region | None) -> Layer | None:
    """The layer of `region` that is `layer` or holds it in its regions, however deep; None if there is none."""
    found: Layer | None = layer
    while found is not None and found.region is not region:
        owner = found.region.owner if found.region is not None else None
        found = owner if isinstance(owner, Layer) else None
    return found
