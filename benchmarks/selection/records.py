"""What a run of a solver on an instance gave, and files of that."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import attrs

Key: TypeAlias = tuple[str, str, str, float, int]


@attrs.frozen
class Limits:
    """What a run may take: it is killed after ``seconds``, and cannot have more than ``memory`` MiB beyond what it
    starts with."""

    seconds: float = 10.0
    memory: int = 2000


@attrs.frozen
class Record:
    """One run. Costs in the instance's unit.

    ``status`` is the solver's (optimal, feasible, infeasible, unknown), or: ``timeout``, ``memory``, ``crashed``;
    ``refused``, the solver says that it cannot do this; ``wrong``, the product's check complains. ``message`` says
    what about these. ``seconds`` are from problem to solution, ``memory`` is MiB of resident memory at the peak above
    those at the start.
    """

    instance: str
    digest: str
    solver: str
    limits: Limits
    layers: int
    status: str
    cost: float | None = None
    bound: float | None = None
    seconds: float = 0.0
    memory: float | None = None
    width: int | None = None
    message: str = ""

    @property
    def key(self) -> Key:
        """What makes a run the same as another one."""
        return self.instance, self.digest, self.solver, self.limits.seconds, self.limits.memory

    @property
    def found(self) -> bool:
        """Whether there is a plan that holds."""
        return self.status in ("optimal", "feasible")

    def to_json(self) -> dict[str, Any]:
        """The record as a JSON object."""
        return attrs.asdict(self)

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Record:
        """The record of a JSON object."""
        return cls(**{**body, "limits": Limits(**body["limits"])})


def read_records(path: Path) -> list[Record]:
    """The records of a file with a JSON object in each line; none if there is no such file. A last line that was
    cut off is skipped."""
    if not path.exists():
        return []
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            found.append(Record.from_json(json.loads(line)))
        except json.JSONDecodeError:
            continue
    return found


@attrs.frozen
class Reference:
    """What is known of an instance from all runs: the best plan's cost, and the best bound."""

    cost: float
    bound: float

    @property
    def proven(self) -> bool:
        """Whether the best plan is optimal."""
        return self.bound >= self.cost * (1 - 1e-9)

    def gap(self, record: Record) -> float:
        """How far a record's cost is above the best one, as a share of that; infinite without a plan."""
        if not record.found or record.cost is None:
            return math.inf
        return max(0.0, record.cost / self.cost - 1) if self.cost else 0.0


def references(records: Iterable[Record]) -> dict[str, Reference]:
    """The reference of each instance that some run found a plan for."""
    found: dict[str, Reference] = {}
    for record in records:
        if record.found and record.cost is not None:
            known = found.get(record.instance, Reference(math.inf, 0.0))
            bound = max(known.bound, record.bound or 0.0)
            found[record.instance] = Reference(min(known.cost, record.cost), bound)
    return found


def contradictions(records: Sequence[Record]) -> list[str]:
    """Bounds that plans of other solvers are below of: somebody is wrong."""
    best = references(records)
    return [
        f"{r.instance}: {r.solver} claims the bound {r.bound!r}, there is a plan of {best[r.instance].cost!r}"
        for r in records
        if r.instance in best and r.bound is not None and r.bound > best[r.instance].cost * (1 + 1e-9)
    ]
