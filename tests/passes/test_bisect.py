"""Bisection: planted broken passes are found, down to the rewrite."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import attrs
import pytest

from plait.ir import Module
from plait.ir.layer import Layer
from plait.ir.layers.activations import Relu, Sigmoid, Tanh
from plait.ir.text import parse_module
from plait.passes.base import Pass, PassContext, PassFailed
from plait.passes.cse import Cse
from plait.passes.dce import Dce
from plait.passes.manager.bisect import Bisection, NothingToFind, Verdict, bisect
from plait.passes.pipeline import Pipeline
from plait.passes.repeat import Repeat
from plait.passes.rewriting import No, rewrite, rewrite_module

TEXT = """ir 1
net @main(%x: f32[2]) -> (%e: f32[2]) {
  %a = sigmoid(%x)
  %b = sigmoid(%a)
  %dead = tanh(%b)
  %c = sigmoid(%b)
  %d = sigmoid(%c)
  %e = relu(%d)
}
"""


@rewrite(Sigmoid)
def broken(layer: Sigmoid) -> Layer | No:
    """sigmoid(x) -> tanh(x), which is wrong"""
    return Tanh(layer.x)


@attrs.frozen
class Rewrites(Pass):
    """Does wrong by rewrites; with `also` it replaces the last relu too, by hand."""

    name: ClassVar[str] = "rewrites"
    also: bool = False

    def run(self, module: Module, context: PassContext) -> bool:
        changed = rewrite_module(module, (broken,), context)
        last = module.main.body.last
        if self.also and isinstance(last, Relu):
            module.main.body.replace(last, Tanh(last.x))
            return True
        return changed


@attrs.frozen
class Idle(Pass):
    """Does nothing; `label` tells copies apart."""

    name: ClassVar[str] = "idle"
    label: int = 0

    def run(self, module: Module, context: PassContext) -> bool:
        return False


@attrs.frozen
class Marks(Pass):
    """Renames the argument, so that the text changes and nothing else."""

    name: ClassVar[str] = "marks"
    to: str = "z"

    def run(self, module: Module, context: PassContext) -> bool:
        module.main.arguments[0].name = self.to
        return True


@attrs.define
class Test:
    """Bad if a text occurs; counts how often it is asked."""

    __test__: ClassVar[bool] = False
    bad: str
    skip: Callable[[str], bool] = lambda _: False
    asked: int = 0

    def __call__(self, module: Module) -> Verdict:
        self.asked += 1
        text = str(module)
        return Verdict.SKIP if self.skip(text) else Verdict.BAD if self.bad in text else Verdict.GOOD


def find(bad: str, *passes: Pass, skip: Callable[[str], bool] = lambda _: False) -> tuple[Bisection, Test]:
    module, test = parse_module(TEXT), Test(bad, skip)
    found = bisect(module, Pipeline(passes), test)
    assert str(module) == str(parse_module(TEXT))
    return found, test


@pytest.mark.parametrize("place", range(6))
def test_the_pass_is_found(place: int) -> None:
    passes: list[Pass] = [Marks(f"m{i}") for i in range(5)]
    passes.insert(place, Rewrites())
    found, test = find("%a = tanh", *passes)
    assert (found.first, found.last, found.passes) == (place, place, (Rewrites(),))
    assert str(found.good) == ",".join(f"marks{{to=m{i}}}" for i in range(place))
    assert str(found.bad).endswith("rewrites") and len(found.bad) == place + 1
    assert "sigmoid" in str(found.before)
    assert test.asked <= 2 + 3 + 2


@pytest.mark.parametrize(("name", "number"), [("a", 1), ("b", 2), ("c", 3), ("d", 4)])
def test_the_rewrite_is_found(name: str, number: int) -> None:
    found, _ = find(f"%{name} = tanh", Dce(), Rewrites(), Cse())
    assert found.rewrite is not None
    assert (found.rewrite.applied.number, found.rewrite.total) == (number, 4)
    assert (found.rewrite.applied.pass_name, found.rewrite.applied.rule) == ("rewrites", "broken")
    assert found.rewrite.applied.layer == f"%{name} (sigmoid)"
    assert found.rewrite.before.replace(f"%{name} = sigmoid", f"%{name} = tanh") == found.rewrite.after


def test_rewrites_of_passes_within_the_pass_are_found() -> None:
    inner = Repeat(Pipeline((Dce(), Rewrites())))
    found, _ = find("%c = tanh", Cse(), inner)
    assert found.passes == (inner,) and found.rewrite is not None
    assert (found.rewrite.applied.number, found.rewrite.applied.pass_name) == (3, "rewrites")


def test_what_a_pass_does_by_hand_has_no_rewrite() -> None:
    found, _ = find("%e = tanh", Dce(), Rewrites(also=True))
    assert found.passes == (Rewrites(also=True),) and found.rewrite is None
    found, _ = find("%zebra", Dce(), Marks("zebra"))
    assert found.passes == (Marks("zebra"),) and found.rewrite is None


def test_prefixes_that_change_nothing_are_not_tested_again() -> None:
    found, test = find("%zebra", *(Idle(i) for i in range(40)), Marks("zebra"), *(Idle(i) for i in range(40)))
    assert found.first == 40 and test.asked == 2


def test_states_that_cannot_be_told() -> None:
    def skip(text: str) -> bool:
        return "%one" in text or "%two" in text

    found, _ = find("%a = tanh", Marks("one"), Marks("two"), Rewrites(), Marks("three"), skip=skip)
    # one: cannot tell; two: cannot tell; rewrites: cannot tell; three: bad.
    assert (found.first, found.last) == (0, 3) and found.rewrite is None
    found, _ = find("%a = tanh", Marks("one"), Marks("zero"), Rewrites(), Marks("three"), skip=skip)
    assert found.passes == (Rewrites(),)


@pytest.mark.parametrize(
    ("bad", "skip", "at_input", "verdict"),
    [
        ("sigmoid", "no", True, Verdict.BAD),
        ("nowhere", "no", False, Verdict.GOOD),
        ("tanh", "sigmoid", True, Verdict.SKIP),
        ("nowhere", "zebra", False, Verdict.SKIP),
    ],
)
def test_nothing_to_find(bad: str, skip: str, at_input: bool, verdict: Verdict) -> None:
    with pytest.raises(NothingToFind) as caught:
        find(bad, Dce(), Marks("zebra"), skip=lambda text: skip in text)
    assert (caught.value.at_input, caught.value.verdict) == (at_input, verdict)


def test_a_pass_that_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> bool:
        raise KeyError("oh")

    monkeypatch.setattr("plait.passes.cse.Cse.run", fails)
    with pytest.raises(PassFailed, match="pass cse failed: KeyError"):
        find("nowhere", Dce(), Cse())
