"""Where the layers of a function stand, those of nested regions included, while some come and others go."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from plait.ir.diagnostics import Location
from plait.ir.layer import Layer
from plait.ir.module import Function
from plait.ir.region import Region
from plait.ir.values import Value


class Order:
    """The places of layers in the order of the graph. A new layer has the place of the one that it was made for."""

    def __init__(self, function: Function) -> None:
        self._body = function.body
        self._places = {layer: i for i, layer in enumerate(self.layers())}

    def __len__(self) -> int:
        return len(self._places)

    def layers(self) -> Iterator[Layer]:
        """The layers that are there now, those of regions after the layer that holds them."""
        return self._body.walk()

    def holds(self, layer: Layer) -> bool:
        """Whether the layer is in the function."""
        return layer.region is not None and self._body.encloses(layer.region)

    def put(self, layer: Layer, beside: Layer) -> list[Layer]:
        """Note the place of a new layer; returns it and the layers in its regions that are new too."""
        new = [layer, *(inner for region in layer.regions() for inner in region.walk() if inner not in self._places)]
        self._places |= dict.fromkeys(new, self._places[beside])
        return new

    def place(self, layer: Layer) -> int:
        """A number that grows from layer to layer; layers that are gone keep theirs."""
        return self._places[layer]

    def is_available(self, value: Value, root: Layer, helpers: Collection[Layer]) -> bool:
        """Whether `value` is defined where `root` stands; `helpers` are layers just made before it."""
        owner = value.owner
        around = list(_around(root))
        if owner is None:
            return any(value in region.arguments for region in around)
        if owner in helpers:
            return True
        inside = [region.owner for region in around]
        return (
            owner.region in around
            and owner is not root
            and owner not in inside
            and self.place(owner) <= self.place(root)
        )

    def locations(self, layers: Iterable[Layer], rest: Iterable[Location] = ()) -> tuple[Location, ...]:
        """The locations of layers, each once, by place, then the rest."""
        seen: dict[Location, None] = {}
        for layer in sorted(layers, key=self.place):
            seen.update(dict.fromkeys(layer.locations))
        seen.update(dict.fromkeys(rest))
        return tuple(seen)

    def comments(self, layers: Iterable[Layer], rest: str) -> str:
        """The comments of layers, each once, by place, then the rest."""
        found = [layer.comment for layer in sorted(layers, key=self.place)]
        return "\n".join(text for text in dict.fromkeys([*found, rest]) if text)


def _around(layer: Layer) -> Iterator[Region]:
    """The region that a layer is in, and those around it."""
    region = layer.region
    while region is not None:
        yield region
        region = region.parent
