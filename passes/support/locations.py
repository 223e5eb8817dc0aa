"""Locations survive passes: what is removed hands them to a layer that stays."""

from __future__ import annotations

from plait.ir.layer import Layer, Return
from plait.ir.values import Value


def merge_locations(keeper: Layer, *gone: Layer) -> None:
    """Add the locations of layers that go to those of one that stays, each once."""
    places = [place for layer in (keeper, *gone) for place in layer.locations]
    keeper.locations = tuple(dict.fromkeys(places))


def heir(value: Value) -> Layer | None:
    """The layer that takes over the locations of what `value` replaced: its maker, or else its first reader."""
    return value.owner or next((u for u in value.users if not isinstance(u, Return)), None)
