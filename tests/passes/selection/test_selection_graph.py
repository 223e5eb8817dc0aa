"""Random graphs of variables and pair tables: elimination, contraction, dual and wide search, against all states.

Costs are multiples of 1/8, so that sums are exact in any order.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator

import numpy as np
import pytest

from plait.passes.selection.columns import FloatArray
from plait.passes.selection.contraction import consistent, contracted, emptied, restricted, starts_of
from plait.passes.selection.dual import Dual
from plait.passes.selection.elimination import TooWideError, eliminate
from plait.passes.selection.factor_graph import FactorGraph
from plait.passes.selection.marginals import bounded_costs, min_marginals, pruned
from plait.passes.selection.options import SolveOptions
from plait.passes.selection.ordering import few_neighbours, find_order
from plait.passes.selection.wide import WideSearch

SEEDS = range(60)


def random_graph(seed: int) -> FactorGraph:
    """Up to six variables of up to four states, any pairs tied, some entries infinite; some graphs have no plan."""
    rng = random.Random(seed)
    sizes = [rng.randint(1, 4) for _ in range(rng.randint(1, 6))]
    forbidden = rng.choice([0.0, 0.1, 0.4])

    def costs(*shape: int) -> FloatArray:
        found = [math.inf if rng.random() < forbidden else rng.randint(0, 80) / 8 for _ in range(math.prod(shape))]
        return np.array(found).reshape(shape)

    pairs = [p for p in itertools.combinations(range(len(sizes)), 2) if rng.random() < 0.6]
    return FactorGraph.of([costs(n) for n in sizes], {(i, j): costs(sizes[i], sizes[j]) for i, j in pairs})


def grid(side: int, states: int, seed: int = 0) -> FactorGraph:
    """A square of variables, each tied to its neighbours: as wide as its side."""
    rng = np.random.default_rng(seed)
    unary = [rng.integers(0, 80, states) / 8 for _ in range(side * side)]
    right = [(v, v + 1) for v in range(side * side) if (v + 1) % side]
    down = [(v, v + side) for v in range(side * (side - 1))]
    return FactorGraph.of(unary, {p: rng.integers(0, 80, (states, states)) / 8 for p in right + down})


def assignments(graph: FactorGraph) -> Iterator[tuple[float, tuple[int, ...]]]:
    for states in itertools.product(*(range(n) for n in graph.sizes.tolist())):
        yield graph.objective(states), states


def optimum(graph: FactorGraph) -> float:
    return min(cost for cost, _ in assignments(graph))


@pytest.mark.parametrize("seed", SEEDS)
def test_elimination_finds_the_optimum(seed: int) -> None:
    graph = random_graph(seed)
    found = eliminate(graph)
    assert found.optimum == optimum(graph)
    assert (found.states is None) == math.isinf(found.optimum)
    if found.states is not None:
        assert graph.objective(found.states) == found.optimum


def test_large_tables_keep_argmins_only() -> None:
    """Tables of the middle of a grid are above what is kept for the way back."""
    graph = grid(5, 6)
    found = eliminate(graph)
    assert found.order.largest > 14
    assert found.states is not None
    assert graph.objective(found.states) == found.optimum
    marginals = min_marginals(graph)
    assert {float(m.min()) for m in marginals} == {found.optimum}


@pytest.mark.parametrize("seed", SEEDS)
def test_min_marginals(seed: int) -> None:
    graph = random_graph(seed)
    least = [np.full(n, math.inf) for n in graph.sizes.tolist()]
    for cost, states in assignments(graph):
        for v, s in enumerate(states):
            least[v][s] = min(least[v][s], cost)
    for found, wanted in zip(min_marginals(graph), least, strict=True):
        assert found.tolist() == wanted.tolist()
    for bound, wanted in zip(bounded_costs(graph, len(graph.sizes), SolveOptions()), least, strict=True):
        assert (bound <= wanted + 1e-9).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_contraction_keeps_the_optimum(seed: int) -> None:
    graph = random_graph(seed)
    if math.isinf(optimum(graph)):
        return
    small = contracted(graph, len(graph.sizes) // 2)
    assert len(small.graph.sizes) == len(small.variables) <= len(graph.sizes)
    found = eliminate(small.graph)
    assert found.states is not None
    assert found.optimum + small.constant == optimum(graph)
    assert graph.objective(small.expand(np.array(found.states, dtype=np.intc)).tolist()) == optimum(graph)


@pytest.mark.parametrize("seed", SEEDS)
def test_consistent_states_hold_every_plan(seed: int) -> None:
    graph = random_graph(seed)
    alive = consistent(graph)
    starts = starts_of(graph.sizes)
    plans = [states for cost, states in assignments(graph) if math.isfinite(cost)]
    assert all(alive[starts[v] + s] for states in plans for v, s in enumerate(states))
    if emptied(graph, alive):
        assert not plans
        return
    small = restricted(graph, alive)
    assert int(small.graph.sizes.sum()) == int(alive.sum())
    for cost, states in assignments(small.graph):
        assert graph.objective(small.expand(np.array(states, dtype=np.intc)).tolist()) == cost


@pytest.mark.parametrize("seed", SEEDS)
def test_the_dual_bounds_every_plan(seed: int) -> None:
    graph = random_graph(seed)
    alive = consistent(graph)
    if emptied(graph, alive):
        return
    graph = restricted(graph, alive).graph
    dual = Dual(graph)
    bound, starts = -math.inf, starts_of(graph.sizes)
    for _ in range(4):
        dual.sweep(2)
        assert dual.bound() >= bound - 1e-9
        bound, excess = dual.bound(), dual.excesses()
        moved = dual.settled()
        for cost, states in assignments(graph):
            if math.isinf(cost):
                continue
            assert all(bound + excess[starts[v] + s] <= cost + 1e-9 for v, s in enumerate(states))
            assert moved.objective(states) == pytest.approx(cost, abs=1e-9)
    assert len(dual.round()) == len(graph.sizes)


def test_the_dual_of_a_tree_is_tight() -> None:
    rng = np.random.default_rng(1)
    pairs = {(v // 2, v): rng.integers(0, 80, (3, 3)) / 8 for v in range(1, 7)}
    graph = FactorGraph.of([rng.integers(0, 80, 3) / 8 for _ in range(7)], pairs)
    dual = Dual(graph)
    dual.sweep(20)
    assert dual.bound() == pytest.approx(optimum(graph))
    assert graph.objective(dual.round().tolist()) == pytest.approx(optimum(graph))


@pytest.mark.parametrize("seed", range(3))
def test_pruning_keeps_every_plan_within_the_limit(seed: int) -> None:
    graph = grid(3, 3, seed)
    most = optimum(graph) + 2.0
    small = pruned(graph, 9, most)
    assert int(small.graph.sizes.sum()) < 27
    number = {int(v): n for n, v in enumerate(small.variables)}
    kept = {tuple(small.expand(np.array(s, dtype=np.intc)).tolist()) for _, s in assignments(small.graph)}
    assert len(number) == 9
    assert {states for cost, states in assignments(graph) if cost <= most} <= kept


def dual_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain elimination is never quick enough."""
    for name in ("_SMALL", "_EASY", "_QUICK"):
        monkeypatch.setattr(f"plait.passes.selection.wide.{name}", -1.0)


