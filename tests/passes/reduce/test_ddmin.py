"""Delta debugging: 1-minimal results, against brute force; how often it asks."""

from __future__ import annotations

import random

import pytest

from plait.passes.reduce.ddmin import chunks_of, ddmin


@pytest.mark.parametrize("wanted", [{0}, {7}, {3, 4}, {0, 9}, {1, 4, 8}, set(range(10))])
def test_what_all_of_a_set_cause(wanted: set[int]) -> None:
    assert ddmin(range(10), lambda kept: wanted <= set(kept)) == sorted(wanted)


@pytest.mark.parametrize("seed", range(60))
def test_one_minimal_whatever_the_failure(seed: int) -> None:
    rng = random.Random(seed)
    count = rng.randint(1, 9)
    failing = {rng.getrandbits(count) for _ in range(rng.randint(1, 80))} | {(1 << count) - 1}

    def fails(kept: list[int]) -> bool:
        assert kept == sorted(kept) and 0 < len(kept) < count
        return sum(1 << i for i in kept) in failing

    found = ddmin(range(count), fails)
    assert len(found) == count or fails(found)
    if len(found) > 1:
        assert not any(fails([i for i in found if i != out]) for out in found)


def test_one_cause_takes_logarithmically_many_tests() -> None:
    asked: list[list[int]] = []

    def fails(kept: list[int]) -> bool:
        asked.append(kept)
        return 700 in kept

    assert ddmin(range(1024), fails) == [700]
    assert len(asked) <= 2 * 10


def test_nothing_and_one_thing() -> None:
    def never(kept: list[int]) -> bool:
        raise AssertionError("nothing to ask")

    assert ddmin([], never) == []
    assert ddmin([5], never) == [5]


def test_sizes_of_runs() -> None:
    assert list(chunks_of(9)) == [9, 5, 3, 2, 1]
    assert list(chunks_of(1)) == [1]
