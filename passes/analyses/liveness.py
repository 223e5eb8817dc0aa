"""When values are needed, and how much memory that takes at most."""

from __future__ import annotations

import attrs

from plait.ir.layer import Layer
from plait.ir.module import Function
from plait.ir.values import Constant, Value
from plait.passes.analyses.base import Analyses, Analysis


@attrs.frozen
class Liveness(Analysis):
    """From where to where each value of a function is needed, constants left out.

    Positions are those of the layers, from 0 on. At its position a layer needs its operands and its results.
    """

    order: tuple[Layer, ...]
    spans: dict[Value, tuple[int, int]]
    """(first, last) position of each value: arguments from 0 on, outputs to the last layer, unused results where they
    are made."""

    @classmethod
    def of(cls, subject: Function, analyses: Analyses) -> Liveness:
        order = tuple(subject)
        spans = dict.fromkeys(subject.arguments, (0, 0))
        for position, layer in enumerate(order):
            spans.update((result, (position, position)) for result in layer.results)
            for value in layer.operands:
                if value in spans:
                    spans[value] = (spans[value][0], position)
        for value in subject.outputs:
            if not isinstance(value, Constant):
                spans[value] = (spans[value][0], max(len(order) - 1, 0))
        return cls(order, spans)

    def live_at(self, position: int) -> set[Value]:
        """The values that are needed while the layer at this position runs."""
        return {value for value, (first, last) in self.spans.items() if first <= position <= last}

    def bytes_at(self) -> tuple[int, ...] | None:
        """Bytes that are needed at each position; None if the size of a value is not known."""
        steps = [0] * (len(self.order) + 2)
        for value, (first, last) in self.spans.items():
            if (size := _bytes(value)) is None:
                return None
            steps[first] += size
            steps[last + 1] -= size
        found, now = [], 0
        for step in steps[: max(len(self.order), 1)]:
            now += step
            found.append(now)
        return tuple(found)

    @property
    def peak_bytes(self) -> int | None:
        """The most bytes that are needed at once; None if the size of a value is not known."""
        found = self.bytes_at()
        return None if found is None else max(found)


def _bytes(value: Value) -> int | None:
    try:
        return value.type.nbytes
    except ValueError:
        return None
