"""Patterns of routines (`--routine`) where layers have several precisions.

Layers are named and numbered as in the float network. A pattern that decides for a layer restricts its routines in
every precision: a precision in which no routine matches is none for that layer, so `cpu/f32@3` keeps layer 3 in
float32. There has to be a routine in float32, for plans of all floats are what keeps every bound.
"""

from __future__ import annotations

import glob
from collections.abc import Iterable, Sequence

import attrs

from plait.backends.descriptor import LayerSet, RoutinePattern, allowed
from plait.ir.layer import Layer
from plait.tuning.entries import Option
from plait.tuning.precision.prepared import Prepared


@attrs.frozen(eq=False)
class Forced:
    """What patterns say of the layers of a prepared network."""

    prepared: Prepared
    patterns: tuple[RoutinePattern, ...] = ()

    @staticmethod
    def by(prepared: Prepared, routines: Sequence[str]) -> Forced:
        """What these patterns say.

        Raises:
            DescriptorError: P404, a pattern is malformed.
        """
        return Forced(prepared, tuple(RoutinePattern.parse(text) for text in routines))

    def of(self, index: int, layer: Layer) -> RoutinePattern | None:
        """The pattern that decides for a layer of the float network, for whatever that is made of."""
        found = allowed(self.patterns, index, layer.results[0].name)
        return None if found is None else attrs.evolve(found, layers=LayerSet())

    def within(self) -> list[RoutinePattern]:
        """Patterns for any module that is made of the network: those of each layer for its parts."""
        found = []
        for index, layer in enumerate(self.prepared.module.main):
            if (pattern := self.of(index, layer)) is not None:
                parts = (layer, *self.prepared.pieces.get(layer.results[0].name, ()))
                names = dict.fromkeys(glob.escape(r.name) for part in parts for r in part.results)
                found.append(attrs.evolve(pattern, layers=LayerSet(names=tuple(names)), lenient=True))
        return found


def has_match(options: Iterable[Option], pattern: RoutinePattern) -> bool:
    """Whether any of these is one that a pattern describes."""
    return any(pattern.matches(o.routine.path_with(o.variant)) for o in options)
