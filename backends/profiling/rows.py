"""Measurements as plain records, and which of them are wanted."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

import attrs

from plait.backends.profiling.job import Result
from plait.backends.profiling.machine import digest
from plait.backends.profiling.samples import unpack


@attrs.frozen
class Row:
    """One measurement, as it was added."""

    signature: str
    routine: str
    version: str
    threads: int
    state: str
    machine: str
    """`Machine.instance`"""
    session: str
    """Empty if it was taken in none."""
    environment: str
    """`Environment.fingerprint`; empty if it is not known."""
    status: str
    samples: tuple[int, ...]
    """Nanoseconds."""
    median_us: float | None
    message: str
    error: float | None
    """`Result.error`"""
    taken: float
    """Seconds since 1970; within an entry later measurements have larger stamps."""

    @property
    def key(self) -> tuple[str, str, str, int, str, str]:
        """The entry: what identifies the measurement, the machine included."""
        return (self.signature, self.routine, self.version, self.threads, self.state, self.machine)

    @property
    def entry(self) -> str:
        """Short name of the entry: 8 hexadecimal digits."""
        return digest(*map(str, self.key))[:8]

    @property
    def op(self) -> str:
        """The kind of layer."""
        return self.signature.partition("(")[0]

    @property
    def result(self) -> Result:
        """What `find` gives for it."""
        return Result(self.status, self.samples, self.message, self.error)

    @property
    def ok(self) -> bool:
        return self.result.ok

    @property
    def cost_us(self) -> float | None:
        """See `Result.cost_us`; None for failures."""
        return self.result.cost_us if self.ok else None

    @property
    def spread_us(self) -> float | None:
        """Median absolute deviation in microseconds; None for failures."""
        return self.result.spread_us if self.ok else None


def make_row(values: Sequence[object]) -> Row:
    """A row from the columns of the table, in the order of `Row`."""
    row: Row = Row(*values)  # type: ignore[arg-type]
    return attrs.evolve(row, samples=unpack(row.samples))  # type: ignore[arg-type]


def median_us(samples: Sequence[int]) -> float | None:
    """Microseconds; None if there are no samples."""
    return statistics.median(samples) / 1e3 if samples else None


@attrs.frozen
class Wanted:
    """A choice of measurements. Each condition that is None is left out."""

    ops: frozenset[str] | None = None
    signatures: frozenset[str] | None = None
    routine: Callable[[str], bool] | None = None
    machine: str | None = None
    """A machine by the beginning of its `instance`, or by its host or kind."""
    threads: int | None = None
    state: str | None = None
    status: str | None = None
    session: str | None = None
    """By its beginning."""

    def sql(self) -> tuple[str, list[object]]:
        """A condition on table `profile` and its parameters; `keeps` does the rest."""
        parts: list[tuple[str, list[object]]] = [("1", [])]
        for column in ("threads", "state", "status"):
            if (value := getattr(self, column)) is not None:
                parts.append((f"{column} = ?", [value]))
        if self.session is not None:
            parts.append(("substr(session, 1, length(?)) = ?", [self.session] * 2))
        if self.machine is not None:
            same = "substr(instance, 1, length(?)) = ? OR host = ? OR kind = ?"
            parts.append((f"machine IN (SELECT instance FROM machine WHERE {same})", [self.machine] * 4))
        return " AND ".join(text for text, _ in parts), [p for _, some in parts for p in some]

    def keeps(self, row: Row) -> bool:
        """Whether a row that meets the condition of `sql` is wanted."""
        return (
            (self.ops is None or row.op in self.ops)
            and (self.signatures is None or row.signature in self.signatures)
            and (self.routine is None or self.routine(row.routine))
        )
