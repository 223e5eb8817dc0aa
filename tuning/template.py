"""Selection problems whose costs are still to come: the structure once, prices again and again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import attrs

from plait.passes.selection.build import build_problem
from plait.passes.selection.build_graph import build_graph
from plait.passes.selection.marginals import state_costs
from plait.passes.selection.problem import Adapts, Problem, RoutineTable, TooManyFormatsError
from plait.passes.selection.reductions import reduce
from plait.passes.selection.solution import Solution
from plait.tuning.costs import Slot, SlotCosts
from plait.tuning.entries import Entries


@attrs.frozen
class Priced:
    """A problem with prices, without the routines that have none. `kept`: for each table the routines of the template
    that are left."""

    problem: Problem
    kept: tuple[tuple[int, ...], ...]


@attrs.frozen(eq=False)
class Template:
    """A problem in which every cost is the number of a slot: a share of what an entry costs."""

    problem: Problem
    slots: tuple[Slot, ...]

    @staticmethod
    def of(entries: Entries) -> tuple[Template, SlotCosts]:
        """The template of a function, and the source that knows which job each entry is."""
        source = SlotCosts(entries)
        problem = build_problem(entries.function, source).problem
        return Template(problem, tuple(source.slots)), source

    @cached_property
    def table_slots(self) -> tuple[tuple[int, ...], ...]:
        """The slot of every routine of every table."""
        return tuple(tuple(int(r.cost) for r in table.routines) for table in self.problem.tables)

    @cached_property
    def least_share(self) -> dict[int, float]:
        """The smallest share in which each entry is met."""
        found: dict[int, float] = {}
        for slot in self.slots:
            found[slot.entry] = min(slot.share, found.get(slot.entry, math.inf))
        return found

    def price(self, costs: Sequence[float]) -> Priced | None:
        """The problem with these costs of entries; infinite ones are of no use. None: a layer is left with nothing."""
        price = [costs[s.entry] * s.share if s.share else 0.0 for s in self.slots]
        tables, kept = [], []
        for table, slots in zip(self.problem.tables, self.table_slots, strict=True):
            alive = tuple(k for k, s in enumerate(slots) if math.isfinite(price[s]))
            if not alive:
                return None
            routines = tuple(attrs.evolve(table.routines[k], cost=price[slots[k]]) for k in alive)
            tables.append(RoutineTable(table.signature, routines))
            kept.append(alive)
        adapts = tuple(
            Adapts(tuple(tuple(price[int(c)] if math.isfinite(c) else c for c in row) for row in a.cost))
            for a in self.problem.adapts
        )
        return Priced(attrs.evolve(self.problem, tables=tuple(tables), adapts=adapts), tuple(kept))

    def used(self, priced: Priced, solution: Solution) -> list[int]:
        """The entries whose costs a solution adds up, each once, in the order of layers; then those of conversions."""
        problem = self.problem
        slots = []
        for layer, choice in zip(problem.layers, solution.choice, strict=True):
            slots.append(self.table_slots[layer.table][priced.kept[layer.table][choice]])
        for value, source, target in solution.conversions:
            slots.append(int(problem.adapts[problem.values[value].adapt].cost[source][target]))
        return list(dict.fromkeys(self.slots[s].entry for s in slots if self.slots[s].share))

    def margins(self, priced: Priced, optimum: float) -> dict[int, float]:
        """For entries of layers: how much more than the optimum a plan costs at least that uses the entry.

        Empty where that is too wide to compute.
        """
        problem = priced.problem
        kept = reduce(problem, dominance=False)
        try:
            marginals = state_costs(build_graph(problem, kept), len(problem.layers)).costs
        except TooManyFormatsError:
            return {}
        found: dict[int, float] = {}
        for i, layer in enumerate(problem.layers):
            routines, slots = problem.routines(i), self.table_slots[layer.table]
            # Of each signature the cheapest was kept; the others cost as much more as they take longer.
            least = {
                routines[k].signature: (float(m) - routines[k].cost) for k, m in zip(kept[i], marginals[i], strict=True)
            }
            for k, original in enumerate(priced.kept[layer.table]):
                entry = self.slots[slots[original]].entry
                margin = least[routines[k].signature] + routines[k].cost - optimum
                found[entry] = min(margin, found.get(entry, math.inf))
        return {entry: max(0.0, margin) for entry, margin in found.items() if entry >= 0}
