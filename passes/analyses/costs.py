"""Arithmetic and memory traffic of layers."""

from __future__ import annotations

import attrs

from plait.ir.layer import Layer
from plait.ir.module import Function
from plait.passes.analyses.base import Analyses, Analysis


@attrs.frozen
class Cost:
    """What a layer does at least."""

    flops: int
    """Floating-point operations, a multiply-add counted as two."""
    nbytes: int
    """Bytes read and written, each operand and result once."""

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.flops + other.flops, self.nbytes + other.nbytes)


@attrs.frozen
class Costs(Analysis):
    """Costs of the layers of a function, nested ones included; what a region holds counts once, whether it runs or not.

    None where a dimension is symbolic, or a value has no fixed size.
    """

    layers: dict[Layer, Cost | None]

    @classmethod
    def of(cls, subject: Function, analyses: Analyses) -> Costs:
        return cls({layer: cost_of(layer) for layer in subject.walk()})

    @property
    def total(self) -> Cost | None:
        """The sum over all layers, if all are known."""
        known = [cost for cost in self.layers.values() if cost is not None]
        return sum(known, Cost(0, 0)) if len(known) == len(self.layers) else None

    @property
    def unknown(self) -> tuple[Layer, ...]:
        """Layers without a cost."""
        return tuple(layer for layer, cost in self.layers.items() if cost is None)


def cost_of(layer: Layer) -> Cost | None:
    """The cost of one layer, or None if its shapes are not known."""
    if not all(v.type.is_static for v in (*layer.operands, *layer.results)):
        return None
    try:
        return Cost(layer.flops(), layer.nbytes())
    except ValueError:  # a sequence, or another value whose size its type does not tell
        return None
