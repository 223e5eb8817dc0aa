"""Costs of routines and conversions: measured ones, and lower bounds of those that need no measurement."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import attrs

from plait.backends.profiling.job import Job, Result
from plait.ir.layer import Layer
from plait.ir.layout import Format
from plait.ir.module import Function
from plait.ir.types import Type
from plait.passes.selection.build import Candidate
from plait.tuning.entries import Entries, is_free

_ABOVE = 1 + 1e-9
"""Between a measured time and an equal bound the measured one is chosen."""


class MeasuredCosts:
    """A `CostSource` over the entries of a function.

    Args:
        results: what was measured; entries that failed cannot be chosen.
        bounds: microseconds that other entries take at least: candidates without samples. Those that have neither
            result nor bound cannot be chosen.
    """

    def __init__(self, entries: Entries, results: Mapping[Job, Result], bounds: Mapping[Job, float] | None = None):
        self.entries = entries
        self.results = dict(results)
        self.bounds = dict(bounds or {})
        self._options = entries.options

    def candidates(self, layer: Layer, index: int) -> Sequence[Candidate]:
        best: dict[tuple[object, ...], Candidate] = {}
        for option in self._options[layer]:
            operands, results = self.entries.formats(layer, option)
            found = self._candidate(option.job, operands, results, option.moved, option.context)
            if found is None:
                continue
            # One variant of each that the rest of the network can tell apart.
            key = (option.routine.path.base, found.operands, found.results)
            if key not in best or found.cost_us < best[key].cost_us:
                best[key] = found
        return list(best.values())

    def adapt(self, type: Type, source: Format, target: Format) -> Candidate | None:
        if is_free(source, target):
            return Candidate("", (source,), (target,), 0.0)
        movement = self.entries.conversion(type, source, target)
        return None if movement is None else self._candidate(movement.job, (source,), (target,))

    def _candidate(
        self,
        job: Job,
        operands: tuple[Format, ...],
        results: tuple[Format, ...],
        share: float = 1.0,
        context: str = "",
    ) -> Candidate | None:
        """What a job costs in this place; None if it cannot be chosen."""
        if not share:
            return Candidate(job.routine, operands, results, 0.0, context=context)
        result = self.results.get(job)
        if result is None:
            if job not in self.bounds:
                return None
            bound = self.bounds[job] * share * _ABOVE
            return Candidate(job.routine, operands, results, bound, None, 0, context)
        if not result.ok:
            return None
        cost, spread = result.cost_us * share, result.spread_us * share
        return Candidate(job.routine, operands, results, cost, spread, len(result.samples), context)

    def for_copy(self, function: Function) -> MeasuredCosts:
        """The same costs for a clone of the function."""
        twin = copy.copy(self)
        twin._options = dict(zip(function, self._options.values(), strict=True))
        return twin

    def failures(self) -> list[tuple[Job, Result]]:
        """Measurements that gave no time."""
        return [(job, result) for job, result in self.results.items() if not result.ok]


@attrs.frozen
class Slot:
    """A summand of the objective: a share of what an entry costs; -1 stands for what costs nothing."""

    entry: int
    share: float


class SlotCosts:
    """A `CostSource` whose costs are numbers of slots: the same problem can then be priced again and again."""

    def __init__(self, entries: Entries) -> None:
        self.entries = entries
        self.jobs = list(dict.fromkeys(entries.jobs()))
        self._numbers = {job: i for i, job in enumerate(self.jobs)}
        self.slots: dict[Slot, int] = {Slot(-1, 0.0): 0}
        self._options = entries.options

    def candidates(self, layer: Layer, index: int) -> Sequence[Candidate]:
        found = []
        for option in self._options[layer]:
            operands, results = self.entries.formats(layer, option)
            cost = self._slot(option.job, option.moved)
            found.append(Candidate(option.job.routine, operands, results, cost, context=option.context))
        return found

    def adapt(self, type: Type, source: Format, target: Format) -> Candidate | None:
        if is_free(source, target):
            return Candidate("", (source,), (target,), 0.0)
        movement = self.entries.conversion(type, source, target)
        if movement is None:
            return None
        return Candidate(movement.job.routine, (source,), (target,), self._slot(movement.job, 1.0))

    def for_copy(self, function: Function) -> SlotCosts:
        """The same source for a clone of the function."""
        twin = copy.copy(self)
        twin._options = dict(zip(function, self._options.values(), strict=True))
        return twin

    def _slot(self, job: Job, share: float) -> float:
        if not share:
            return 0.0
        return float(self.slots.setdefault(Slot(self._numbers[job], share), len(self.slots)))
