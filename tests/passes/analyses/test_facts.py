"""Analyses: what they find, and when they are computed again."""

from __future__ import annotations

from collections.abc import Container
from typing import ClassVar

import attrs
import pytest

from plait.ir import Module
from plait.ir.module import Function
from plait.ir.text import parse_module
from plait.ir.values import Value
from plait.passes.analyses.base import EVERYTHING, Analyses, Analysis
from plait.passes.analyses.costs import Cost, Costs
from plait.passes.analyses.liveness import Liveness
from plait.passes.analyses.shape_ranges import ShapeRanges
from plait.passes.analyses.use_counts import UseCounts
from plait.passes.analyses.value_ranges import ValueRanges
from plait.passes.base import Pass, PassContext
from plait.passes.dce import Dce
from plait.passes.manager import PassManager
from plait.passes.pipeline import Pipeline

TEXT = """ir 1
const @c : f32[4] = [1, 2, 3, 4]
net @main(%x: f32[4]) -> (%y: f32[4], %s: f32[4]) {
  %dead = tanh(%x)
  %a = relu(%x)
  %s = add(%a, %a)
  %y = mul(%s, @c)
}
"""


def values(function: Function) -> dict[str, Value]:
    return {v.name: v for v in (*function.arguments, *(r for layer in function for r in layer.results))}


# --- the cache ---


@attrs.frozen
class Touch(Pass):
    """Reports a change or not; has looked at an analysis."""

    name: ClassVar[str] = "touch"
    change: bool = False

    def run(self, module: Module, context: PassContext) -> bool:
        context.analyses.get(ValueRanges, module.main)
        context.analyses.get(UseCounts, module.main)
        return self.change


@attrs.frozen
class Careful(Touch):
    """Preserves what it says."""

    name: ClassVar[str] = "careful"
    preserves: ClassVar[Container[type[Analysis]]] = (ValueRanges,)


@attrs.frozen
class Harmless(Touch):
    """Preserves everything."""

    name: ClassVar[str] = "harmless"
    preserves: ClassVar[Container[type[Analysis]]] = EVERYTHING


@pytest.mark.parametrize(
    ("passes", "ranges", "uses"),
    [
        ((Touch(), Touch(), Touch()), 1, 1),
        ((Touch(change=True), Touch(change=True), Touch()), 3, 3),
        ((Touch(), Dce(), Touch()), 2, 2),
        ((Touch(), Dce(), Dce(), Touch()), 2, 2),
        ((Careful(change=True), Careful(change=True), Touch()), 1, 3),
        ((Harmless(change=True), Harmless(change=True), Touch()), 1, 1),
        ((Careful(change=True), Touch(change=True), Careful()), 2, 3),
    ],
)
def test_changes_drop_what_a_pass_does_not_preserve(passes: tuple[Pass, ...], ranges: int, uses: int) -> None:
    context = PassContext()
    PassManager(Pipeline(passes)).run(parse_module(TEXT), context)
    assert context.analyses.computed[ValueRanges] == ranges
    assert context.analyses.computed[UseCounts] == uses
    assert context.analyses.computed[ShapeRanges] == ranges or passes[0] == Careful(change=True)


def test_the_cache_knows_subjects_apart() -> None:
    one, two = parse_module(TEXT), parse_module(TEXT)
    analyses = Analyses()
    first = analyses.get(UseCounts, one.main)
    assert analyses.get(UseCounts, one.main) is first
    assert not analyses.has(UseCounts, two.main)
    assert analyses.get(UseCounts, two.main) is not first and analyses.has(UseCounts, two.main)
    analyses.invalidate()
    assert not analyses.has(UseCounts, one.main) and analyses.computed[UseCounts] == 2


# --- uses, liveness, costs ---


def test_use_counts() -> None:
    main = parse_module(TEXT).main
    found, v = UseCounts.of(main, Analyses()), values(main)
    assert {name: found.count(value) for name, value in v.items()} == {"x": 2, "dead": 0, "a": 2, "s": 2, "y": 1}
    assert found.readers[v["x"]] == (v["dead"].owner, v["a"].owner)
    # `a` is read twice, `s` is an output too.
    assert [name for name, value in v.items() if found.only_reader(value)] == []
    single = parse_module("ir 1\nnet @main(%x: f32[1]) -> (%y: f32[1]) {\n  %a = relu(%x)\n  %y = tanh(%a)\n}\n").main
    a = values(single)["a"]
    assert UseCounts.of(single, Analyses()).only_reader(a) is values(single)["y"].owner


def test_liveness() -> None:
    main = parse_module(TEXT).main
    found, v = Liveness.of(main, Analyses()), values(main)
    assert {name: found.spans[value] for name, value in v.items()} == {
        "x": (0, 1),
        "dead": (0, 0),
        "a": (1, 2),
        "s": (2, 3),
        "y": (3, 3),
    }
    assert found.live_at(2) == {v["a"], v["s"]}
    assert found.bytes_at() == (32, 32, 32, 32) and found.peak_bytes == 32


def test_liveness_of_what_is_kept_and_of_nothing() -> None:
    kept = parse_module(
        "ir 1\nnet @main(%x: f32[8], %z: f32[2]) -> (%x: f32[8], %c: f32[2]) {\n  %b = relu(%z)\n  %c = tanh(%b)\n}\n"
    ).main
    found = Liveness.of(kept, Analyses())
    assert found.bytes_at() == (32 + 8 + 8, 32 + 8 + 8)
    empty = parse_module("ir 1\nnet @main(%x: f32[8]) -> (%x: f32[8]) {\n}\n").main
    assert Liveness.of(empty, Analyses()).peak_bytes == 32
    text = "ir 1\nnet @main(%x: f32[N], %z: f32[2]) -> (%y: f32[N]) {\n  %y = relu(%x)\n  %b = relu(%z)\n}\n"
    symbolic = parse_module(text).main
    assert Liveness.of(symbolic, Analyses()).peak_bytes is None


def test_costs() -> None:
    main = parse_module(TEXT).main
    found = Costs.of(main, Analyses())
    assert list(found.layers.values()) == [Cost(4, 32), Cost(4, 32), Cost(4, 48), Cost(4, 48)]
    assert found.total == Cost(16, 160) and found.unknown == ()
    symbolic = parse_module(
        "ir 1\nnet @main(%x: f32[N], %z: f32[2]) -> (%y: f32[N]) {\n  %y = relu(%x)\n  %b = relu(%z)\n}\n"
    ).main
    found = Costs.of(symbolic, Analyses())
    assert found.total is None and [layer.results[0].name for layer in found.unknown] == ["y"]
