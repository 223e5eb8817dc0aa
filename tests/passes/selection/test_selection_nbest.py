"""The N best plans against all plans of small problems."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator

import attrs
import pytest

from plait.passes.selection import Problem, ProblemBuilder, SolveOptions, check, evaluate, n_best, solver
from plait.passes.selection.reductions import collapse

MakeProblem = Callable[..., Problem]
MOST = 3000


def plans(problem: Problem, *, collapsed: bool) -> Iterator[tuple[float, tuple[int, ...]]]:
    """Cost and choice of every plan."""
    everything = tuple(tuple(range(len(problem.routines(i)))) for i in range(len(problem.layers)))
    for choice in itertools.product(*(collapse(problem) if collapsed else everything)):
        cost = evaluate(problem, choice)[0]
        if math.isfinite(cost):
            yield cost, choice


@pytest.mark.parametrize("distinct", ["routines", "formats"])
@pytest.mark.parametrize("seed", range(90))
def test_n_best_equals_sorting_all_plans(seed: int, distinct: str, make_random: MakeProblem) -> None:
    problem = make_random(seed)
    if math.prod(len(problem.routines(i)) for i in range(len(problem.layers))) > MOST:
        return
    everything = sorted(plans(problem, collapsed=distinct == "formats"))
    for n in (1, 2, 7, len(everything) + 3):
        found = n_best(problem, n, distinct=distinct)  # type: ignore[arg-type]
        assert [s.cost for s in found.solutions] == [cost for cost, _ in everything[:n]]
        assert len({s.choice for s in found.solutions}) == len(found.solutions)
        assert {s.choice for s in found.solutions} <= {choice for _, choice in everything}
        assert found.proven
        assert found.complete == (n > len(everything) if n > 1 else not everything)
        for plan in found.solutions:
            assert check(problem, plan) == ()
            assert plan.bound == everything[0][0]


def test_n_best_of_a_long_network(make_chain: MakeProblem) -> None:
    problem = make_chain(200, block=4)
    found = n_best(problem, 25)
    costs = [s.cost for s in found.solutions]
    assert found.proven
    assert costs == sorted(costs)
    assert len({s.choice for s in found.solutions}) == 25
    assert found.solutions[0].cost == solver("exact")(problem).cost
    # The second plan is the least of the best plans that lack one chosen routine.
    best = found.solutions[0]
    least = math.inf
    for layer in range(0, 200, 7):
        table = problem.tables[problem.layers[layer].table]
        rest = tuple(r for k, r in enumerate(table.routines) if k != best.choice[layer])
        if rest:
            layers = list(problem.layers)
            layers[layer] = attrs.evolve(layers[layer], table=len(problem.tables))
            tables = (*problem.tables, attrs.evolve(table, routines=rest))
            least = min(least, solver("exact")(attrs.evolve(problem, tables=tables, layers=tuple(layers))).cost)
    assert costs[1] <= least


def test_the_same_ranking_every_time(make_random: MakeProblem) -> None:
    for seed in range(12):
        assert n_best(make_random(seed), 9) == n_best(make_random(seed), 9)


def test_tied_duplicates_count_as_routines_and_not_as_formats() -> None:
    build = ProblemBuilder(["a", "b"])
    size = build.adapts({("a", "b"): 1.0, ("b", "a"): 1.0})
    x = build.input("x", "a", size)
    routines = [
        build.routine(n, [f], [f], c) for n, f, c in (("one", "a", 2.0), ("two", "a", 2.0), ("three", "b", 2.0))
    ]
    (y,) = build.layer("l", build.table("t", routines), [x], [size])
    build.output("y", y, "a")
    problem = build.build()
    assert [s.choice[1] for s in n_best(problem, 3).solutions] == [0, 1, 2]
    assert [s.choice[1] for s in n_best(problem, 3, distinct="formats").solutions] == [0, 2]


def test_wide_graphs_give_the_best_plan_alone(make_chain: MakeProblem) -> None:
    problem = make_chain(60, block=4)
    found = n_best(problem, 5, SolveOptions(table_limit=4))
    assert not found.proven
    assert found.solutions[0].status == "optimal"
