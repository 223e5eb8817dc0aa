"""Analyses of functions with nested regions."""

from __future__ import annotations

import pytest

from plait.ir.layer import Layer
from plait.ir.module import Function
from plait.ir.text import parse_module
from plait.ir.values import Value
from plait.passes.analyses.base import Analyses
from plait.passes.analyses.costs import Cost, Costs
from plait.passes.analyses.dominance import Dominance
from plait.passes.analyses.intervals import INF, Interval
from plait.passes.analyses.liveness import Liveness
from plait.passes.analyses.use_counts import UseCounts
from plait.passes.analyses.value_ranges import ValueRanges

MODULE = parse_module(
    """ir 1
const @k : f32[8] = [1, 2, 3, 4, 5, 6, 7, 8]
net @main(%x: f32[8], %c: bool[], %n: i64[]) -> (%y: f32[8], %q: f32[8]) {
  %a = relu(%x)
  %b = sigmoid(%x)
  %y, %q = if(%c)
    then () -> (%t: f32[8], %b: f32[8]) {
      %s = tanh(%a)
      %t = unary(%s) {fn = abs}
    }
    else () -> (%e: f32[8], %x: f32[8]) {
      %e = loop(%n, %c, %b)
        body (%i: i64[], %go: bool[], %acc: f32[8]) -> (%go: bool[], %next: f32[8]) {
          %next = add(%acc, %a)
        }
    }
  %after = add(%y, @k)
}
""".replace("%k2", "@k")
)
MAIN = MODULE.main


def values(function: Function) -> dict[str, Value]:
    layers = list(function.walk())
    regions = list(function.body.nest())
    return {v.name: v for v in (*(a for r in regions for a in r.arguments), *(r for la in layers for r in la.results))}


V = values(MAIN)


def layer(name: str) -> Layer:
    owner = V[name].owner
    assert owner is not None
    return owner


@pytest.mark.parametrize(
    ("first", "second", "precedes"),
    [
        ("a", "b", True),
        ("b", "a", False),
        ("a", "a", False),
        ("a", "y", True),
        ("a", "t", True),
        ("a", "next", True),
        ("s", "t", True),
        ("t", "s", False),
        ("s", "e", False),
        ("e", "s", False),
        ("s", "after", False),
        ("y", "s", False),
        ("s", "y", False),
        ("e", "next", False),
        ("y", "after", True),
        ("after", "s", False),
    ],
)
def test_precedes(first: str, second: str, precedes: bool) -> None:
    assert Dominance.of(MAIN, Analyses()).precedes(layer(first), layer(second)) == precedes


@pytest.mark.parametrize(
    ("value", "where", "visible"),
    [
        ("x", "a", True),
        ("x", "next", True),
        ("acc", "next", True),
        ("acc", "e", False),
        ("acc", "s", False),
        ("a", "next", True),
        ("q", "after", True),
        ("q", "s", False),
        ("t", "after", False),
    ],
)
def test_visible(value: str, where: str, visible: bool) -> None:
    assert Dominance.of(MAIN, Analyses()).is_visible(V[value], layer(where)) == visible


def test_constants_are_visible_and_strangers_are_not() -> None:
    found = Dominance.of(MAIN, Analyses())
    assert found.is_visible(MODULE.constants["k"], layer("a"))
    other = parse_module("ir 1\nnet @main(%x: f32[1]) -> () {\n  %a = relu(%x)\n  %b = relu(%a)\n}\n").main
    assert not found.is_visible(other.arguments[0], layer("a"))
    assert not found.is_visible(values(other)["a"], layer("b"))


@pytest.mark.parametrize(
    ("names", "holder"),
    [
        (("a", "b"), None),
        (("s", "t"), "y"),
        (("s", "e"), None),
        (("next",), "e"),
        (("e", "next"), "y"),
        (("next", "a"), None),
    ],
)
def test_common_region(names: tuple[str, ...], holder: str | None) -> None:
    region = Dominance.of(MAIN, Analyses()).common_region(layer(n) for n in names)
    assert region.owner is (MAIN if holder is None else layer(holder))


def test_uses_within_regions_count() -> None:
    found = UseCounts.of(MAIN, Analyses())
    # `x` is yielded by a nested region, `b` too, `y` is an output of the function.
    assert [found.count(V[n]) for n in ("x", "a", "b", "s", "acc", "y")] == [3, 2, 2, 1, 1, 2]
    assert found.only_reader(V["s"]) is layer("t") and found.only_reader(V["b"]) is None
    assert found.only_reader(V["acc"]) is layer("next")


def test_liveness_of_what_regions_read() -> None:
    found = Liveness.of(MAIN, Analyses())
    # a, b, if, after
    assert {n: found.spans[V[n]] for n in ("x", "a", "b", "y", "q", "after")} == {
        "x": (0, 2),
        "a": (0, 2),
        "b": (1, 2),
        "y": (2, 3),
        "q": (2, 3),
        "after": (3, 3),
    }
    assert "s" not in {v.name for v in found.spans}
    then, els = layer("y").regions()
    assert found.regions[then].peak_bytes == 64
    (body,) = layer("e").regions()
    assert found.regions[els].regions[body].peak_bytes == 8 + 1 + 32 + 32
    assert found.regions[els].peak_bytes == 32 + 73
    # x, a, b, y, q, and what else needs; n and c are read by the if.
    assert found.bytes_at() == (32 * 2 + 9, 32 * 3 + 9, 32 * 5 + 9 + 105, 32 * 3)


def test_costs_of_nested_layers() -> None:
    found = Costs.of(MAIN, Analyses())
    assert [found.layers[layer(n)] for n in ("next", "t")] == [Cost(8, 96), Cost(8, 64)]
    assert found.total is not None and found.total.flops == 6 * 8


def test_ranges_in_and_of_regions() -> None:
    ranges = Analyses().get(ValueRanges, MAIN)
    assert ranges[V["s"]] == Interval(0, 1) and ranges[V["t"]] == Interval(0, 1)
    assert ranges[V["e"]] == Interval() and ranges[V["acc"]] == Interval()
    assert ranges[V["y"]] == Interval() and ranges[V["q"]] == Interval()
    assert ranges[V["a"]] == Interval(0, INF)
    both = parse_module("""ir 1
net @main(%x: f32[8], %c: bool[]) -> (%y: f32[8], %z: f32[8]) {
  %y, %z = if(%c)
    then () -> (%a: f32[8], %b: f32[8]) {
      %a = sigmoid(%x)
      %b = tanh(%a)
    }
    else () -> (%d: f32[8], %d: f32[8]) {
      %d = clip(%x) {low = 2, high = 3}
    }
}
""").main
    ranges = Analyses().get(ValueRanges, both)
    found = values(both)
    assert ranges[found["y"]] == Interval(0, 3)
    assert ranges[found["z"]] == Interval(0, 3)
    first, second = (ranges[found[n]] for n in ("a", "b"))
    assert first == Interval(0, 1) and 0.7 < second.high < 0.8
