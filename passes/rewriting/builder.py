"""The builder: what a pattern makes besides its result."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from plait.ir.layer import Layer
from plait.ir.module import Module
from plait.ir.types import TensorType
from plait.ir.values import Array, Constant, Value


class Builder:
    """Makes constants, and layers before the root. All of it is undone if the pattern refuses."""

    def __init__(self, module: Module, root: Layer) -> None:
        self.module = module
        self._root = root
        self._layers: list[Layer] = []
        self._constants: dict[Constant, str] = {}

    def constant(self, name: str, data: Array, type: TensorType | None = None) -> Constant:
        """A new constant of the module; `name` gets a number if it is taken by a constant that stays.

        `type` is needed if the elements are quantized.
        """
        data = np.asarray(data, order="C")
        made = self.module.adopt(Constant(self.module.free_name(name), data, type=type))
        self._constants[made] = name
        return made

    def layer(self, layer: Layer, name: str = "") -> Value:
        """Attach a helper layer with one result before the root; returns the result, its type inferred.

        Raises:
            ShapeError: its operands and attributes do not fit together.
        """
        (result,) = self.results(layer, (name,))
        return result

    def results(self, layer: Layer, names: Sequence[str] = ()) -> tuple[Value, ...]:
        """The same for a layer with any number of results. Names that are left out come from the root.

        Raises:
            ShapeError: its operands and attributes do not fit together.
            ValueError: its regions are those of a layer that is there.
        """
        if any(region.owner is not None for region in layer.regions()):
            raise ValueError(f"a helper takes no regions of {self._root.op} over; copy them by `with_operands`")
        assert self._root.region is not None
        first = (names[0] if names else "") or self._root.results[0].name
        self._root.region.insert(layer, self._root, (first, *names[1:]))
        self._layers.append(layer)
        return layer.results

    @property
    def layers(self) -> Sequence[Layer]:
        """Helper layers made so far."""
        return tuple(self._layers)

    def finish(self) -> None:
        """Remove helpers and constants that nothing uses; give the others the names that became free."""
        for layer in reversed(self._layers):
            if layer.region is not None and not any(r.users for r in layer.results):
                layer.region.remove(layer)
        constants = self.module.constants
        for constant, wanted in self._constants.items():
            if not constant.users:
                constants.pop(constant.name, None)
            elif constant.name != wanted and wanted not in constants:
                del constants[constant.name]
                constant.name = wanted
                constants[wanted] = constant
