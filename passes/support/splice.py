"""Putting the layers of a region in the place of the layer that runs it."""

from __future__ import annotations

from collections.abc import Sequence

from plait.ir.layer import Layer
from plait.ir.region import Region
from plait.ir.values import Value
from plait.passes.support.locations import heir, merge_locations


def splice(region: Region, before: Layer, arguments: Sequence[Value] = ()) -> tuple[Value, ...]:
    """Copy the layers of a region before an attached layer; returns what the region yields for these arguments."""
    assert before.region is not None
    mapping = dict(zip(region.arguments, arguments, strict=True))
    for layer in region:
        twin = layer.with_operands(mapping)
        before.region.insert(twin, before, [r.name for r in layer.results], [r.type for r in layer.results])
        mapping.update(zip(layer.results, twin.results, strict=True))
    return tuple(mapping.get(v, v) for v in region.outputs)


def replace_by_equal(layer: Layer, kept: Layer) -> None:
    """Let readers of a layer read the equal results of `kept`, and remove it. Its locations go to `kept`."""
    assert layer.region is not None
    for result, equal in zip(layer.results, kept.results, strict=True):
        layer.region.replace_uses(result, equal)
    layer.region.remove(layer)
    merge_locations(kept, layer)


def replace_by_values(layer: Layer, values: Sequence[Value]) -> None:
    """Let readers of a layer's results read `values`, and remove it. Its locations go to the makers of the values."""
    assert layer.region is not None
    region = layer.region
    for result, value in zip(layer.results, values, strict=True):
        if value.owner is not None and value.owner.region is region and result.users:
            value.name = result.name
        region.replace_uses(result, value)
    region.remove(layer)
    for keeper in dict.fromkeys(heir(v) for v in values):
        if keeper is not None:
            merge_locations(keeper, layer)
