"""What is defined where: which layers have run, and which values can be read, when a layer runs."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from plait.ir.layer import Layer
from plait.ir.module import Function
from plait.ir.region import Region
from plait.ir.values import Constant, Value
from plait.passes.analyses.base import Analyses, Analysis
from plait.passes.support.regions import ancestor


@attrs.frozen
class Dominance(Analysis):
    """The order of the layers of a function, nested regions included."""

    positions: dict[Layer, int]
    """Place of each layer in its own region."""
    arguments: dict[Value, Region]
    """The region of each argument."""

    @classmethod
    def of(cls, subject: Function, analyses: Analyses) -> Dominance:
        regions = tuple(subject.body.nest())
        positions = {layer: position for region in regions for position, layer in enumerate(region)}
        return cls(positions, {argument: region for region in regions for argument in region.arguments})

    def precedes(self, first: Layer, second: Layer) -> bool:
        """Whether `first` has run and its results can be read whenever `second` runs.

        A layer does not precede those in its own regions, nor those around the region that it is in.
        """
        around = ancestor(second, first.region)
        return around is not None and self.positions[first] < self.positions[around]

    def is_visible(self, value: Value, layer: Layer) -> bool:
        """Whether `value` may be an operand of `layer`, where that stands. Constants always may."""
        if isinstance(value, Constant):
            return True
        if value.owner is not None:
            return value.owner in self.positions and self.precedes(value.owner, layer)
        region = self.arguments.get(value)
        return region is not None and ancestor(layer, region) is not None

    def common_region(self, layers: Iterable[Layer]) -> Region:
        """The innermost region that all these layers are in, or in a region of. At least one layer."""
        first, *others = layers
        region = first.region
        while region is not None and not all(ancestor(other, region) for other in others):
            region = region.parent
        assert region is not None, "the layers are in different functions"
        return region
