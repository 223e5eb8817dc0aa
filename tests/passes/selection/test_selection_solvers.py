"""Every solver against brute force, and what each of them promises."""

from __future__ import annotations

import math
from collections.abc import Callable

import attrs
import pytest

from plait.passes.selection import (
    Problem,
    ProblemBuilder,
    ProblemError,
    Solution,
    SolveOptions,
    check,
    known_solvers,
    solver,
)
from plait.passes.selection.build_graph import build_graph
from plait.passes.selection.conversion import SHARING_MODES
from plait.passes.selection.ordering import find_order
from plait.passes.selection.problem import Budget
from plait.passes.selection.reductions import reduce
from plait.passes.selection.solvers import solver_owner

MakeProblem = Callable[..., Problem]

# What needs a package or a command that may not be there has tests of its own.
ELSEWHERE = ("exact", "brute_force", "toulbar2", "exec", "highs", "frontier")
VARIANTS = (
    "pbqp{graph=pairwise}",
    "beam{width=0}",
    "beam{width=2}",
    "coordinate_descent{passes=1}",
    "annealing{moves=50,seed=3,heat=0.1}",
    "annealing{moves=0}",
    "lns{size=2}",
    "lns{size=3,passes=1,seed=5}",
    "min_sum{damping=0}",
    "greedy{bound_sweeps=20}",
    "min_sum{bound_sweeps=5}",
    "beam{width=2,bound_sweeps=20}",
    "min_sum{rounds=1,damping=0.9}",
)
BUILT_IN = (
    "greedy",
    "single_format",
    "fastest",
    "chain_dp",
    "path_dp",
    "pbqp",
    "beam",
    "coordinate_descent",
    "annealing",
    "lns",
    "min_sum",
)

QUICK = {"annealing": "annealing{moves=200}"}


@pytest.fixture(scope="module")
def solved(make_random: MakeProblem) -> list[tuple[Problem, Solution]]:
    """Random problems with the answers of brute force."""
    return [(problem, solver("brute_force")(problem)) for problem in map(make_random, range(90))]


@pytest.mark.parametrize("text", [*(QUICK.get(n, n) for n in BUILT_IN), *VARIANTS])
def test_answers_are_between_bound_and_brute_force(text: str, solved: list[tuple[Problem, Solution]]) -> None:
    solve, seen = solver(text), set()
    for seed, (problem, best) in enumerate(solved):
        answer = solve(problem)
        assert check(problem, answer) == (), seed
        assert answer.bound is not None
        assert answer.bound <= best.cost * (1 + 1e-12) <= answer.cost * (1 + 1e-12), seed
        if answer.status == "optimal":
            assert answer.cost == best.cost, seed
        if answer.status == "infeasible":
            assert best.status == "infeasible" and answer.conflict, seed
        assert solve(problem) == answer, seed
        seen.add(answer.status)
    assert {"optimal"} < seen


@pytest.mark.parametrize("text", ["beam{width=0}", "lns{size=6}", "beam{width=1000,dominance=false}"])
def test_exact_with_everything_kept(text: str, make_random: MakeProblem) -> None:
    for seed in range(60):
        problem = make_random(seed)
        best, answer = solver("exact")(problem), solver(text)(problem)
        assert (answer.status, answer.cost, answer.bound) == (best.status, best.cost, best.bound), seed


@pytest.mark.parametrize("sharing", SHARING_MODES)
@pytest.mark.parametrize(
    "text", ["chain_dp", "path_dp", "pbqp", "pbqp{graph=pairwise}", "beam{width=0}", "lns{size=99}"]
)
def test_exact_on_chains(text: str, sharing: str, make_chain: MakeProblem) -> None:
    for seed in range(4):
        problem = attrs.evolve(make_chain(30, seed=seed), sharing=sharing)
        answer = solver(text)(problem)
        assert (answer.status, answer.cost) == ("optimal", solver("exact")(problem).cost)


def test_min_sum_finds_the_optimum_of_chains(make_chain: MakeProblem) -> None:
    for seed in range(4):
        problem = make_chain(30, seed=seed)
        answer = solver("min_sum{damping=0,rounds=2}")(problem)
        assert answer.cost == pytest.approx(solver("exact")(problem).cost, rel=1e-12)


def test_pbqp_is_exact_up_to_width_two(make_random: MakeProblem) -> None:
    narrow = 0
    for seed in range(120):
        problem = make_random(seed)
        graph = build_graph(problem, reduce(problem))
        if find_order(graph.sizes, graph.ties()).width <= 2:
            narrow += 1
            answer = solver("pbqp")(problem)
            assert answer.status in ("optimal", "infeasible"), seed
    assert narrow > 100


def test_pbqp_is_exact_on_residual_networks(make_chain: MakeProblem) -> None:
    problem = make_chain(200, block=4)
    assert solver("pbqp")(problem).status == "optimal"
    assert solver("pbqp")(problem).cost == solver("exact")(problem).cost


def test_a_wider_beam_is_no_worse_and_bounds_better(make_chain: MakeProblem) -> None:
    problem = make_chain(60, block=3, formats=6)
    narrow, wide = solver("beam{width=1}")(problem), solver("beam{width=64}")(problem)
    assert wide.cost <= narrow.cost
    assert narrow.bound is not None and wide.bound is not None and narrow.bound <= wide.bound
    assert narrow.status == "feasible"


def test_local_searches_improve_on_their_start(make_chain: MakeProblem) -> None:
    problem = make_chain(60, block=3, formats=6)
    start = min(solver(name)(problem).cost for name in ("greedy", "single_format"))
    descent = solver("coordinate_descent")(problem).cost
    assert descent < start
    assert solver("annealing{moves=3000}")(problem).cost <= descent
    assert solver("lns{size=10}")(problem).cost < descent


