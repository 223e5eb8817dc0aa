"""The limits of a machine: how fast it can compute and move bytes at best. Measured once, kept in the profile database.

They are what roofline bounds (Williams, Waterman, Patterson 2009) are made of: nothing that does so much arithmetic and
moves so many bytes can take less time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import attrs

from plait.backends.profiling.database import ProfileDatabase, default_path
from plait.backends.profiling.job import LIMITS, Job, Result
from plait.backends.profiling.machine import Machine, this_machine


@attrs.frozen
class Level:
    """A level of the memory, and what all threads together get of it, in GB/s (bytes per nanosecond)."""

    name: str
    """L1, L2, L3 or DRAM."""
    capacity: int | None
    """Bytes that it holds for these threads; None: all there are."""
    read: float
    write: float
    """Plain stores, which fetch a line before they change it."""
    copy: float
    """Bytes read and bytes written."""

    def time_us(self, read: float, written: float) -> float:
        """The least time to read and write so many bytes: in pairs as a copy does, and what is left over alone."""
        pairs = min(read, written)
        return (2 * pairs / self.copy + (read - pairs) / self.read + (written - pairs) / self.write) / 1e3


@attrs.frozen
class Limits:
    """What a number of threads of one machine can do."""

    threads: int
    isa: str
    """The highest ISA level with kernels for float32 that was allowed."""
    gflops: dict[str, float]
    """Greatest rate of float32 multiply-adds by ISA level, each counted as two operations, in GFLOP/s."""
    levels: tuple[Level, ...]
    """From the smallest to memory."""
    op_ns: float
    """Time of an op of a plan that does nothing."""
    barrier_ns: float
    """Time that the barrier after an op adds; 0 for one thread."""
    kernels: str
    """Hash of the kernels that measured."""
    taken: str
    """When, UTC, as ISO 8601."""
    gops: dict[str, float] = attrs.field(factory=dict)
    """Greatest rate of products of bytes added to int32 by ISA level, each counted as two operations, in GOP/s."""
    bf16: dict[str, float] = attrs.field(factory=dict)
    """Greatest rate of products of bfloat16 added to float32 by ISA level, likewise, in GFLOP/s."""

    @property
    def peak(self) -> float:
        """GFLOP/s of the highest level."""
        return self.gflops[self.isa]

    def at_least(self, single: Limits) -> Limits:
        """The same, with rates of no less than those of one core times the threads: a core that was disturbed then does
        not bound what threads can do."""

        def rates(mine: dict[str, float], of_one: dict[str, float]) -> dict[str, float]:
            return {isa: max(rate, self.threads * of_one.get(isa, 0.0)) for isa, rate in mine.items()}

        return attrs.evolve(
            self,
            gflops=rates(self.gflops, single.gflops),
            gops=rates(self.gops, single.gops),
            bf16=rates(self.bf16, single.bf16),
        )

    def level_for(self, nbytes: float) -> Level:
        """The smallest level that holds so many bytes."""
        return next(x for x in self.levels if x.capacity is None or nbytes <= x.capacity)

    def to_json(self) -> dict[str, Any]:
        """As JSON data, schema `limits/1`."""
        return {"schema": "limits/1", **attrs.asdict(self)}

    @staticmethod
    def from_json(data: dict[str, Any]) -> Limits:
        """The limits of such data.

        Raises:
            KeyError, TypeError: they are not limits.
        """
        fields = {a.name: data[a.name] for a in attrs.fields(Limits)}
        fields["levels"] = tuple(Level(**row) for row in data["levels"])
        return Limits(**fields)


def store(limits: Iterable[Limits], db: str | Path | None = None) -> None:
    """Keep limits of this machine in the profile database (default: that of the user).

    Raises:
        ProfileError: P501.
    """
    with ProfileDatabase(db) as database:
        keep_limits(database, limits)


def keep_limits(database: ProfileDatabase, limits: Iterable[Limits], machine: Machine | None = None) -> None:
    """`store` in a database that is open; `machine` is whose they are (default: this one)."""
    for one in limits:
        database.add_limits(machine or this_machine(), one.threads, json.dumps(one.to_json()))


def load_limits(threads: int, db: str | Path | None = None) -> Limits | None:
    """The newest limits of this machine for that many threads, or None if `plait doctor` has not measured them.

    Raises:
        ProfileError: P501.
    """
    path = Path(db) if db is not None else default_path()
    if not path.exists():
        return None
    with ProfileDatabase(path) as database:
        return find_limits(database, threads)


def find_limits(database: ProfileDatabase, threads: int, machine: Machine | None = None) -> Limits | None:
    """`load_limits` from a database that is open; `machine` is whose are wanted (default: this one)."""
    found = database.find_limits(machine or this_machine(), threads)
    return None if found is None else _read(found)


def limits_job(threads: int) -> Job:
    """A job that has a worker measure the limits of its machine, in haste."""
    return Job("limits", "limits", "1", threads, "", LIMITS)


def limits_of(result: Result) -> Limits | None:
    """What such a job has found; None if it failed."""
    return _read(result.message) if result.ok else None


def _read(text: str) -> Limits | None:
    try:
        return Limits.from_json(json.loads(text))
    except (KeyError, TypeError, ValueError):
        return None  # of another release
