"""Entries of a profile database: the measurements of one routine on one layer, at one machine, together."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import attrs

from plait.backends.profiling.rows import Row


@attrs.frozen
class Entry:
    """What is known of one key."""

    newest: Row
    measurements: int
    samples: int
    """Of all measurements together; those that a later one repeats are counted once."""

    def to_json(self) -> dict[str, Any]:
        """The key, counts, and times of the newest measurement in microseconds (null for failures)."""
        row = self.newest
        names = ("op", "signature", "routine", "version", "threads", "state", "machine", "status", "message", "session")
        times = ("median_us", "cost_us", "spread_us", "error", "taken")
        return {
            "entry": row.entry,
            **{name: getattr(row, name) for name in names},
            "measurements": self.measurements,
            "samples": self.samples,
            **{name: getattr(row, name) for name in times},
        }


def entries(rows: Iterable[Row]) -> Iterator[Entry]:
    """Entries of measurements in the order of `ProfileDatabase.rows`."""
    for _, group in itertools.groupby(rows, lambda row: row.key):
        rows_of_entry = list(group)
        yield Entry(rows_of_entry[-1], len(rows_of_entry), len(all_samples(rows_of_entry)))


def all_samples(rows: Sequence[Row]) -> list[int]:
    """The samples of the measurements of an entry, in the order of time. A measurement that continues the one before
    begins with its samples, which count once."""
    found: list[int] = []
    for row, later in itertools.zip_longest(rows, rows[1:]):
        if later is None or row.samples != later.samples[: len(row.samples)]:
            found += row.samples
    return found


@attrs.frozen
class Bin:
    """A bar of a histogram: samples from `low` up to, and without, `high`, in the unit of the samples."""

    low: float
    high: float
    count: int


def histogram(samples: Sequence[int], bins: int = 10) -> list[Bin]:
    """Bins of equal width, from the least sample to that which 95 % do not exceed; further samples are in one more.

    Empty for no samples; one bin where all that would be told apart are equal.
    """
    if not samples:
        return []
    ordered = sorted(samples)
    low, most = ordered[0], ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    if low == most:
        edges: list[float] = [low, most + 1]
    else:
        # Nanoseconds are whole: the last bin holds its upper end.
        edges = [low + (most + 1 - low) * i / bins for i in range(bins + 1)]
    if ordered[-1] >= edges[-1]:
        edges.append(ordered[-1] + 1)
    counts = [0] * (len(edges) - 1)
    for sample in ordered:
        counts[next(i for i, edge in enumerate(edges[1:]) if sample < edge)] += 1
    return [Bin(a, b, n) for a, b, n in zip(edges, edges[1:], counts, strict=False)]
