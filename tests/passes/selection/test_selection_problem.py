"""Messages of malformed problems, the builder, and the checks on solutions."""

from __future__ import annotations

import math
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
    ({"sharing": "all"}, r"sharing is 'all', wanted one of none, star, tree"),
    ({"formats": (Format("a"), Format("a"))}, r"formats: the name 'a' is used more than once"),
    ({"adapts": (Adapts(((0.0,),)),)}, r"adapts 0: cost must be 2 x 2"),
    ({"adapts": (Adapts(((0.0, -1.0), (1.0, 0.0))),)}, r"adapts 0: cost from format 0 to 1 is -1.0"),
    ({"adapts": (Adapts(((0.0, math.nan), (1.0, 0.0))),)}, r"adapts 0: cost from format 0 to 1 is nan"),
    ({"adapts": (Adapts(((1.0, 1.0), (1.0, 0.0))),)}, r"adapts 0: cost from format 0 to itself is 1.0"),
    ({"values": (ValueSpec(0), ValueSpec(4))}, r"value 1: adapt is 4, there are 1 adapts"),
    ({"values": (ValueSpec(0),) * 3}, r"value 2: no layer makes it"),
    (routine(cost=math.inf), r"table 'relu 8', routine 'vec': cost is inf, wanted a finite number >= 0"),
    (routine(inputs=(7,)), r"table 'relu 8', routine 'vec': input 0 has format 7, there are 2 formats"),
    (
        routine(outputs=()),
        r"layer 1 \('relu'\): routine 'vec' of table 'relu 8' has 0 output formats, the layer has 1",
    ),
    (layer(1, table=9), r"layer 1 \('relu'\): table is 9, there are 3 tables"),
    (layer(0, table=1, inputs=(1,)), r"layer 0 \('x'\): input value 1 is not made by an earlier layer"),
    (layer(1, outputs=(5,)), r"layer 1 \('relu'\): output value 5 is unknown, there are 2 values"),
    (layer(1, outputs=(0,)), r"layer 1 \('relu'\): output value 0 is already made by layer 0 \('x'\)"),
    ({"budgets": (Budget("energy", "peak", 1.0),)}, r"budget on energy: peak budgets are for memory"),
    ({"budgets": (Budget("energy", "mean", 1.0),)}, r"budget on energy: kind is 'mean', wanted sum or peak"),
]


@pytest.mark.parametrize(("changes", "message"), MALFORMED)
def test_malformed_problems_say_what_is_wrong(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ProblemError, match=message):
        attrs.evolve(small(), **changes)


def test_a_table_without_routines_is_refused() -> None:
    tables = (*small().tables[:1], RoutineTable("relu 8", ()), *small().tables[2:])
    with pytest.raises(ProblemError, match=r"layer 1 \('relu'\): table 'relu 8' has no routine"):
        attrs.evolve(small(), tables=tables)


def test_budgets_are_refused_rather_than_ignored() -> None:
    problem = attrs.evolve(small(), budgets=(Budget("memory", "peak", 1.0),))
    with pytest.raises(ProblemError, match=r"solver 'exact' does not honour budgets \(memory/peak\)"):
        solver("exact")(problem)


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
