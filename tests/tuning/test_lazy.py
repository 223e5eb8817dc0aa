"""Measuring only what decides: the plan is that of measuring everything, and the certificate holds at every moment."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Mapping, Sequence

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plait.passes.selection import ProblemBuilder, solver
from plait.tuning.costs import Slot
from plait.tuning.lazy import LazySearch, OutOfTime, Standing
from plait.tuning.template import Template

FORMATS = ("a", "b", "c")


def template(rng: random.Random, layers: int, routines: int) -> tuple[Template, int]:
    """A random network: chains with branches that meet again, equal layers among them, and some moved shares."""
    slots = [Slot(-1, 0.0)]
    count = 0

    def slot(share: float = 1.0, entry: int | None = None) -> float:
        nonlocal count
        if entry is None:
            entry, count = count, count + 1
        slots.append(Slot(entry, share))
        return float(len(slots) - 1)

    builder = ProblemBuilder(FORMATS)
    adapts = builder.adapts({pair: slot() for pair in itertools.permutations(FORMATS, 2) if rng.random() < 0.8})
    values = [builder.input("x", "a", adapts)]
    kinds: dict[int, int] = {}
    for number in range(layers):
        arity = rng.choice((1, 1, 2))
        kind = 2 * rng.randrange(max(1, layers // 2)) + arity - 1
        if kind not in kinds:
            rows = []
            for k in range(routines):
                cost = slot(rng.choice((1.0, 1.0, 0.5))) if rng.random() < 0.95 else 0.0
                ports = [rng.choice(FORMATS) for _ in range(arity)]
                rows.append(builder.routine(f"r{k}", ports, [rng.choice(FORMATS)], cost))
            if rng.random() < 0.5:
                # Never a dead end: a routine for every layer in the format of the input.
                rows.append(builder.routine("plain", ["a"] * arity, ["a"], slot()))
            kinds[kind] = builder.table(f"kind {kind}", rows)
        inputs = [rng.choice(values[-3:]) for _ in range(arity)]
        values += builder.layer(f"layer{number}", kinds[kind], inputs, [adapts])
    builder.output("y", values[-1], "a")
    return Template(builder.build(), tuple(slots)), count


@attrs.define
class Known:
    """An oracle that has all the answers, and counts who asks for them."""

    truth: Sequence[float]
    lower: Sequence[float]
    patience: float = math.inf
    error: type[BaseException] = OutOfTime
    asked: list[int] = attrs.field(factory=list)
    limits: dict[int, float] = attrs.field(factory=dict)
    noisy: float = 0.0

    def bounds(self) -> Sequence[float]:
        return self.lower

    def costs(self) -> Mapping[int, float]:
        return {entry: self.truth[entry] for entry in self.asked}

    def noise(self, entry: int) -> float:
        return self.noisy * self.truth[entry]

    def measure(self, entries: Sequence[int], limits_us: Mapping[int, float]) -> None:
        for entry in entries:
            if len(self.asked) >= self.patience:
                raise self.error
            self.asked.append(entry)
        self.limits |= limits_us


def case(seed: int, tightness: float, failures: float = 0.0) -> tuple[Template, list[float], list[float]]:
    rng = random.Random(seed)
    found, count = template(rng, rng.randrange(1, 7), rng.randrange(1, 5))
    truth = [math.inf if rng.random() < failures else rng.uniform(1, 10) for _ in range(count)]
    # Of a routine that fails any bound holds.
    lower = [rng.uniform(0, 5) if math.isinf(t) else t * rng.uniform(tightness, 1) for t in truth]
    return found, truth, lower


def optimum(problem: Template, costs: Sequence[float]) -> float:
    priced = problem.price(costs)
    return math.inf if priced is None else solver("exact")(priced.problem).cost


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6), tightness=st.sampled_from((0.0, 0.5, 0.9, 1.0)), failures=st.sampled_from((0.0, 0.2))
)
def test_the_optimum_is_that_of_measuring_everything(seed: int, tightness: float, failures: float) -> None:
    problem, truth, lower = case(seed, tightness, failures)
    oracle = Known(truth, lower)
    outcome = LazySearch(problem, oracle).run()
    best = optimum(problem, truth)
    assert math.isclose(outcome.standing.best_us, best, rel_tol=1e-9)
    assert not outcome.stopped and len(set(oracle.asked)) == len(oracle.asked)
    if math.isfinite(best):
        assert outcome.standing.gap <= 1e-9


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), patience=st.integers(0, 12), error=st.sampled_from((OutOfTime, KeyboardInterrupt)))
def test_the_bound_holds_whenever_the_search_is_stopped(seed: int, patience: int, error: type[BaseException]) -> None:
    problem, truth, lower = case(seed, 0.3)
    oracle = Known(truth, lower, patience, error)
    outcome = LazySearch(problem, oracle).run()
    best, standing = optimum(problem, truth), outcome.standing
    assert standing.bound_us <= best * (1 + 1e-9)
    assert standing.best_us >= best * (1 - 1e-9) or math.isinf(best)
    assert standing.measured == len(oracle.asked)
    if outcome.stopped:
        assert outcome.stopped == ("time" if error is OutOfTime else "interrupt")
        assert len(oracle.asked) == patience
    else:
        assert math.isinf(best) or standing.gap <= 1e-9


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_time_beyond_its_limit_never_matters(seed: int) -> None:
    """Entries whose measurement ends early may take any longer time, and the optimum is the same."""
    problem, truth, lower = case(seed, 0.3)
    oracle = Known(truth, lower)
    best = LazySearch(problem, oracle).run().standing.best_us
    longer = [t * 10 if entry in oracle.limits and t > oracle.limits[entry] else t for entry, t in enumerate(truth)]
    assert math.isclose(optimum(problem, longer), best, rel_tol=1e-9) or math.isinf(best)


def test_an_interrupt_is_raised_where_it_is_wanted() -> None:
    problem, truth, lower = case(1, 0.3)
    with pytest.raises(KeyboardInterrupt):
        LazySearch(problem, Known(truth, lower, 0, KeyboardInterrupt), interruptible=False).run()


def test_what_is_known_is_not_asked_for_again() -> None:
    problem, truth, lower = case(3, 0.3)
    oracle = Known(truth, lower)
    LazySearch(problem, oracle).run()
    before = list(oracle.asked)
    assert before
    outcome = LazySearch(problem, oracle).run()
    assert oracle.asked == before and outcome.standing.rounds == 1


def chain(*tables: Sequence[tuple[str, str, float]]) -> Template:
    """A chain of layers, each with (format in, format out, slot)."""
    builder = ProblemBuilder(FORMATS)
    adapts = builder.adapts({})
    value = builder.input("x", "a", adapts)
    top = 0
    for number, rows in enumerate(tables):
        routines = [builder.routine(f"r{k}", [i], [o], cost) for k, (i, o, cost) in enumerate(rows)]
        (value,) = builder.layer(f"l{number}", builder.table(str(number), routines), [value], [adapts])
        top = max(top, *(int(cost) for *_, cost in rows))
    builder.output("y", value, "a")
    slots = (Slot(-1, 0.0), *(Slot(entry, 1.0) for entry in range(top)))
    return Template(builder.build(), slots)


def test_only_what_could_be_better_is_measured() -> None:
    problem = chain([("a", "a", 1.0), ("a", "a", 2.0), ("a", "a", 3.0)])
    oracle = Known([5.0, 9.0, 7.0], [4.0, 3.0, 6.0])
    outcome = LazySearch(problem, oracle).run()
    assert oracle.asked == [1, 0]
    assert (outcome.standing.best_us, outcome.standing.bound_us) == (5.0, 5.0)
    # The second was measured with a plan of 9 at hand.
    assert oracle.limits == {0: pytest.approx(1.05 * 9)}


def test_near_ties_are_measured_once_more() -> None:
    problem = chain([("a", "a", 1.0), ("a", "a", 2.0), ("a", "a", 3.0)])
    oracle = Known([5.0, 5.1, 6.0], [1.0, 1.0, 1.0], noisy=0.02)
    outcome = LazySearch(problem, oracle).run()
    assert sorted(oracle.asked) == [0, 0, 1, 1, 2]
    assert outcome.repeated == 2
    # Those that were known before the search have been through this.
    before = list(oracle.asked)
    assert LazySearch(problem, oracle).run().repeated == 0 and oracle.asked == before


def test_the_watcher_sees_bounds_rise_and_plans_improve() -> None:
    seen: list[Standing] = []
    problem, truth, lower = case(17, 0.2)
    LazySearch(problem, Known(truth, lower), seen.append).run()
    assert len(seen) > 1
    assert all(a.bound_us <= b.bound_us + 1e-9 and a.best_us >= b.best_us for a, b in itertools.pairwise(seen))


def test_networks_that_nothing_can_run() -> None:
    problem = chain([("a", "b", 1.0)])
    outcome = LazySearch(problem, Known([1.0], [0.5])).run()
    assert (outcome.standing.best_us, outcome.standing.measured) == (math.inf, 0)
