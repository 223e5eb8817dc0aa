"""Runners-up against solving again without the chosen routine."""

from __future__ import annotations

import math
from collections.abc import Callable

import attrs
import pytest

from plait.passes.selection import Problem, RoutineTable, SolveOptions, solver
from plait.passes.selection.sensitivity import runners_up

MakeProblem = Callable[..., Problem]


def without(problem: Problem, layer: int, routine: int) -> Problem | None:
    """The problem in which one layer lacks one routine."""
    rest = [r for k, r in enumerate(problem.routines(layer)) if k != routine]
    if not rest:
        return None
    layers = list(problem.layers)
    layers[layer] = attrs.evolve(layers[layer], table=len(problem.tables))
    return attrs.evolve(problem, tables=(*problem.tables, RoutineTable("rest", tuple(rest))), layers=tuple(layers))


@pytest.mark.parametrize("seed", range(90))
def test_runners_up_equal_forced_solves(seed: int, make_random: MakeProblem) -> None:
    problem = make_random(seed)
    best = solver("exact")(problem)
    if best.status != "optimal":
        return
    found = runners_up(problem, best)
    assert found is not None
    for entry in found:
        forced = without(problem, entry.layer, best.choice[entry.layer])
        assert entry.chosen == best.choice[entry.layer]
        assert entry.cost == (solver("exact")(forced).cost if forced else math.inf)
        assert entry.loss == entry.cost - best.cost
        assert (entry.routine is None) == (entry.cost == math.inf)


def test_a_long_network(make_chain: MakeProblem) -> None:
    problem = make_chain(300, block=4)
    best = solver("exact")(problem)
    found = runners_up(problem, best)
    assert found is not None
    for entry in found[1:40:13]:
        forced = without(problem, entry.layer, entry.chosen)
        assert forced is not None
        assert entry.cost == solver("exact")(forced).cost


def test_too_wide_gives_none(make_chain: MakeProblem) -> None:
    problem = make_chain(60, block=4)
    best = solver("exact")(problem)
    assert runners_up(problem, best, SolveOptions(table_limit=4)) is None


def test_more_formats_than_sharing_is_exact_for_give_none(
    make_chain: MakeProblem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plan that was found is not lost because dominated routines want a value in still more formats."""
    problem = make_chain(60, block=4)
    best = solver("exact")(problem)
    assert runners_up(problem, best) is not None
    monkeypatch.setattr("plait.passes.selection.build_graph.MAX_TERMINALS", 1)
    assert runners_up(problem, best) is None


def test_only_for_optimal_solutions(make_chain: MakeProblem) -> None:
    problem = make_chain(60, block=4)
    with pytest.raises(ValueError, match="defined for an optimal solution, this one is feasible"):
        runners_up(problem, solver("fastest")(problem))
