"""The exact solver against brute force, and what must hold of every answer."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import attrs
import pytest

from plait.ir.plugins import PluginError
from plait.passes.selection import (
    Problem,
    ProblemBuilder,
    ProblemError,
    Solution,
    SolveOptions,
    check,
    evaluate,
    known_solvers,
    register_solver,
    solver,
)
from plait.passes.selection.build_graph import build_graph
from plait.passes.selection.conversion import Sharing
from plait.passes.selection.elimination import TooWideError, eliminate
from plait.passes.selection.reductions import collapse, reduce

MakeProblem = Callable[..., Problem]
HEURISTICS = ("greedy", "single_format", "fastest")


@pytest.mark.parametrize("seed", range(300))
def test_exact_equals_brute_force(seed: int, make_random: MakeProblem) -> None:
    problem = make_random(seed)
    exact, brute = solver("exact")(problem), solver("brute_force")(problem)
    assert (exact.status, exact.cost) == (brute.status, brute.cost)
    assert exact.status in ("optimal", "infeasible")
    assert exact.bound == exact.cost
    assert check(problem, exact) == check(problem, brute) == ()


@pytest.mark.parametrize("seed", range(150))
def test_heuristics_are_between_bound_and_brute_force(seed: int, make_random: MakeProblem) -> None:
    problem = make_random(seed)
    best = solver("brute_force")(problem)
    for name in HEURISTICS:
        plan = solver(name)(problem)
        assert plan.bound is not None
        assert plan.bound <= best.cost <= plan.cost
        assert plan.found or plan.status == "unknown"
        assert check(problem, plan) == ()


@pytest.mark.parametrize("seed", range(300))
def test_dominance_keeps_the_optimum(seed: int, make_random: MakeProblem) -> None:
    problem = make_random(seed)
    plain = solver("exact")(problem, SolveOptions(dominance=False))
    assert plain.cost == solver("exact")(problem).cost


@pytest.mark.parametrize("limit", [6, 40])
@pytest.mark.parametrize("seed", range(150))
def test_a_small_table_limit_is_honest(seed: int, limit: int, make_random: MakeProblem) -> None:
    problem = make_random(seed)
    best = solver("brute_force")(problem).cost
    answer = solver("exact")(problem, SolveOptions(table_limit=limit))
    assert check(problem, answer) == ()
    assert answer.bound is not None
    if answer.status in ("optimal", "infeasible"):
        assert answer.cost == best
    else:
        assert answer.bound <= best * (1 + 1e-12)
        assert answer.cost >= best


def test_the_core_search_proves_wide_graphs(make_chain: MakeProblem) -> None:
    problem = make_chain(120, block=3, formats=6)
    plain = solver("exact")(problem)
    wide = solver("exact")(problem, SolveOptions(table_limit=100))
    with pytest.raises(TooWideError, match="elimination needs a table"):
        eliminate(build_graph(problem, reduce(problem)), table_limit=100)
    assert wide.status == plain.status == "optimal"
    assert wide.cost == plain.cost


@pytest.mark.parametrize("block", [0, 4])
def test_a_thousand_layers(block: int, make_chain: MakeProblem) -> None:
    problem = make_chain(1000, block=block)
    best = solver("exact")(problem)
    assert best.status == "optimal"
    assert check(problem, best) == ()
    for name in HEURISTICS:
        plan = solver(name)(problem)
        assert plan.bound is not None
        assert plan.bound <= best.cost <= plan.cost


def test_inexact_costs_still_sum_exactly(make_chain: MakeProblem) -> None:
    problem = make_chain(60, block=4)
    tables = tuple(
        attrs.evolve(t, routines=tuple(attrs.evolve(r, cost=math.sqrt(r.cost)) for r in t.routines))
        for t in problem.tables
    )
    problem = attrs.evolve(problem, tables=tables)
    best = solver("exact")(problem)
    costs = [problem.routines(i)[k].cost for i, k in enumerate(best.choice)]
    costs += [problem.adapts[problem.values[v].adapt].cost[a][b] for v, a, b in best.conversions]
    assert math.fsum(costs) == best.cost == math.fsum(reversed(costs))


def test_sharing_modes_are_ordered(make_random: MakeProblem) -> None:
    modes: tuple[Sharing, ...] = ("tree", "star", "none")
    for seed in range(40):
        problem = make_random(seed)
        costs = [solver("exact")(attrs.evolve(problem, sharing=s)).cost for s in modes]
        assert costs == sorted(costs)


def fan_out(sharing: Sharing) -> Problem:
    """One value left as a, wanted as c twice and as b once; a -> b -> c is cheaper than a -> c."""
    build = ProblemBuilder(["a", "b", "c"], sharing=sharing)
    size = build.adapts({("a", "b"): 2.0, ("b", "c"): 1.0, ("a", "c"): 4.0})
    x = build.input("x", "a", size)
    for number, wanted in enumerate("cbc"):
        build.output(f"y{number}", x, wanted)
    return build.build()


@pytest.mark.parametrize(("sharing", "cost"), [("tree", 3.0), ("star", 5.0), ("none", 8.0)])
def test_fan_out_by_hand(sharing: Sharing, cost: float) -> None:
    best = solver("exact")(fan_out(sharing))
    assert best.cost == cost
    if sharing == "tree":
        assert best.conversions == ((0, 0, 1), (0, 1, 2))


def test_ties_go_to_the_first_routine() -> None:
    build = ProblemBuilder(["a"])
    size = build.adapts({})
    x = build.input("x", "a", size)
    table = build.table("t", [build.routine(n, ["a"], ["a"], 2.0) for n in ("one", "two")])
    (y,) = build.layer("l", table, [x], [size])
    build.output("y", y, "a")
    # Not those that need a program or a package which may not be there.
    for name in sorted({*known_solvers()} - {"exec", "toulbar2", "highs"}):
        assert solver(name)(build.build()).choice == (0, 0, 0)


@pytest.mark.parametrize("name", ["exact", *HEURISTICS, "brute_force"])
def test_same_problem_same_answer(name: str, make_random: MakeProblem) -> None:
    for seed in range(20):
        assert solver(name)(make_random(seed)) == solver(name)(make_random(seed))


def test_infeasible_names_the_layers_that_clash() -> None:
    build = ProblemBuilder(["a", "b"])
    size = build.adapts({("a", "b"): 1.0})
    x = build.input("x", "a", size)
    either = build.table("either", [build.routine(f, [f], [f], 1.0) for f in "ab"])
    only_b = build.table("only b", [build.routine("b", ["b"], ["b"], 1.0)])
    (y,) = build.layer("free", either, [x], [size])
    (z,) = build.layer("greedy_b", only_b, [y], [size])
    build.output("fine", x, "b")
    build.output("out", z, "a")
    answer = solver("exact")(build.build())
    assert answer.status == "infeasible"
    assert answer.conflict == ("layer 2 ('greedy_b')", "layer 4 ('out')")
    assert answer.cost == answer.bound == math.inf
    assert "greedy_b" in answer.describe()
    assert solver("greedy")(build.build()).status == "unknown"


def servable(problem: Problem, members: list[int]) -> bool:
    """Whether some routines of these layers can be linked by conversions, other layers left out."""
    links = [
        (producer, q, layer, p, problem.planner(v).distance)
        for v, (producer, q) in enumerate(problem.producers)
        for layer, p in problem.uses[v]
        if producer in members and layer in members
    ]
    for routines in itertools.product(*(problem.routines(i) for i in members)):
        of = dict(zip(members, routines, strict=True))
        if all(math.isfinite(d[of[a].outputs[q], of[b].inputs[p]]) for a, q, b, p, d in links):
            return True
    return False


def test_conflicts_can_not_be_shortened(make_random: MakeProblem) -> None:
    seen = 0
    for seed in range(200):
        problem = make_random(seed)
        answer = solver("exact")(problem)
        if answer.status == "infeasible":
            seen += 1
            labels = [problem.layer_label(i) for i in range(len(problem.layers))]
            members = [labels.index(label) for label in answer.conflict]
            assert members == sorted(members)
            assert not servable(problem, members)
            assert all(servable(problem, [m for m in members if m != out]) for out in members)
    assert seen >= 10


def test_collapse_keeps_the_cheapest_of_each_signature() -> None:
    build = ProblemBuilder(["a", "b"])
    size = build.adapts({})
    x = build.input("x", "a", size)
    routines = [
        build.routine("slow", ["a"], ["a"], 3.0),
        build.routine("fast", ["a"], ["a"], 1.0),
        build.routine("other", ["a"], ["b"], 9.0),
    ]
    build.layer("l", build.table("t", routines), [x], [size])
    assert collapse(build.build())[1] == (1, 2)
    assert reduce(build.build())[1] == (1,)


def test_brute_force_refuses_large_problems(make_chain: MakeProblem) -> None:
    with pytest.raises(ProblemError, match="brute force would try"):
        solver("brute_force")(make_chain(50))


def test_more_neighbours_than_numpy_has_axes() -> None:
    build = ProblemBuilder(["a"])
    x = build.input("x", "a", build.adapts({}))
    for number in range(70):
        build.output(f"y{number}", x, "a")
    assert solver("exact")(build.build()).status == "optimal"


def many_formats(count: int, sharing: Sharing) -> Problem:
    """One value that each of as many uses as formats may want in any of them, all but the source's."""
    names = [f"f{n}" for n in range(count)]
    build = ProblemBuilder(names, sharing=sharing)
    size = build.adapts(
        {(a, b): 1.0 + abs(i - j) / 8 for i, a in enumerate(names) for j, b in enumerate(names) if i != j}
    )
    x = build.input("x", "f0", size)
    for use in range(1, count):
        routines = [build.routine(n, [n], [n], 2.0 * (i != use)) for i, n in enumerate(names[1:], 1)]
        build.layer(f"use{use}", build.table(f"t{use}", routines), [x], [size])
    return build.build()


