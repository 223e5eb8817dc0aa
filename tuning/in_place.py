"""Measuring in place: whole networks run, and the executor times each of their layers.

A layer on its own has its images in cache, or not; in a network they lie where the layer before has left them. So
plans are made that use the entries in question, as many at a time as go together, and each entry gets the times of its
layers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import attrs

from plait.backends.profiling.job import IN_PLACE, Job, Result
from plait.backends.profiling.resplit import RESPLIT
from plait.ir.layer import Layer
from plait.ir.module import Module
from plait.ir.text.printer import print_module
from plait.passes.selection.apply import apply_solution
from plait.passes.selection.build import build_problem
from plait.passes.selection.solution import Solution
from plait.passes.selection.solvers import solver
from plait.tuning.costs import SlotCosts
from plait.tuning.ledger import Ledger
from plait.tuning.template import Priced, Template

_FAR = 1e6
"""Cost of an entry that is neither wanted nor known, by which a plan goes only where there is no other way."""


@attrs.define(eq=False)
class InPlaceLedger(Ledger):
    """An `Oracle` that measures entries in plans of the network; `module` is that whose function the entries are of."""

    module: Module = attrs.field(kw_only=True)
    template: Template = attrs.field(kw_only=True)
    source: SlotCosts = attrs.field(kw_only=True)

    def measure(self, entries: Sequence[int], limits_us: Mapping[int, float]) -> None:
        alone = [e for e in entries if RESPLIT.algorithm in self.jobs[e].routine]
        # Changes of the split are no step of a plan: their readers take longer.
        super().measure(alone, limits_us)
        wanted = [e for e in entries if e not in alone]
        while wanted:
            self.check_time()
            priced, solution = self.plan_for(wanted)
            used = set(self.template.used(priced, solution))
            if used.isdisjoint(wanted):
                # No plan has reason to use these, such as conversions that lead astray: each on its own.
                super().measure(wanted, limits_us)
                return
            self.report_progress(wanted[0], len(wanted))
            self.run(priced, solution)
            missed = [e for e in wanted if e in used and self.jobs[e] not in self.results]
            super().measure(missed, limits_us)
            wanted = [e for e in wanted if e not in used]

    def plan_for(self, wanted: Sequence[int]) -> tuple[Priced, Solution]:
        """A plan that uses many of these entries, and is fast apart from that."""
        known = self.costs()
        # As negative costs are not allowed, all others pay for each that is left out.
        usual = 1.0 + max((c for c in known.values() if math.isfinite(c)), default=1.0)
        costs = [known.get(e, _FAR * usual) for e in range(len(self.jobs))]
        costs = [c + usual if math.isfinite(c) else c for c in costs]
        for entry in wanted:
            costs[entry] = 0.0
        priced = self.template.price(costs)
        assert priced is not None, "entries that failed are not wanted"
        return priced, solver("exact")(priced.problem)

    def run(self, priced: Priced, solution: Solution) -> None:
        """Run a plan, and keep the times of its layers."""
        copy = self.module.clone()
        twin = self.source.for_copy(copy.main)
        built = build_problem(copy.main, twin)
        layers = priced.problem.layers
        choice = tuple(priced.kept[layer.table][k] for layer, k in zip(layers, solution.choice, strict=True))
        shares = self._shares(built.layers, choice)
        apply_solution(built, attrs.evolve(solution, choice=choice), twin)
        whole = Job("", "", "", self.source.entries.threads, print_module(copy, locations=False), IN_PLACE)
        result = self.profiler.run(whole)
        times: dict[int, list[int]] = {}
        count = len(list(copy.main))
        for place, layer in enumerate(copy.main):
            entry, share = shares.get(layer) or (self._conversion(layer), 1.0)
            if entry is not None and share and result.ok:
                times.setdefault(entry, []).extend(round(s / share) for s in result.samples[place::count])
        for entry, samples in times.items():
            self.keep(self.jobs[entry], Result("ok", tuple(samples)))

    def _shares(self, layers: Sequence[Layer | None], choice: Sequence[int]) -> dict[Layer, tuple[int, float]]:
        """The entry of each layer of a plan, and the share of it that is done there."""
        found = {}
        for spec, layer, k in zip(self.template.problem.layers, layers, choice, strict=True):
            if layer is not None:
                slot = self.template.slots[self.template.table_slots[spec.table][k]]
                found[layer] = (slot.entry, slot.share)
        return found

    def _conversion(self, layer: Layer) -> int | None:
        """The entry of a conversion that the plan has put in."""
        source, target = layer.operands[0].type, layer.results[0].type
        movement = self.source.entries.conversion(source, source.format, target.format)
        return None if movement is None else self.numbers[movement.job]
