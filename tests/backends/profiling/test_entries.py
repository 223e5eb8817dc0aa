"""Measurements of one key together, and histograms."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plait.backends.profiling.database import ProfileDatabase
from plait.backends.profiling.entries import Bin, all_samples, entries, histogram
from plait.backends.profiling.job import Result


def test_entries(path: Path, facts: Any) -> None:
    two = attrs.evolve(facts.job, threads=2)
    with ProfileDatabase(path) as database:
        database.add(facts.job, facts.here, Result("crashed", (), "why"))
        database.add(two, facts.here, Result("ok", (1,)))
        database.add(facts.job, facts.here, facts.ok)
        found = list(entries(database.rows()))
    assert [(e.newest.threads, e.measurements, e.samples) for e in found] == [(1, 2, 3), (2, 1, 1)]
    data = found[0].to_json()
    assert (data["status"], data["median_us"], data["cost_us"], data["spread_us"]) == ("ok", 6.0, 5.0, 1.0)
    assert (data["op"], data["entry"]) == ("relu", found[0].newest.entry)


def test_samples_of_measurements_that_were_continued_count_once(path: Path, facts: Any) -> None:
    with ProfileDatabase(path) as database:
        for samples in ((1, 2), (1, 2, 3), (4,), (5, 6)):
            database.add(facts.job, facts.here, Result("ok", samples))
        rows = list(database.rows())
    assert all_samples(rows) == [1, 2, 3, 4, 5, 6] and all_samples([]) == []
    (entry,) = entries(rows)
    assert (entry.measurements, entry.samples) == (4, 6)


@pytest.mark.parametrize(
    ("samples", "bins"),
    [
        ([], []),
        ([7], [Bin(7, 8, 1)]),
        ([7, 7, 7], [Bin(7, 8, 3)]),
        ([7] * 39 + [9], [Bin(7, 8, 39), Bin(8, 10, 1)]),
        ([0, 1, 2, 3], [Bin(0, 2, 2), Bin(2, 4, 2)]),
    ],
)
def test_histogram(samples: list[int], bins: list[Bin]) -> None:
    assert histogram(samples, 2) == bins


@given(st.lists(st.integers(-(2**50), 2**50), min_size=1), st.integers(1, 12))
def test_every_sample_is_in_one_bin(samples: list[int], count: int) -> None:
    bins = histogram(samples, count)
    assert sum(b.count for b in bins) == len(samples) and len(bins) <= count + 1
    assert bins[0].low == min(samples) and bins[-1].high > max(samples)
    assert all(a.high == b.low for a, b in pairwise(bins))
    assert all(b.count == sum(b.low <= s < b.high for s in samples) for b in bins)