def test_the_dual_bound_proves_plans(make_chain: MakeProblem) -> None:
    problem = make_chain(60, block=3, formats=6)
    best, plain = solver("exact")(problem), solver("lns{size=20}")(problem)
    proven = solver("lns{size=20,bound_sweeps=50}")(problem)
    assert (plain.status, plain.choice) == ("feasible", proven.choice)
    assert plain.bound is not None and proven.bound is not None
    assert plain.bound < 0.9 * best.cost
    assert best.cost * (1 - 1e-6) <= proven.bound <= best.cost
    small = make_chain(60, block=3)
    assert solver("lns{size=20,bound_sweeps=50}")(small).status == "optimal"
    assert solver("greedy{bound_sweeps=1}")(make_chain(60)).bound == pytest.approx(solver("exact")(make_chain(60)).cost)


def test_annealing_depends_on_the_seed_alone(make_chain: MakeProblem) -> None:
    problem = make_chain(40, block=3, formats=6)
    plans = [solver(f"annealing{{moves=500,seed={seed}}}")(problem).choice for seed in (0, 1, 0)]
    assert plans[0] == plans[2] != plans[1]


def fork(sharing: str) -> Problem:
    """A layer that can leave its value in a or in b, for one reader of a that gains much and two of b that gain less.

    Path recursion asks the last reader alone how the layer should leave it; the sum over readers decides otherwise.
    """
    build = ProblemBuilder(["a", "b"], sharing=sharing)  # type: ignore[arg-type]
    size = build.adapts({("a", "b"): 3.0, ("b", "a"): 3.0})
    x = build.input("x", "a", size)
    either = build.table("either", [build.routine(f, ["a"], [f], 1.0) for f in "ab"])
    (v,) = build.layer("fork", either, [x], [size])
    build.output("one", v, "a")
    build.output("two", v, "a")
    build.output("last", v, "b")
    return build.build()


@pytest.mark.parametrize("name", ["chain_dp", "path_dp"])
def test_recursions_ask_the_last_reader(name: str) -> None:
    problem = fork("none")
    answer = solver(name)(problem)
    assert (answer.status, answer.cost) == ("feasible", 7.0)
    assert solver("exact")(problem).cost == 4.0


def test_chain_dp_does_not_see_second_inputs() -> None:
    build = ProblemBuilder(["a", "b"])
    size = build.adapts({("a", "b"): 3.0, ("b", "a"): 3.0})
    x, y = build.input("x", "a", size), build.input("y", "a", size)
    either = build.table("either", [build.routine("in a", ["a"], ["a"], 2.0), build.routine("in b", ["a"], ["b"], 1.0)])
    (z,) = build.layer("branch", either, [y], [size])
    both = build.table("join", [build.routine("join", ["a", "a"], ["a"], 1.0)])
    (out,) = build.layer("join", both, [x, z], [size])
    build.output("out", out, "a")
    problem = build.build()
    assert solver("chain_dp")(problem).cost == 5.0
    assert solver("path_dp")(problem).cost == solver("exact")(problem).cost == 3.0


def test_pairwise_methods_do_not_see_shared_conversions() -> None:
    """Two readers of b: making it costs 3 once (tree) or twice (as pairwise methods think)."""
    build = ProblemBuilder(["a", "b"])
    size = build.adapts({("a", "b"): 3.0})
    x = build.input("x", "a", size)
    for n in range(2):
        table = build.table("reader", [build.routine("a", ["a"], [], 2.5), build.routine("b", ["b"], [], 0.5)])
        build.layer(f"reader{n}", table, [x], [])
    problem = build.build()
    assert solver("pbqp{graph=pairwise}")(problem).cost == 5.0
    assert solver("pbqp")(problem).cost == solver("exact")(problem).cost == 4.0


@pytest.mark.parametrize("name", [n for n in BUILT_IN if n != "fastest"])
def test_a_thousand_layers(name: str, make_chain: MakeProblem) -> None:
    problem = make_chain(1000, block=5)
    quick = QUICK | {"beam": "beam{width=16}", "min_sum": "min_sum{rounds=2}"}
    answer = solver(quick.get(name, name))(problem)
    assert answer.found and check(problem, answer) == ()
    assert answer.cost >= solver("exact")(problem).cost


def test_every_built_in_solver_is_tested() -> None:
    ours = {name for name in known_solvers() if solver_owner(name) == "plait"}
    assert {*BUILT_IN} <= ours <= {*BUILT_IN, *ELSEWHERE}


@pytest.mark.parametrize("name", BUILT_IN)
def test_budgets_are_refused(name: str, make_chain: MakeProblem) -> None:
    problem = attrs.evolve(make_chain(5), budgets=(Budget("energy", "sum", 1.0),))
    with pytest.raises(ProblemError, match="does not honour budgets"):
        solver(name)(problem)


def test_dead_ends_are_unknown_and_proofs_infeasible() -> None:
    build = ProblemBuilder(["a", "b"])
    size = build.adapts({})
    x = build.input("x", "a", size)
    build.output("y", x, "b")
    problem = build.build()
    for name in ("pbqp", "beam", "lns", "chain_dp", "path_dp"):
        answer = solver(name)(problem)
        assert (answer.status, answer.conflict) == ("infeasible", ("layer 0 ('x')", "layer 1 ('y')")), name
    for name in ("coordinate_descent", "annealing", "min_sum"):
        answer = solver(name)(problem, SolveOptions())
        assert (answer.status, answer.cost) == ("unknown", math.inf), name
