"""Layers with regions: in which order they stand, and which of them holds which."""

from __future__ import annotations

from collections.abc import Iterator

from plait.ir.layer import Layer
from plait.ir.region import Region


def inner_first(region: Region) -> Iterator[Layer]:
    """The layers of a region and of all regions inside; those inside a layer come before it."""
    for layer in region:
        for inner in layer.regions():
            yield from inner_first(inner)
        yield layer


def ancestor(layer: Layer, region: Region | None) -> Layer | None:
    """The layer of `region` that is `layer` or holds it in its regions, however deep; None if there is none."""
    found: Layer | None = layer
    while found is not None and found.region is not region:
        owner = found.region.owner if found.region is not None else None
        found = owner if isinstance(owner, Layer) else None
    return found
