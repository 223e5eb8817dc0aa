"""Plans in turns, and which one is kept for each bound.

Rounds are of two kinds, every other one. In those of the first kind it is decided which plan is kept, as `plait tune`
does it: the fastest of the mixed plan for the bound and of the plans of one precision that keep it. The figures that
are reported are those of the second kind: whatever is the fastest of several owes that in part to luck.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from benchmarks.mixed.plans import PURE, PlanRow, package
from benchmarks.mixed.worker import package_server
from benchmarks.tuning.racing import Turns, ratio, stopping, take_turns


@attrs.frozen
class Cell:
    """A network with a number of threads. Times in milliseconds, one for each round."""

    network: str
    threads: int
    plans: tuple[PlanRow, ...]
    turns: Mapping[str, Sequence[float]]

    @property
    def deciding(self) -> Turns:
        return {key: list(times[::2]) for key, times in self.turns.items()}

    @property
    def reported(self) -> Turns:
        return {key: list(times[1::2]) for key, times in self.turns.items()}

    def ms(self, key: str) -> float:
        """The time of a plan."""
        return statistics.median(self.reported[key])

    def rivals(self, plan: PlanRow) -> list[str]:
        """Plans of one precision that lose no more than a bound."""
        return [p.key for p in self.plans if p.key in PURE and (p.loss <= plan.bound or p.key == PURE[0])]

    def kept(self, plan: PlanRow) -> str:
        """The plan that is kept for the bound of a mixed one."""
        times = self.deciding
        return min([plan.key, *self.rivals(plan)], key=lambda key: statistics.median(times[key]))

    def best(self, plan: PlanRow) -> str:
        """The fastest plan of one precision that keeps the bound."""
        return min(self.rivals(plan), key=self.ms)

    def gain(self, plan: PlanRow) -> float:
        """The time of that one by that of the plan that is kept."""
        return ratio(self.reported[self.best(plan)], self.reported[self.kept(plan)])

    def to_json(self) -> dict[str, Any]:
        plans = [row.to_json() for row in self.plans]
        return {**attrs.asdict(self, recurse=False), "plans": plans, "turns": dict(self.turns)}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Cell:
        return Cell(**{**data, "plans": tuple(PlanRow.from_json(row) for row in data["plans"])})


def measure(network: str, threads: int, plans: Sequence[PlanRow], folder: Path, rounds: int, seconds: float) -> Cell:
    """All plans of a network end to end, in turns.

    Raises:
        ServerError: a package does not run.
    """
    server = package_server(threads)
    servers = dict.fromkeys((row.key for row in plans), server)
    with stopping(servers):
        for key in servers:
            server.open(key, {"file": str(package(folder, key)), "threads": threads})
        return Cell(network, threads, tuple(plans), take_turns(servers, rounds, seconds))
