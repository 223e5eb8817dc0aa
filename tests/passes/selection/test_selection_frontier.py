"""The solvers `frontier` and `highs` against brute force and the exact solver, in all sharing modes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from plait.passes.selection import Problem, ProblemBuilder, ProblemError, SolveOptions, check, solver

MakeProblem = Callable[..., Problem]


def agrees(problem: Problem, name: str) -> str:
    """The solver's status, after checking its answer against the exact one."""
    found, best = solver(name)(problem), solver("exact")(problem)
    assert (found.status, found.cost, found.bound) == (best.status, best.cost, best.bound)
    assert found.solver == name and check(problem, found) == () and found.conflict == best.conflict
    return found.status


def test_frontier_agrees(make_random: MakeProblem) -> None:
    assert {agrees(make_random(seed), "frontier") for seed in range(150)} == {"optimal", "infeasible"}


def test_highs_agrees(make_random: MakeProblem) -> None:
    pytest.importorskip("scipy")
    assert {agrees(make_random(seed), "highs") for seed in range(60)} == {"optimal", "infeasible"}


@pytest.mark.parametrize("block", [0, 4])
def test_chains(block: int, make_chain: MakeProblem) -> None:
    assert agrees(make_chain(200, block=block), "frontier") == "optimal"


def test_too_many_states_become_a_beam(make_chain: MakeProblem) -> None:
    problem = make_chain(60, block=4)
    best = solver("exact")(problem).cost
    found = solver("frontier")(problem, SolveOptions(state_limit=3))
    assert found.status == "feasible" and found.bound is not None
    assert found.bound <= best <= found.cost and check(problem, found) == ()


def test_a_beam_takes_values_with_more_ways_than_it_holds_states() -> None:
    names = [f"f{n}" for n in range(8)]
    b = ProblemBuilder(names)
    size = b.adapts({(f, g): 1.0 for f in names for g in names if f != g})
    x = b.input("x", "f0", size)
    for reader in range(8):
        routines = [b.routine(f, [f], [], abs(n - reader) / 4) for n, f in enumerate(names)]
        b.layer(f"reader{reader}", b.table(f"reader{reader}", routines), [x], [])
    problem = b.build()
    assert agrees(problem, "frontier") == "optimal"
    best = solver("exact")(problem).cost
    # One state, so 16 ways at once; the value has 128.
    found = solver("frontier")(problem, SolveOptions(state_limit=1))
    assert found.status == "feasible" and found.bound is not None
    assert found.bound <= best <= found.cost and check(problem, found) == ()


def test_no_time_becomes_a_beam(make_chain: MakeProblem) -> None:
    problem = make_chain(60, block=4)
    found = solver("frontier")(problem, SolveOptions(time_limit=0.0))
    assert found.found and found.bound is not None and check(problem, found) == ()
    assert found.bound <= solver("exact")(problem).cost <= found.cost


def test_highs_says_what_is_missing(make_chain: MakeProblem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plait.passes.selection.solvers.highs.available", lambda: False)
    with pytest.raises(ProblemError, match="needs SciPy: pip install"):
        solver("highs")(make_chain(5))


def test_highs_ends_in_time(make_chain: MakeProblem) -> None:
    pytest.importorskip("scipy")
    problem = make_chain(60, block=4)
    found = solver("highs")(problem, SolveOptions(time_limit=0.0))
    assert found.bound is not None and found.bound <= solver("exact")(problem).cost
