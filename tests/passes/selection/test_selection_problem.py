"""Messages of malformed problems, the builder, and the checks on solutions."""

from __future__ import annotations

import math
import re
from typing import Any

import attrs
import pytest

from plait.passes.selection import (
    Adapts,
    Budget,
    Format,
    LayerSpec,
    Problem,
    ProblemBuilder,
    ProblemError,
    Routine,
    RoutineTable,
    ValueSpec,
    check,
    solver,
)
from plait.passes.selection.conversion import Sharing


def small() -> Problem:
    """input(a) -> relu(b -> b) -> output(a)."""
    build = ProblemBuilder(["a", "b"])
    size = build.adapts({("a", "b"): 3.0, ("b", "a"): 2.0})
    x = build.input("x", "a", size)
    (y,) = build.layer("relu", build.table("relu 8", [build.routine("vec", ["b"], ["b"], 1.5)]), [x], [size])
    build.output("y", y, "a")
    return build.build()


def routine(**changes: Any) -> dict[str, Any]:
    """Tables of ``small`` with the relu's only routine changed."""
    tables = list(small().tables)
    tables[1] = RoutineTable("relu 8", (attrs.evolve(tables[1].routines[0], **changes),))
    return {"tables": tuple(tables)}


def layer(number: int, **changes: Any) -> dict[str, Any]:
    """Layers of ``small`` with one changed."""
    layers = list(small().layers)
    layers[number] = attrs.evolve(layers[number], **changes)
    return {"layers": tuple(layers)}


MALFORMED: list[tuple[dict[str, Any], str]] = [
    ({"sharing": "all"}, "sharing: is 'all', wanted one of none, star, tree"),
    ({"formats": (Format("a"), Format("a"))}, "formats[1].name: 'a' is also the name of format 0"),
    ({"formats": (Format("a"), Format("b", 0, -1))}, "formats[1].bytes: is -1, wanted a number >= 0"),
    ({"adapts": (Adapts(((0.0,),)),)}, "adapts[0].cost: has 1 rows, wanted 2, one per format"),
    ({"adapts": (Adapts(((0.0, 1.0), (0.0,))),)}, "adapts[0].cost[1]: has 1 entries, wanted 2, one per format"),
    ({"adapts": (Adapts(((0.0, -1.0), (1.0, 0.0))),)}, "adapts[0].cost[0][1]: is -1.0, wanted a number >= 0 or null"),
    ({"adapts": (Adapts(((0.0, math.nan), (1.0, 0.0))),)}, "adapts[0].cost[0][1]: is nan, wanted a number >= 0"),
    ({"adapts": (Adapts(((1.0, 1.0), (1.0, 0.0))),)}, "adapts[0].cost[0][0]: is 1.0, wanted 0 from a format to itself"),
    (
        {"adapts": (Adapts(((0.0, 1.0), (1.0, 0.0)), {"energy": ((0.0,),)}),)},
        "adapts[0].res.energy: has 1 rows, wanted 2",
    ),
    ({"values": (ValueSpec(0), ValueSpec(4))}, "values[1].adapt: adapts 4 does not exist (there are 1)"),
    ({"values": (ValueSpec(0), ValueSpec(0, -1))}, "values[1].elements: is -1, wanted a number >= 0"),
    ({"values": (ValueSpec(0),) * 3}, "values[2]: no layer makes it"),
    (routine(cost=math.inf), "tables[1].routines[0].cost: is inf, wanted a finite number >= 0"),
    (routine(inputs=(7,)), "tables[1].routines[0].in[0]: format 7 does not exist (there are 2)"),
    (routine(outputs=(-1,)), "tables[1].routines[0].out[0]: format -1 does not exist (there are 2)"),
    (
        routine(outputs=()),
        "layers[1]: it has 1 outputs, but routine 0 ('vec') of table 1 has formats for 0",
    ),
    (routine(resources={"energy": math.nan}), "tables[1].routines[0].res.energy: is nan, wanted a finite number"),
    (routine(resources={"memory": -1.0}), "tables[1].routines[0].res.memory: is -1.0, wanted a number >= 0"),
    (layer(1, table=9), "layers[1].table: table 9 does not exist (there are 3)"),
    (layer(1, inputs=(9,)), "layers[1].inputs[0]: value 9 does not exist (there are 2)"),
    (layer(0, table=1, inputs=(1,)), "layers[0].inputs[0]: value 1 is not made by an earlier layer"),
    (layer(1, outputs=(5,)), "layers[1].outputs[0]: value 5 does not exist (there are 2)"),
    (layer(1, outputs=(0,)), "layers[1].outputs[0]: value 0 is already made by layer 0 ('x')"),
    ({"budgets": (Budget("energy", "peak", 1.0),)}, "budgets[0].resource: is 'energy', but peak budgets are for mem"),
    ({"budgets": (Budget("energy", "mean", 1.0),)}, "budgets[0].kind: is 'mean', wanted sum or peak"),
    ({"budgets": (Budget("energy", "sum", math.inf),)}, "budgets[0].limit: is inf, wanted a finite number"),
]