@pytest.mark.parametrize("sharing", ["tree", "star"])
def test_a_value_wanted_in_very_many_formats_gets_a_plan_and_a_bound(sharing: Sharing) -> None:
    problem = many_formats(18, sharing)
    answer = solver("exact")(problem, SolveOptions(dominance=False))
    assert answer.status == "feasible"
    assert check(problem, answer) == ()
    assert answer.bound is not None
    # Every use alone pays at least a share of the cheapest conversion.
    assert 1.0 <= answer.bound < answer.cost
    # No plan is better than one conversion per use, which is what the routines that cost nothing ask for.
    assert answer.cost <= evaluate(problem, (0, *range(17)))[0]


def test_fewer_formats_are_exact() -> None:
    problem = many_formats(11, "tree")
    plain = solver("exact")(problem, SolveOptions(dominance=False))
    assert plain.status == "optimal"
    assert plain.cost == solver("exact")(problem).cost


@pytest.mark.parametrize("seed", range(90))
def test_the_relaxation_of_wanted_sets_is_a_bound(
    seed: int, make_random: MakeProblem, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = make_random(seed)
    best = solver("brute_force")(problem)
    monkeypatch.setattr("plait.passes.selection.build_graph.MAX_SETS", 0)
    answer = solver("exact")(problem)
    assert check(problem, answer) == ()
    assert answer.bound is not None
    assert answer.bound <= best.cost <= answer.cost
    assert (answer.status == "infeasible") == (best.status == "infeasible")


def test_registry() -> None:
    assert known_solvers()[:4] == ("exact", "greedy", "single_format", "fastest")
    with pytest.raises(ValueError, match="no solver 'best'; known are exact, greedy"):
        solver("best")
    with pytest.raises(
        PluginError, match=r"'exact' is registered by both .*exact:solve \(built in\) and .*fastest:solve"
    ):
        register_solver("exact")(solver("fastest"))


def test_evaluate_says_infinite_when_out_of_reach() -> None:
    build = ProblemBuilder(["a", "b"])
    x = build.input("x", "a", build.adapts({}))
    build.output("y", x, "b")
    assert evaluate(build.build(), (0, 0)) == (math.inf, ())


def test_gap_and_description() -> None:
    plan = Solution((0,), (), 10.0, 9.0, "feasible", "greedy")
    assert plan.gap == pytest.approx(0.1)
    assert "at most 10 %" in plan.describe()
