"""Makespan: rules of the simulation, bounds and search against every plan of small problems."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import get_args

import attrs
import pytest

from plait.passes.selection import Format, Problem, ProblemBuilder, evaluate, solver
from plait.passes.selection.makespan import (
    Timeline,
    Transfers,
    chrome_trace,
    critical_path,
    makespan_bound,
    minimize_makespan,
    simulate,
)

MakeProblem = Callable[..., Problem]


def on_devices(problem: Problem, count: int) -> Problem:
    """The same problem with its formats spread over devices."""
    formats = (attrs.evolve(f, device=number % count) for number, f in enumerate(problem.formats))
    return attrs.evolve(problem, formats=tuple(formats))


def two_branches() -> Problem:
    """x feeds two layers, a on device 0 and b on either; their results are added on device 0."""
    build = ProblemBuilder([Format("cpu", device=0), Format("npu", device=1)])
    size = build.adapts({("cpu", "npu"): 2.0, ("npu", "cpu"): 3.0})
    x = build.input("x", "cpu", size)
    (a,) = build.layer("a", build.table("a", [build.routine("a0", ["cpu"], ["cpu"], 10.0)]), [x], [size])
    both = [build.routine("b0", ["cpu"], ["cpu"], 4.0), build.routine("b1", ["npu"], ["npu"], 5.0)]
    (b,) = build.layer("b", build.table("b", both), [x], [size])
    (s,) = build.layer("sum", build.table("s", [build.routine("s0", ["cpu"] * 2, ["cpu"], 1.0)]), [a, b], [size])
    build.output("y", s, "cpu")
    return build.build()


def test_rules_by_hand() -> None:
    problem = two_branches()
    choice = (0, 0, 1, 0, 0)
    conversions = evaluate(problem, choice)[1]
    both = simulate(problem, choice, conversions, "both")
    # a is issued first, so the transfer to b waits for device 0.
    assert [(t.name, t.kind, t.devices, t.start, t.end) for t in both.tasks] == [
        ("x", "layer", (0,), 0.0, 0.0),
        ("a", "layer", (0,), 0.0, 10.0),
        ("x to npu", "transfer", (0, 1), 10.0, 12.0),
        ("b", "layer", (1,), 12.0, 17.0),
        ("b to cpu", "transfer", (1, 0), 17.0, 20.0),
        ("sum", "layer", (0,), 20.0, 21.0),
        ("y", "layer", (0,), 21.0, 21.0),
    ]
    assert both.busy == {0: 16.0, 1: 10.0} and critical_path(both) == 11.0
    neither = simulate(problem, choice, conversions, "neither")
    assert neither.makespan == 11.0 and neither.busy == {0: 11.0, 1: 5.0}


def test_search_by_hand() -> None:
    problem = two_branches()
    assert solver("exact")(problem).choice[2] == 0
    found = minimize_makespan(problem, transfers="neither")
    assert found.timeline is not None and found.timeline.makespan == 11.0 == found.bound and found.optimal
    assert found.solution.choice[2] == 1 and found.solution.cost == 21.0
    assert (found.solution.status, found.solution.bound) == ("feasible", 15.0)
    alone = minimize_makespan(problem, transfers="both")
    assert alone.timeline is not None and alone.timeline.makespan == 15.0 and alone.solution.status == "optimal"


@pytest.mark.parametrize("seed", range(60))
def test_one_queue_takes_the_sum(seed: int, make_random: MakeProblem) -> None:
    problem = make_random(seed)
    best = solver("exact")(problem)
    if best.found:
        timeline = simulate(problem, best.choice, best.conversions)
        assert timeline.makespan == best.cost
        found = minimize_makespan(problem)
        assert found.timeline is not None and found.timeline.makespan == best.cost and found.solution.cost == best.cost


def valid(timeline: Timeline) -> bool:
    """Whether no device does two things at once, and nothing starts before what it needs."""
    for device in timeline.devices:
        own = [t for t in timeline.tasks if device in t.devices]
        if any(a.end > b.start for a, b in itertools.pairwise(own)):
            return False
    return all(timeline.tasks[w].end <= t.start for t in timeline.tasks for w in t.waits)


@pytest.mark.parametrize("transfers", get_args(Transfers))
def test_against_every_plan(transfers: Transfers, make_random: MakeProblem) -> None:
    tight = met = seen = 0
    for seed in range(60):
        problem = on_devices(make_random(seed), 2)
        counts = [range(len(problem.routines(i))) for i in range(len(problem.layers))]
        if math.prod(map(len, counts)) > 40:
            continue
        best = math.inf
        for choice in itertools.product(*counts):
            cost, conversions = evaluate(problem, choice)
            if math.isfinite(cost):
                timeline = simulate(problem, choice, conversions, transfers)
                assert valid(timeline) and critical_path(timeline) <= timeline.makespan
                assert max(timeline.busy.values()) <= timeline.makespan <= cost
                best = min(best, timeline.makespan)
        found = minimize_makespan(problem, transfers=transfers)
        assert makespan_bound(problem, solver("exact"), transfers) <= found.bound
        assert found.bound <= best * (1 + 1e-12)
        if best == math.inf:
            assert found.timeline is None and found.solution.status == "infeasible"
            continue
        assert found.timeline is not None and found.timeline.makespan >= best
        seen += 1
        met += found.timeline.makespan == best
        tight += found.optimal
    assert seen > 15 and met >= 0.95 * seen and tight >= 0.5 * seen


def test_the_integer_program_tightens_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("scipy")
    build = ProblemBuilder([Format("big", device=0), Format("little", device=1)])
    size = build.adapts({("big", "little"): 0.0, ("little", "big"): 0.0})
    x = build.input("x", "big", size)
    table = build.table(
        "a", [build.routine("b", ["big"], ["big"], 20.0), build.routine("l", ["little"], ["little"], 26.0)]
    )
    for name in ("a", "b"):
        (y,) = build.layer(name, table, [x], [size])
        build.output(f"{name}.out", y, "big")
    problem = build.build()
    found = minimize_makespan(problem)
    assert found.timeline is not None and found.timeline.makespan == 26.0 and found.optimal
    monkeypatch.setattr("plait.passes.selection.makespan.program.available", lambda: False)
    without = minimize_makespan(problem)
    assert without.timeline == found.timeline and without.bound < 24.0 and not without.optimal


def test_longer_networks_gain(make_chain: MakeProblem) -> None:
    problem = on_devices(make_chain(40, block=4), 2)
    best = solver("exact")(problem)
    before = simulate(problem, best.choice, best.conversions)
    found = minimize_makespan(problem)
    assert found.timeline is not None and found.bound <= found.timeline.makespan <= before.makespan
    again = minimize_makespan(problem)
    assert (again.solution, again.bound) == (found.solution, found.bound)


def test_chrome_trace() -> None:
    problem = two_branches()
    choice = (0, 0, 1, 0, 0)
    timeline = simulate(problem, choice, evaluate(problem, choice)[1], "neither")
    events = chrome_trace(problem, timeline)["traceEvents"]
    assert [e["args"]["name"] for e in events if e["ph"] == "M"] == ["device 0", "device 1", "transfers"]
    spans = {e["name"]: (e["tid"], e["ts"], e["dur"]) for e in events if e["ph"] == "X"}
    assert spans["a"] == (0, 0.0, 10.0) and spans["b"] == (1, 2.0, 5.0) and spans["x to npu"] == (2, 0.0, 2.0)