@pytest.mark.parametrize(("changes", "message"), MALFORMED)
def test_malformed_problems_say_what_is_wrong(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ProblemError, match=re.escape(message)):
        attrs.evolve(small(), **changes)


def test_a_table_without_routines_is_refused() -> None:
    tables = (*small().tables[:1], RoutineTable("relu 8", ()), *small().tables[2:])
    with pytest.raises(ProblemError, match=r"layers\[1\].table: table 1 \('relu 8'\) has no routine"):
        attrs.evolve(small(), tables=tables)


def test_budgets_are_refused_rather_than_ignored() -> None:
    problem = attrs.evolve(small(), budgets=(Budget("memory", "peak", 1.0),))
    with pytest.raises(ProblemError, match=r"solver 'greedy' does not honour budgets \(memory/peak\)"):
        solver("greedy")(problem)


def test_producers_and_uses() -> None:
    problem = small()
    assert problem.producers == ((0, 0), (1, 0))
    assert problem.uses == (((1, 0),), ((2, 0),))


def test_builder_shares_tables_and_conversions() -> None:
    build = ProblemBuilder([Format("a", device=1), "b"], unit="ms", name="net")
    assert build.adapts({("a", "b"): 1.0}) == build.adapts({("a", "b"): 1})
    vec = build.routine("vec", ["a"], ["b"], 2.0, std=0.1, samples=5)
    assert vec == Routine("vec", (0,), (1,), 2.0, 0.1, 5)
    number = build.table("relu", [vec])
    assert build.has_table("relu")
    assert number == build.table("relu", [vec]) == build.table_index("relu")
    with pytest.raises(ProblemError, match="table 'relu' is given twice with different routines"):
        build.table("relu", [])
    with pytest.raises(ProblemError, match="unknown format 'c'; known are a, b"):
        build.routine("vec", ["c"], [], 1.0)
    with pytest.raises(ProblemError, match="no table for signature 'conv'"):
        build.table_index("conv")
    problem = build.build()
    assert (problem.unit, problem.name, problem.formats[0].device) == ("ms", "net", 1)


def test_builder_places_layers_over_given_values() -> None:
    build = ProblemBuilder(["a"])
    size = build.adapts({})
    x, y = build.value(size, elements=8), build.value(size, elements=4)
    split = build.table("split", [build.routine("r", [], ["a", "a"], 1.0)])
    build.place("split", split, (), (x, y), op="split")
    assert build.build().layers == (LayerSpec("split", 0, (), (0, 1), "split"),)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"cost": 6.0}, "it claims cost 6.0, its parts sum to 6.5"),
    ({"bound": 7.0}, "its bound 7.0 is above its cost 6.5"),
    ({"choice": (0, 0)}, "it chooses for 2 layers, the problem has 3"),
    ({"choice": (0, 3, 0)}, "layer 1 ('relu'): no routine 3, there are 1"),
    ({"conversions": ((0, 0, 1),), "cost": 4.5, "bound": None}, "value 1: a is wanted but never made"),
    ({"conversions": ((0, 0, 1), (0, 1, 0), (1, 1, 0))}, "value 0: a is made twice"),
    ({"conversions": ((0, 1, 0), (1, 1, 0))}, "value 0: conversion from b before it exists"),
    ({"conversions": ((9, 0, 1),)}, "conversion (9, 0, 1) is out of range"),
    ({"status": "unknown"}, "it has a choice although it found no plan"),
]


@pytest.mark.parametrize(("changes", "complaint"), WRONG)
def test_wrong_solutions_are_caught(changes: dict[str, Any], complaint: str) -> None:
    problem = small()
    best = solver("exact")(problem)
    assert (best.cost, best.conversions) == (6.5, ((0, 0, 1), (1, 1, 0)))
    assert complaint in check(problem, attrs.evolve(best, **changes))


@pytest.mark.parametrize("sharing", ["star", "none"])
def test_unshared_chains_are_checked(sharing: Sharing) -> None:
    problem = attrs.evolve(small(), sharing=sharing)
    best = solver("exact")(problem)
    assert check(problem, best) == ()
    for steps in (best.conversions[1:], (*best.conversions, (0, 0, 1)), ((0, 1, 0), *best.conversions)):
        wrong = attrs.evolve(best, conversions=steps)
        assert "value 0: its chains of conversions do not end in the wanted formats [1]" in check(problem, wrong)
