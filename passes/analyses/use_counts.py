"""How often values are read in a function."""

from __future__ import annotations

from collections import Counter

import attrs

from plait.ir.layer import Layer
from plait.ir.module import Function
from plait.ir.values import Value
from plait.passes.analyses.base import Analyses, Analysis


@attrs.frozen
class UseCounts(Analysis):
    """Uses within one function. Constants may be read by others too, which `Value.use_count` counts."""

    counts: Counter[Value]
    """Operands that are this value; outputs of the function and of nested regions count."""
    readers: dict[Value, tuple[Layer, ...]]
    """Layers that read the value, in order, each once."""

    @classmethod
    def of(cls, subject: Function, analyses: Analyses) -> UseCounts:
        counts: Counter[Value] = Counter()
        readers: dict[Value, dict[Layer, None]] = {}
        for layer in subject.walk():
            counts.update(layer.operands)
            for value in layer.operands:
                readers.setdefault(value, {})[layer] = None
        for region in subject.body.nest():
            counts.update(region.outputs)
        return cls(counts, {value: tuple(layers) for value, layers in readers.items()})

    def count(self, value: Value) -> int:
        """How many operands and outputs are this value."""
        return self.counts[value]

    def only_reader(self, value: Value) -> Layer | None:
        """The layer that reads the value, if one layer reads it once and it is no output."""
        found = self.readers.get(value, ())
        return found[0] if self.counts[value] == len(found) == 1 else None
