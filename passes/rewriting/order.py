"""Where the layers of a function stand, while some come and others go."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from plait.ir.diagnostics import Location
from plait.ir.layer import Layer
from plait.ir.module import Function
from plait.ir.values import Value


class Order:
    """The places of layers in the order of the graph. A new layer has the place of the one that it was made for."""

    def __init__(self, function: Function) -> None:
        self._body = function.body
        self._places = {layer: i for i, layer in enumerate(self.layers())}

    def __len__(self) -> int:
        return len(self._places)

    def layers(self) -> Iterator[Layer]:
        """The layers that are there now."""
        return iter(self._body)

    def holds(self, layer: Layer) -> bool:
        """Whether the layer is in the function."""
        return layer.region is self._body

    def put(self, layer: Layer, beside: Layer) -> None:
        """Note the place of a new layer."""
        self._places[layer] = self._places[beside]

    def place(self, layer: Layer) -> int:
        """A number that grows from layer to layer; layers that are gone keep theirs."""
        return self._places[layer]

    def is_available(self, value: Value, root: Layer, helpers: Collection[Layer]) -> bool:
        """Whether `value` is defined where `root` stands; `helpers` are layers just made before it."""
        owner = value.owner
        if owner is None or owner in helpers:
            return True
        return self.holds(owner) and owner is not root and self.place(owner) <= self.place(root)

    def locations(self, layers: Iterable[Layer], rest: Iterable[Location] = ()) -> tuple[Location, ...]:
        """The locations of layers, each once, by place, then the rest."""
        seen: dict[Location, None] = {}
        for layer in sorted(layers, key=self.place):
            seen.update(dict.fromkeys(layer.locations))
        seen.update(dict.fromkeys(rest))
        return tuple(seen)