@pytest.mark.parametrize("seed", range(10))
def test_the_wide_search_proves_grids(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    dual_only(monkeypatch)
    graph = grid(6, 4, seed)
    result = WideSearch(graph, 36, 1 << 24, graph.objective).run(1000)
    assert result.proven
    assert result.states is not None
    assert graph.objective(result.states) == result.bound == eliminate(graph).optimum


@pytest.mark.parametrize("seed", SEEDS)
def test_the_wide_search_on_small_graphs(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    dual_only(monkeypatch)
    graph = random_graph(seed)
    result = WideSearch(graph, len(graph.sizes), 1 << 24, graph.objective).run(1000)
    assert result.proven
    assert result.bound == optimum(graph)
    assert (result.states is None) == math.isinf(optimum(graph))


def test_a_search_that_is_stopped_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    dual_only(monkeypatch)
    graph = grid(6, 4)
    result = WideSearch(graph, 36, 1 << 24, graph.objective, deadline=-math.inf).run(1000)
    assert not result.proven
    assert result.states is not None
    assert math.isfinite(result.bound)
    assert result.bound <= eliminate(graph).optimum <= graph.objective(result.states)


def test_orders_tell_the_tables_they_make() -> None:
    graph = grid(4, 3)
    order = find_order(graph.sizes, graph.ends)
    near = graph.neighbours()
    largest, width = 0, 0
    for v in order.variables.tolist():
        largest, width = max(largest, 3 ** (len(near[v]) + 1)), max(width, len(near[v]))
        for u in near[v]:
            near[u] = (near[u] | near[v]) - {u, v}
    assert order.largest == pytest.approx(math.log2(largest))
    assert order.width == width
    assert sorted(order.variables.tolist()) == list(range(16))
    assert find_order(graph.sizes, graph.ends).variables.tolist() == order.variables.tolist()


def test_more_tries_are_never_worse() -> None:
    graph = grid(9, 6)
    totals = [find_order(graph.sizes, graph.ends, tries=n).total for n in (1, 2, 12)]
    assert totals == sorted(totals, reverse=True)
    assert totals[2] < totals[0]


def test_few_neighbours_empties_series_and_parallel() -> None:
    ends = np.array([(0, 1), (1, 2), (0, 2), (2, 3), (3, 4), (2, 4)], dtype=np.intc)
    sizes = np.full(5, 3, dtype=np.intc)
    assert sorted(few_neighbours(sizes, ends, 2).tolist()) == [0, 1, 2, 3, 4]
    assert few_neighbours(sizes, ends, 1).tolist() == []
    assert len(few_neighbours(np.full(16, 3, dtype=np.intc), grid(4, 3).ends, 2)) == 4
    assert len(few_neighbours(np.full(5, 200, dtype=np.intc), ends, 2)) == 0


def test_too_wide_is_said_before_anything_is_allocated() -> None:
    with pytest.raises(TooWideError, match=r"a table of 2\^[\d.]+ entries"):
        eliminate(grid(12, 30))
