"""Runners-up and min-marginals against solving again without, or with only, one routine."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import attrs
import pytest

from plait.passes.selection import Problem, Routine, RoutineTable, SolveOptions, solver
from plait.passes.selection.sensitivity import runners_up, sensitivity, sensitivity_to_json

MakeProblem = Callable[..., Problem]


def without(problem: Problem, layer: int, routine: int) -> Problem | None:
    """The problem in which one layer lacks one routine."""
    rest = [r for k, r in enumerate(problem.routines(layer)) if k != routine]
    return replaced(problem, layer, rest) if rest else None


def only(problem: Problem, layer: int, routine: int) -> Problem:
    """The problem in which one layer has one routine."""
    return replaced(problem, layer, [problem.routines(layer)[routine]])


def replaced(problem: Problem, layer: int, rest: list[Routine]) -> Problem:
    """The problem in which one layer has other routines."""
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


@pytest.mark.parametrize("seed", range(60))
def test_every_routine_has_its_min_marginal(seed: int, make_random: MakeProblem) -> None:
    problem = make_random(seed)
    best = solver("exact")(problem)
    if best.status != "optimal":
        return
    for layer in sensitivity(problem, best):
        assert [r.routine for r in layer.routines] == list(range(len(problem.routines(layer.layer))))
        for entry in layer.routines:
            forced = only(problem, layer.layer, entry.routine)
            assert entry.exact
            assert entry.cost == solver("exact")(forced).cost
            assert entry.loss == entry.cost - best.cost
        forced_out = without(problem, layer.layer, best.choice[layer.layer])
        assert layer.margin == (solver("exact")(forced_out).cost if forced_out else math.inf) - best.cost


@pytest.mark.parametrize("seed", range(60))
def test_bounds_of_wide_graphs_are_valid(seed: int, make_random: MakeProblem) -> None:
    problem = make_random(seed)
    best = solver("exact")(problem)
    if best.status != "optimal":
        return
    exact = sensitivity(problem, best)
    bounds = sensitivity(problem, best, SolveOptions(table_limit=1))
    for layer, bound in zip(exact, bounds, strict=True):
        for known, least in zip(layer.routines, bound.routines, strict=True):
            assert best.cost <= least.cost <= known.cost + 1e-9
            if least.exact:
                assert least.cost == known.cost


def test_bounds_say_something(make_chain: MakeProblem) -> None:
    problem = make_chain(60, block=4)
    best = solver("exact")(problem)
    exact = sensitivity(problem, best)
    bounds = sensitivity(problem, best, SolveOptions(table_limit=4))
    assert all(r.exact for layer in exact for r in layer.routines)
    assert not all(r.exact for layer in bounds for r in layer.routines)
    known = sum(r.loss for layer in exact for r in layer.routines)
    least = sum(r.loss for layer in bounds for r in layer.routines)
    assert 0.5 * known <= least <= known + 1e-6


def test_sensitivity_as_json(make_chain: MakeProblem) -> None:
    problem = make_chain(8, block=4)
    best = solver("exact")(problem)
    layers = sensitivity(problem, best)
    body = json.loads(json.dumps(sensitivity_to_json(problem, best, layers)))
    assert body["schema"] == "routine-selection-sensitivity/1"
    assert body["cost"] == best.cost
    assert len(body["layers"]) == len(problem.layers)
    second = body["layers"][1]
    assert second["name"] == problem.layers[1].name
    assert second["margin"] == layers[1].margin
    assert second["routines"][best.choice[1]]["loss"] == 0.0
    assert {r["name"] for r in second["routines"]} == {r.name for r in problem.routines(1)}
    assert body["layers"][0]["margin"] is None  # the input has one routine
