"""Conversion trees against all subsets of conversions."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plait.passes.selection.conversion import ConversionPlanner, TooManyFormatsError

Matrix = list[list[float]]


@st.composite
def matrices(draw: st.DrawFn) -> Matrix:
    """Up to four formats; costs are small integers (zeros and ties included) or missing."""
    count = draw(st.integers(1, 4))
    cost = st.one_of(st.integers(0, 6).map(float), st.just(math.inf))
    return [[0.0 if f == g else draw(cost) for g in range(count)] for f in range(count)]


def reached(source: int, arcs: tuple[tuple[int, int], ...]) -> set[int]:
    """Formats that exist once all conversions ran that can."""
    have = {source}
    for _ in arcs:
        have |= {b for a, b in arcs if a in have}
    return have


def cheapest_subset(direct: Matrix, source: int, wanted: set[int]) -> float:
    """Least cost of any set of conversions that makes all wanted formats."""
    count = len(direct)
    arcs = [(a, b) for a in range(count) for b in range(count) if a != b and math.isfinite(direct[a][b])]
    best = math.inf
    for size in range(count):
        for chosen in itertools.combinations(arcs, size):
            if wanted <= reached(source, chosen):
                best = min(best, sum(direct[a][b] for a, b in chosen))
    return best


@settings(max_examples=150, deadline=None)
@given(matrices(), st.data())
def test_trees_equal_the_cheapest_arc_subset(direct: Matrix, data: st.DataObject) -> None:
    formats = st.integers(0, len(direct) - 1)
    source, wanted = data.draw(formats), data.draw(st.lists(formats, min_size=1, max_size=4))
    steps = ConversionPlanner(direct).plan(source, wanted, "tree")
    best = cheapest_subset(direct, source, set(wanted))
    if steps is None:
        assert best == math.inf
        return
    assert sum(direct[a][b] for a, b in steps) == best
    have = {source}
    for a, b in steps:
        assert a in have
        assert b not in have
        have.add(b)
    assert set(wanted) <= have


@settings(max_examples=100, deadline=None)
@given(matrices(), st.data())
def test_tables_and_plans_agree_in_every_mode(direct: Matrix, data: st.DataObject) -> None:
    formats = st.integers(0, len(direct) - 1)
    source, wanted = data.draw(formats), data.draw(st.lists(formats, min_size=1, max_size=5))
    planner = ConversionPlanner(direct)
    costs = {}
    for mode in ("tree", "star", "none"):
        steps = planner.plan(source, wanted, mode)
        costs[mode] = math.inf if steps is None else sum(direct[a][b] for a, b in steps)
    assert costs["tree"] <= costs["star"] <= costs["none"]
    assert costs["none"] == sum(planner.distance[source, g] for g in wanted)
    terminals = sorted(set(wanted))
    assert planner.cost_table(terminals, "tree")[-1, source] == costs["tree"]
    assert planner.cost_table(terminals, "star")[-1, source] == costs["star"]


def test_a_shared_intermediate_copy_is_paid_once() -> None:
    inf = math.inf
    direct = [[0.0, 5.0, inf, inf], [inf, 0.0, 1.0, 1.0], [inf] * 2 + [0.0, inf], [inf] * 3 + [0.0]]
    planner = ConversionPlanner(direct)
    assert planner.plan(0, [2, 3], "tree") == ((0, 1), (1, 2), (1, 3))
    assert planner.plan(0, [2, 3], "star") == ((0, 1), (1, 2), (0, 1), (1, 3))
    assert planner.plan(2, [0], "tree") is None


def test_unshared_chains_follow_the_uses() -> None:
    planner = ConversionPlanner([[0.0, 1.0, 9.0], [9.0, 0.0, 9.0], [9.0, 9.0, 0.0]])
    assert planner.plan(0, [2, 1, 0, 1], "none") == ((0, 2), (0, 1), (0, 1))


def test_zero_cost_circles_do_not_trap_paths() -> None:
    planner = ConversionPlanner([[0.0] * 5 for _ in range(5)])
    steps = planner.plan(3, [0, 1, 2, 4], "tree")
    assert steps is not None
    assert sorted(target for _, target in steps) == [0, 1, 2, 4]


def test_tables_of_too_many_formats_are_refused() -> None:
    planner = ConversionPlanner([[float(f != g) for g in range(17)] for f in range(17)])
    with pytest.raises(TooManyFormatsError, match="wanted in 16 formats"):
        planner.cost_table(range(1, 17), "tree")


def test_plans_of_too_many_formats_are_trees() -> None:
    """A chain is found, in which every copy is made from the one before."""
    planner = ConversionPlanner([[0.0 if f == g else 1.0 if g == f + 1 else 9.0 for g in range(18)] for f in range(18)])
    assert planner.plan(0, range(18), "tree") == tuple((f, f + 1) for f in range(17))
