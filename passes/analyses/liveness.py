"""When values are needed, and how much memory that takes at most."""

from __future__ import annotations

import attrs

from plait.ir.layer import Layer
from plait.ir.module import Function
from plait.ir.region import Region
from plait.ir.values import Constant, Value
from plait.passes.analyses.base import Analyses, Analysis


@attrs.frozen
class Liveness(Analysis):
    """From where to where each value of a region is needed, constants left out.

    Positions are those of the layers of the region, from 0 on. At its position a layer needs its operands, its results,
    and what its regions read.
    """

    order: tuple[Layer, ...]
    spans: dict[Value, tuple[int, int]]
    """(first, last) position of each value: arguments from 0 on, outputs to the last layer, unused results where they
    are made."""
    regions: dict[Region, Liveness]
    """The same for the regions of the layers, with the values that are theirs alone."""

    @classmethod
    def of(cls, subject: Function, analyses: Analyses) -> Liveness:
        return _of_region(subject.body)

    def live_at(self, position: int) -> set[Value]:
        """The values of this region that are needed while the layer at this position runs."""
        return {value for value, (first, last) in self.spans.items() if first <= position <= last}

    def bytes_at(self) -> tuple[int, ...] | None:
        """Bytes that are needed at each position; None if the size of a value is not known.

        Of a layer with several regions the one that needs most counts: only one runs at a time.
        """
        steps = [0] * (len(self.order) + 2)
        for value, (first, last) in self.spans.items():
            if (size := _bytes(value)) is None:
                return None
            steps[first] += size
            steps[last + 1] -= size
        found, now = [], 0
        for position in range(max(len(self.order), 1)):
            now += steps[position]
            inner = [self.regions[r].peak_bytes for r in self.order[position].regions()] if self.order else []
            if None in inner:
                return None
            found.append(now + max((peak for peak in inner if peak is not None), default=0))
        return tuple(found)

    @property
    def peak_bytes(self) -> int | None:
        """The most bytes that are needed at once; None if the size of a value is not known."""
        found = self.bytes_at()
        return None if found is None else max(found)


def _of_region(region: Region) -> Liveness:
    order = tuple(region)
    spans = dict.fromkeys(region.arguments, (0, 0))
    for position, layer in enumerate(order):
        spans.update((result, (position, position)) for result in layer.results)
        for value in layer.reads():
            if value in spans:
                spans[value] = (spans[value][0], position)
    for value in region.outputs:
        # A nested region may yield a value of the regions around it.
        if value in spans and not isinstance(value, Constant):
            spans[value] = (spans[value][0], max(len(order) - 1, 0))
    return Liveness(order, spans, {inner: _of_region(inner) for layer in order for inner in layer.regions()})


def _bytes(value: Value) -> int | None:
    try:
        return value.type.nbytes
    except ValueError:
        return None
