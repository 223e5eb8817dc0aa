"""Budgets: against every plan of small problems, with and without an integer program, and rules of use."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest

from plait.passes.selection import (
    Adapts,
    Budget,
    Format,
    Problem,
    ProblemBuilder,
    ProblemError,
    Solution,
    SolveOptions,
    check,
    objective,
    problem_from_json,
    problem_to_json,
    solution_from_json,
    solution_to_json,
    solver,
)
from plait.passes.selection.budgets import pareto_front, solve_budgeted
from plait.passes.selection.budgets.lagrange import curve
from plait.passes.selection.budgets.relaxation import Relaxation
from plait.passes.selection.budgets.usage import allowed, memory_by_step, usage
from plait.passes.selection.solution import Conversion, evaluate

MakeProblem = Callable[..., Problem]


def with_resources(problem: Problem, seed: int) -> Problem:
    """The same graph with energy, workspaces and sizes; all amounts are multiples of 1/8."""
    rng = random.Random(seed)
    count = len(problem.formats)
    formats = tuple(Format(f.name, 0, rng.choice([1, 2, 4])) for f in problem.formats)
    tables = tuple(
        attrs.evolve(
            t,
            routines=tuple(
                attrs.evolve(
                    r, resources={"energy": rng.randint(0, 80) / 8, "memory": float(rng.choice([0, 0, 8, 40]))}
                )
                for r in t.routines
            ),
        )
        for t in problem.tables
    )
    adapts = tuple(
        Adapts(
            a.cost,
            {
                "energy": tuple(
                    tuple(0.0 if f == g else rng.randint(0, 40) / 8 for g in range(count)) for f in range(count)
                )
            },
        )
        for a in problem.adapts
    )
    values = tuple(attrs.evolve(v, elements=rng.randint(1, 9)) for v in problem.values)
    return attrs.evolve(problem, formats=formats, tables=tables, adapts=adapts, values=values, sharing="tree")


def trees(problem: Problem, value: int, source: int, wanted: frozenset[int]) -> Iterator[tuple[Conversion, ...]]:
    """Every set of conversions, in executable order, that starts at a source, doubles nothing and serves all wishes."""
    cost = problem.adapts[problem.values[value].adapt].cost

    def grow(have: frozenset[int], steps: tuple[Conversion, ...]) -> Iterator[tuple[Conversion, ...]]:
        if wanted <= have:
            yield steps
        for f, g in itertools.product(sorted(have), range(len(cost))):
            if g not in have and math.isfinite(cost[f][g]):
                yield from grow(have | {g}, (*steps, (value, f, g)))

    yield from {tuple(sorted(s)): s for s in grow(frozenset({source}), ())}.values()


def every_plan(problem: Problem) -> Iterator[tuple[tuple[int, ...], tuple[Conversion, ...]]]:
    """All choices with all their conversions."""
    counts = [range(len(problem.routines(i))) for i in range(len(problem.layers))]
    for choice in itertools.product(*counts):
        ways = []
        for value, (layer, port) in enumerate(problem.producers):
            source = problem.routines(layer)[choice[layer]].outputs[port]
            wanted = frozenset(problem.routines(i)[choice[i]].inputs[p] for i, p in problem.uses[value])
            ways.append(list(trees(problem, value, source, wanted)) if wanted else [()])
        for parts in itertools.product(*ways):
            yield choice, tuple(itertools.chain.from_iterable(parts))


def brute_force(problem: Problem) -> float:
    """The least cost of a plan that keeps the budgets."""
    best = math.inf
    for choice, conversions in every_plan(problem):
        cost = objective(problem, choice, conversions)
        if cost < best:
            used = usage(problem, choice, conversions)
            if all(u <= allowed(b) for b, u in zip(problem.budgets, used, strict=True)):
                best = cost
    return best


def small(make_random: MakeProblem, seed: int) -> Problem | None:
    """A problem of few enough plans to try them all, feasible without budgets; None for the other seeds."""
    problem = make_random(seed)
    plans = math.prod(len(problem.routines(i)) for i in range(len(problem.layers)))
    if len(problem.formats) > 3 or plans > 60:
        return None
    problem = with_resources(problem, seed)
    return problem if solver("exact")(problem).found else None


def limited(problem: Problem, rng: random.Random, kinds: tuple[tuple[str, str], ...]) -> Problem:
    """Budgets somewhat below what the cheapest plan uses: mostly within reach."""
    free = solver("exact")(problem)
    budgets = []
    for resource, kind in kinds:
        (used,) = usage(attrs.evolve(problem, budgets=(Budget(resource, kind, 0.0),)), free.choice, free.conversions)
        budgets.append(Budget(resource, kind, round(used * rng.choice([0.5, 0.7, 0.85, 0.95, 1.0]) * 8) / 8))
    return attrs.evolve(problem, budgets=tuple(budgets))


KINDS = [
    (("energy", "sum"),),
    (("memory", "peak"),),
    (("energy", "sum"), ("memory", "peak")),
    (("energy", "sum"), ("memory", "sum")),
]


def cases(make_random: MakeProblem, kinds: tuple[tuple[str, str], ...], count: int) -> Iterator[Problem]:
    found = (problem for seed in range(10_000) if (problem := small(make_random, seed)) is not None)
    for number, problem in enumerate(itertools.islice(found, count)):
        yield limited(problem, random.Random(number), kinds)


@pytest.mark.parametrize("kinds", KINDS, ids=lambda k: "+".join("-".join(x) for x in k))
def test_optimal_against_every_plan(kinds: Any, make_random: MakeProblem) -> None:
    if len(kinds) > 1 or kinds[0][1] == "sum":
        pytest.importorskip("scipy")
    outcomes = set()
    for problem in cases(make_random, kinds, 40):
        best, found = brute_force(problem), solver("exact")(problem)
        outcomes.add(found.status)
        if best == math.inf:
            assert found.status == "infeasible", found
            assert found.reason or found.conflict
        else:
            assert (found.status, found.cost, found.bound) == ("optimal", best, best)
            assert check(problem, found) == ()
    assert outcomes == {"optimal", "infeasible"}


@pytest.mark.parametrize("kinds", KINDS, ids=lambda k: "+".join("-".join(x) for x in k))
def test_without_scipy_answers_are_valid(kinds: Any, make_random: MakeProblem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plait.passes.selection.budgets.solve.available", lambda: False)
    for problem in cases(make_random, kinds, 40):
        best, found = brute_force(problem), solver("exact")(problem)
        assert found.bound is not None and found.bound <= best * (1 + 1e-12) + 1e-12
        if found.found:
            assert found.cost >= best and check(problem, found) == ()
            assert found.status == "feasible" or found.cost == best
        if len(kinds) == 1:
            # One sum, or memory alone, is always answered.
            assert found.found == (best < math.inf) and (found.found or found.status == "infeasible")


@pytest.mark.parametrize("kinds", KINDS[:3], ids=lambda k: "+".join("-".join(x) for x in k))
def test_without_time_answers_are_valid(kinds: Any, make_random: MakeProblem) -> None:
    for problem in cases(make_random, kinds, 10):
        best, found = brute_force(problem), solver("exact")(problem, SolveOptions(time_limit=0.0))
        assert found.bound is not None and found.bound <= best * (1 + 1e-12) + 1e-12
        assert found.cost >= best and check(problem, found) == ()


def test_the_integer_program_alone(make_random: MakeProblem, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("scipy")
    monkeypatch.setattr("plait.passes.selection.budgets.solve.summed_resources", lambda problem: ("none",))
    for problem in cases(make_random, KINDS[1], 25):
        best, found = brute_force(problem), solver("exact")(problem)
        assert found.cost == best and found.status == ("infeasible" if best == math.inf else "optimal")


def hull(points: list[tuple[float, float]], at: float) -> float:
    """The lower convex hull of (use, cost) at a use: the least mixture of a point below it and one above."""
    below = [p for p in points if p[0] <= at]
    above = [p for p in points if p[0] > at]
    mixed = [b[1] + (a[1] - b[1]) * (at - b[0]) / (a[0] - b[0]) for b in below for a in above]
    return min([*mixed, *(p[1] for p in below)], default=math.inf)


def test_curve_is_the_convex_hull(make_random: MakeProblem) -> None:
    corners = 0
    for problem in cases(make_random, KINDS[0], 30):
        bound, plans, _ = curve(Relaxation(problem, solver("exact")))
        cheapest: dict[float, float] = {}
        for choice, conversions in every_plan(problem):
            (used,), cost = usage(problem, choice, conversions), objective(problem, choice, conversions)
            cheapest[used] = min(cost, cheapest.get(used, math.inf))
        assert bound == pytest.approx(hull(list(cheapest.items()), problem.budgets[0].limit), rel=1e-9)
        assert all(cheapest[p.amounts[0]] <= p.cost for p in plans)
        corners = max(corners, len({p.amounts for p in plans}))
    assert corners > 2


def test_conversions_are_chosen_by_what_they_use() -> None:
    build = ProblemBuilder(["a", "b", "c"])
    size = build.adapts({("a", "c"): 1.0, ("a", "b"): 2.0, ("b", "c"): 2.0})
    x = build.input("x", "a", size)
    build.output("y", x, "c")
    problem = build.build()
    energy = ((0.0, 1.0, 9.0), (1.0, 0.0, 1.0), (1.0, 1.0, 0.0))
    adapts = (Adapts(problem.adapts[0].cost, {"energy": energy}),)
    problem = attrs.evolve(problem, adapts=adapts, budgets=(Budget("energy", "sum", 5.0),))
    found = solver("exact")(problem)
    # The direct conversion is cheaper, and uses too much.
    assert found.conversions == ((0, 0, 1), (0, 1, 2)) and found.cost == 4.0
    body = solution_to_json(problem, found)
    assert body["conversions"] == [[0, 0, 1], [0, 1, 2]]
    assert solution_from_json(problem, body) == found
    assert check(problem, attrs.evolve(found, conversions=((0, 0, 2),), cost=1.0, bound=None)) == (
        "budget energy/sum: it uses 9, the limit is 5",
    )


def test_memory_by_step() -> None:
    build = ProblemBuilder([Format("a", 0, 4), Format("b", 0, 2)])
    size = build.adapts({("a", "b"): 1.0, ("b", "a"): 1.0})
    x = build.input("x", "a", size, elements=10)
    conv = build.table("conv", [build.routine("r", ["b"], ["b"], 1.0, resources={"memory": 7.0})])
    y = build.value(size, elements=5)
    build.place("conv", conv, [x], [y])
    build.output("y", y, "a")
    problem = attrs.evolve(build.build(), budgets=(Budget("memory", "peak", 97.0),))
    found = solver("exact")(problem)
    # x in both formats takes 60, y in both 30, the workspace 7; y lives from the step that makes it.
    assert memory_by_step(problem, found.choice, found.conversions) == [60.0, 97.0, 30.0]
    assert found.status == "optimal"
    tight = solver("exact")(attrs.evolve(problem, budgets=(Budget("memory", "peak", 96.0),)))
    assert tight.status == "infeasible"
    assert tight.describe() == "infeasible: no plan keeps memory at layer 1 ('conv') within 96"


def test_infeasible_sums_say_how_much_is_needed(make_random: MakeProblem) -> None:
    problem = next(cases(make_random, KINDS[0], 1))
    problem = attrs.evolve(problem, budgets=(Budget("energy", "sum", -1.0),))
    found = solver("exact")(problem)
    least = min(usage(problem, c, v)[0] for c, v in every_plan(problem))
    assert found.describe() == f"infeasible: every plan uses at least {least:.9g} of energy, the budget is -1"
    again = problem_from_json(problem_to_json(problem))
    assert solution_from_json(again, solution_to_json(again, found)) == found


def test_budgets_need_trees(make_random: MakeProblem) -> None:
    problem = attrs.evolve(next(cases(make_random, KINDS[0], 1)), sharing="star")
    with pytest.raises(ProblemError, match="budgets need sharing tree, this problem has star"):
        solve_budgeted(problem)


def dominated(front: list[tuple[float, float, Solution]]) -> bool:
    return any(a[0] >= b[0] or a[1] <= b[1] for a, b in itertools.pairwise(front))


@pytest.mark.parametrize("resource", ["energy", "memory"])
def test_pareto_front(resource: str, make_random: MakeProblem) -> None:
    pytest.importorskip("scipy")
    lengths = set()
    for problem in cases(make_random, KINDS[0], 12):
        front = pareto_front(attrs.evolve(problem, budgets=()), resource, 5)
        assert front and not dominated(front) and len(front) <= 5
        assert front[0][0] == solver("exact")(attrs.evolve(problem, budgets=())).cost
        kind = "peak" if resource == "memory" else "sum"
        for cost, used, solution in front:
            budgeted = attrs.evolve(problem, budgets=(Budget(resource, kind, used),))
            assert usage(budgeted, solution.choice, solution.conversions) == (used,)
            assert cost == brute_force(budgeted)
        lengths.add(len(front))
    assert max(lengths) > 2


def without_use_of_conversions(problem: Problem, limit: float | None = None) -> Problem:
    """The problem whose conversions use no energy, of which routines may use so much."""
    adapts = tuple(attrs.evolve(a, resources={}) for a in problem.adapts)
    budgets = () if limit is None else (Budget("energy", "sum", limit),)
    return attrs.evolve(problem, adapts=adapts, budgets=budgets)


@pytest.mark.parametrize("seed", [0, 2, 3, 4, 5, 7, 10, 11])
def test_many_formats_are_exact_where_conversions_use_nothing(seed: int, make_random: MakeProblem) -> None:
    pytest.importorskip("scipy")
    free = without_use_of_conversions(with_resources(make_random(seed), seed))
    # Formats that nothing has are beyond what all sets of copies are listed for.
    more = 12 - len(free.formats)
    wide = attrs.evolve(
        free,
        formats=(*free.formats, *(Format(f"more{n}") for n in range(more))),
        adapts=tuple(_widened(a, more) for a in free.adapts),
    )
    used = []
    plans = []
    for choice in itertools.product(*(range(len(free.routines(i))) for i in range(len(free.layers)))):
        cost, conversions = evaluate(free, choice)
        if math.isfinite(cost):
            used.append(usage(without_use_of_conversions(free, 1e9), choice, conversions)[0])
            plans.append(cost)
    for limit in (sorted(used)[len(used) // 10], sorted(used)[len(used) // 2]):
        found = solve_budgeted(without_use_of_conversions(wide, limit))
        assert found.status == "optimal"
        assert found.cost == pytest.approx(min(c for c, u in zip(plans, used, strict=True) if u <= limit), rel=1e-9)


def _widened(adapts: Adapts, more: int) -> Adapts:
    count = len(adapts.cost)
    rows = [(*row, *[math.inf] * more) for row in adapts.cost]
    rows += [tuple(0.0 if f == g else math.inf for g in range(count + more)) for f in range(count, count + more)]
    return Adapts(tuple(rows))
