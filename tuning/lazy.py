"""Measuring only what decides: bounds for the rest, and a proof that nothing else could be better.

Every entry that is not measured counts with a lower bound. The optimum of that problem is a lower bound on all plans;
if the plan behind it uses measured entries only, it is the best plan there is. Else what it uses is measured, with what
is as good as sure to be used before long, and so on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import attrs

from plait.passes.selection.solution import Solution
from plait.passes.selection.solvers import solver
from plait.tuning.template import Priced, Template

SURE = 0.005
"""Share of the gap between bound and best plan within which an entry is measured before a plan uses it."""
TOLERANCE = 1.05
"""How far beyond the time at which it could still matter an entry is measured."""
REPEATS = 1
"""How often near ties are measured again."""


class OutOfTime(Exception):
    """The time for measuring is used up."""


class Oracle(Protocol):
    """Who knows what entries cost, or finds out."""

    def bounds(self) -> Sequence[float]:
        """Microseconds that each entry takes at least; they may become less while more is measured."""
        ...

    def costs(self) -> Mapping[int, float]:
        """Microseconds of measured entries, infinite for those that failed."""
        ...

    def noise(self, entry: int) -> float:
        """By how many microseconds the cost of a measured entry may be off."""
        ...

    def measure(self, entries: Sequence[int], limits_us: Mapping[int, float]) -> None:
        """Measure entries, again if they have been.

        Raises:
            OutOfTime, KeyboardInterrupt: what was measured before is kept.
        """
        ...


@attrs.frozen
class Standing:
    """How far the search is. Times in microseconds."""

    rounds: int
    measured: int
    """Entries that have a result."""
    best_us: float
    """The best plan of measured entries; infinite before there is one."""
    bound_us: float
    """No plan costs less."""
    wanted: int = 0
    """Entries that are measured next."""
    open: int = 0
    """Entries of layers without a result that may still be part of a better plan; the wanted ones are among them."""

    @property
    def gap(self) -> float:
        """By what share of its cost the optimum may be below the best plan, at most; 1 before there is a plan."""
        return 1.0 if math.isinf(self.best_us) else max(0.0, 1 - self.bound_us / self.best_us) if self.best_us else 0.0


@attrs.frozen
class Outcome:
    """How the search ended: `standing` is the certificate if nothing stopped it."""

    standing: Standing
    repeated: int
    """Entries of near ties that were measured again."""
    stopped: str = ""
    """`time`, `interrupt`, or nothing."""


Watch = Callable[[Standing], None]


@attrs.define
class LazySearch:
    """The loop of solving and measuring."""

    template: Template
    oracle: Oracle
    watch: Watch = lambda standing: None
    interruptible: bool = True
    rounds: int = 0
    bound: float = 0.0
    best_us: float = math.inf
    repeated: dict[int, int] = attrs.field(factory=dict)
    asked: set[int] = attrs.field(factory=set)

    def run(self) -> Outcome:
        """Measure until the optimum is proven, near ties have been looked at twice, or something stops it.

        A layer without any routine that works ends the search, too; so does one that no conversion reaches.
        """
        stopped = ""
        try:
            while self.round():
                pass
        except OutOfTime:
            stopped = "time"
        except KeyboardInterrupt:
            if not self.interruptible:
                raise
            stopped = "interrupt"
        if stopped:
            self.solve_bounds()
        self.best_us = self.best()
        standing = self.standing()
        self.watch(standing)
        return Outcome(standing, sum(self.repeated.values()), stopped)

    def round(self) -> bool:
        """One round; False when there is nothing left to measure."""
        found = self.solve_bounds()
        if found is None:
            return False
        priced, optimum = found
        known = self.oracle.costs()
        used = self.template.used(priced, optimum)
        missing = [entry for entry in used if entry not in known]
        self.rounds += 1
        margins = self.template.margins(priced, optimum.cost)
        if not missing:
            return self.look_again(priced, optimum, margins)
        self.best_us = self.best()
        gap = self.best_us - optimum.cost
        if math.isfinite(gap):
            near = [e for e, margin in margins.items() if e not in known and margin <= SURE * gap]
            missing = list(dict.fromkeys(missing + near))
        self.asked |= set(missing)
        self.watch(self.standing(len(missing), self.still_open(missing, gap, margins)))
        self.oracle.measure(missing, self.limits(missing, gap, margins))
        return True

    def solve_bounds(self) -> tuple[Priced, Solution] | None:
        """The optimum with bounds for what is not measured; None if there is no plan."""
        costs = list(self.oracle.bounds())
        for entry, cost in self.oracle.costs().items():
            costs[entry] = cost
        priced = self.template.price(costs)
        if priced is None:
            return None
        solution = solver("exact")(priced.problem)
        if not solution.found:
            return None
        self.bound = solution.cost if solution.bound is None else solution.bound
        return priced, solution

    def best(self) -> float:
        """The cost of the best plan of measured entries; infinite if there is none."""
        costs = [math.inf] * len(self.oracle.bounds())
        for entry, cost in self.oracle.costs().items():
            costs[entry] = cost
        priced = self.template.price(costs)
        return math.inf if priced is None else solver("exact")(priced.problem).cost

    def limits(self, entries: Sequence[int], gap: float, margins: Mapping[int, float]) -> dict[int, float]:
        """The time from which on each entry can be in no plan that beats the best one."""
        if math.isinf(gap):
            return {}
        bounds = self.oracle.bounds()
        return {
            e: TOLERANCE * (bounds[e] + max(0.0, gap - margins.get(e, 0.0)) / self.template.least_share[e])
            for e in entries
        }

    def look_again(self, priced: Priced, optimum: Solution, margins: Mapping[int, float]) -> bool:
        """Measure near ties once more: entries that noise alone may keep out of the plan, and those in it.

        What was known before the search has been looked at then.
        """
        known, chosen = self.oracle.costs(), set(self.template.used(priced, optimum))
        # What an entry is compared with is as uncertain as itself.
        close = [
            e for e, margin in margins.items() if e in known and e not in chosen and margin <= 2 * self.oracle.noise(e)
        ]
        again = [e for e in self.rivals(close, chosen) if self.repeated.get(e, 0) < REPEATS]
        if self.asked.isdisjoint(again) or not any(e in again for e in close):
            return False
        for entry in again:
            self.repeated[entry] = self.repeated.get(entry, 0) + 1
        self.best_us = optimum.cost
        self.watch(self.standing(len(again)))
        self.oracle.measure(again, {})
        return True

    def rivals(self, close: Sequence[int], chosen: set[int]) -> list[int]:
        """The close ones, and what was chosen where they could stand."""
        slots, found = self.template.slots, dict.fromkeys(close)
        for row in self.template.table_slots:
            entries = {slots[s].entry for s in row}
            if not entries.isdisjoint(close):
                found |= dict.fromkeys(sorted(entries & chosen))
        return list(found)

    def still_open(self, missing: Sequence[int], gap: float, margins: Mapping[int, float]) -> int:
        """How many entries may still be measured: those of the round, and those of layers that a better plan may use.

        A margin that is beyond the gap stays there: what is measured raises bounds, and lowers the best plan.
        """
        known = self.oracle.costs()
        if not margins:
            return len(self.oracle.bounds()) - len(known)
        return len({e for e, margin in margins.items() if e not in known and margin < gap}.union(missing))

    def standing(self, wanted: int = 0, still_open: int = 0) -> Standing:
        """Where the search is."""
        bound = min(self.bound, self.best_us)
        return Standing(self.rounds, len(self.oracle.costs()), self.best_us, bound, wanted, still_open)
