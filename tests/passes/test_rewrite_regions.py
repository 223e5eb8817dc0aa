"""The rewrite driver in nested regions, and on layers that hold regions."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest

from plait.ir import Layer, Module, Value, verify
from plait.ir.diagnostics import Location
from plait.ir.layers.activations import Relu, Sigmoid, Tanh
from plait.ir.layers.control import If
from plait.ir.layers.elementwise import Add
from plait.ir.region import Region
from plait.ir.text import parse_module
from plait.passes.base import PassContext
from plait.passes.rewriting import (
    Builder,
    No,
    Outcome,
    Pattern,
    RewriteError,
    RewriteLoop,
    apply_rewrites,
    has_one_use,
    rewrite,
)

HEAD = """ir 1
const @k : f32[4] = [1, 2, 3, 4]
const @n : i64[] = 3
net @main(%c: bool[], %x: f32[4]) -> (%y: f32[4]) {
"""
BRANCH = """
  %y = if(%c)
    then () -> (%a: f32[4]) {
      %p = tanh(%x) loc "m":"p"
      %a = relu(%p) loc "m":"a"
    }
    else () -> (%b: f32[4]) {
      %b = add(%x, @k) loc "m":"b"
    } loc "m":"if"
"""
LOOP = """
  %t = tanh(%x)
  %y = loop(@n, %c, %x)
    body (%i: i64[], %go: bool[], %s: f32[4]) -> (%go: bool[], %r: f32[4]) {
      %r = relu(%t)
    }
"""


def module_of(body: str) -> Module:
    return parse_module(f"{HEAD}{body}\n}}\n")


def run(module: Module, *patterns: Pattern) -> bool:
    changed = apply_rewrites(module.main, module, patterns, PassContext())
    verify(module)
    text = str(module)
    assert str(parse_module(text)) == text
    return changed


def ops(module: Module) -> list[str]:
    return [layer.op for layer in module.main.body.walk()]


@rewrite(Relu)
def relu_of_tanh(layer: Relu) -> Layer | No:
    """relu(tanh(x)) -> sigmoid(x)"""
    inner = layer.x.owner
    return Sigmoid(inner.x) if isinstance(inner, Tanh) else No("the operand is not tanh")


@rewrite(Relu)
def relu_of_own_tanh(layer: Relu) -> Layer | No:
    """relu(tanh(x)) -> sigmoid(x), if nothing else reads the tanh"""
    inner = layer.x.owner
    return Sigmoid(inner.x) if isinstance(inner, Tanh) and has_one_use(layer.x) else No("not its own")


@rewrite(If)
def if_away(layer: If) -> Value:
    """if(c; ...) -> x"""
    (x,) = [v for inner in layer.then for v in inner.operands if v.name == "x"]
    return x


def test_layers_in_regions_are_rewritten() -> None:
    module = module_of(BRANCH)
    assert run(module, relu_of_tanh)
    assert ops(module) == ["if", "sigmoid", "add"]
    inner = next(iter(module.main.body.first.regions()[0]))  # type: ignore[union-attr]
    assert inner.locations == (Location("m", "p"), Location("m", "a"))
    assert not run(module, relu_of_tanh)


def test_what_only_a_region_reads_goes_with_its_last_reader() -> None:
    module = module_of(LOOP)
    assert run(module, relu_of_tanh)
    assert ops(module) == ["loop", "sigmoid"]


def test_a_reader_in_a_region_keeps_a_layer() -> None:
    module = module_of(LOOP.replace("%r = relu(%t)", "%q = relu(%t)\n%r = add(%q, %t)"))
    assert run(module, relu_of_tanh)
    assert ops(module) == ["tanh", "loop", "sigmoid", "add"]


def test_a_single_reader_in_a_region_is_not_the_only_use() -> None:
    module = module_of(LOOP)
    assert not run(module, relu_of_own_tanh)
    assert run(module_of(BRANCH), relu_of_own_tanh)
    twice = BRANCH.replace("%a = relu(%p)", "%q = relu(%p)\n%a = add(%p, %q)")
    assert not run(module_of(twice), relu_of_own_tanh)


def test_a_layer_that_holds_regions_goes_with_all_in_them() -> None:
    module = module_of(BRANCH.replace("%y = if", "%z = if") + '\n  %y = tanh(%z) loc "m":"y"')
    assert run(module, if_away)
    assert ops(module) == ["tanh"]
    assert list(module.constants) == ["n"]
    (layer,) = module.main
    assert {loc.name for loc in layer.locations} == {"p", "a", "b", "if", "y"}
    assert list(layer.operands[0].users) == [layer]


def test_layers_that_die_take_their_regions_along() -> None:
    @rewrite(Relu)
    def relu_to_x(layer: Relu) -> Value:
        """relu(if(c; ...)) -> x"""
        owner = layer.x.owner
        assert isinstance(owner, If)
        return next(v for inner in owner.then for v in inner.operands if v.name == "x")

    outside = BRANCH.replace("%y = if", "%h = sigmoid(%x)\n%z = if").replace("add(%x, @k)", "add(%h, @k)")
    module = module_of(outside.replace("relu(%p)", "sigmoid(%p)") + "\n  %y = relu(%z)")
    assert run(module, relu_to_x)
    assert ops(module) == [] and list(module.constants) == ["n"]
    assert module.main.outputs[0] is module.main.arguments[1]


def test_a_layer_may_take_over_the_regions_of_the_root() -> None:
    @rewrite(If)
    def negated(layer: If, builder: Builder) -> Layer | No:
        """if(c; a, b) -> if(d; a, b)"""
        if layer.condition.name != "c":
            return No("done")
        return attrs.evolve(layer, condition=others[0])

    module = parse_module(str(module_of(BRANCH)).replace("%c: bool[],", "%c: bool[], %d: bool[],"))
    others = [module.main.arguments[1]]
    assert run(module, negated, relu_of_tanh)
    assert ops(module) == ["if", "sigmoid", "add"]
    assert module.main.arguments[2].use_count == 2


def test_new_regions_are_rewritten_too() -> None:
    @rewrite(If)
    def copied(layer: If) -> Layer | No:
        """if(c; a, b) -> if(c; a', b')"""
        if (layer.then.first is not None and layer.then.first.op == "sigmoid") or done:
            return No("done")
        done.append(True)
        return layer.with_operands({})

    done: list[bool] = []
    module = module_of(BRANCH)
    # The copy comes first: the if is visited before what is in it.
    assert run(module, copied, relu_of_tanh)
    assert ops(module) == ["if", "sigmoid", "add"]
    assert list(module.constants) == ["k", "n"]
    x = module.main.arguments[1]
    assert x.use_count == 2 and all(user.region in module.main.body.first.regions() for user in x.users)  # type: ignore[union-attr]


def test_helpers_may_hold_regions() -> None:
    @rewrite(Tanh)
    def tanh_by_cases(layer: Tanh, builder: Builder) -> Layer:
        """tanh(x) -> relu(if(c; sigmoid(x), x))"""
        then, other = Region(), Region()
        then.append(Sigmoid(layer.x), ("s",))
        assert then.first is not None
        then.outputs, other.outputs = [then.first.result], [layer.x]
        return Relu(builder.layer(If(condition, then, other)))

    module = module_of("%y = tanh(%x)")
    condition = module.main.arguments[0]
    assert run(module, tanh_by_cases)
    assert ops(module) == ["if", "sigmoid", "relu"]


def test_rewrites_of_regions_that_undo_one_another_are_found() -> None:
    @rewrite(Relu)
    def to_tanh(layer: Relu) -> Layer:
        """relu(x) -> tanh(x)"""
        return Tanh(layer.x)

    @rewrite(Tanh)
    def to_relu(layer: Tanh) -> Layer:
        """tanh(x) -> relu(x)"""
        return Relu(layer.x)

    with pytest.raises(RewriteLoop, match="undo one another: to_relu -> to_tanh"):
        run(module_of(BRANCH), to_tanh, to_relu)


# --- what is not visible ---


def of_branch(layer: Layer, name: str) -> Value:
    """A value that the `if` of the same net makes inside."""
    region = layer.region
    assert region is not None
    return next(
        v for inner in (region.parent or region).walk() for v in (*inner.results, *inner.operands) if v.name == name
    )


def reads_a_region(layer: Tanh, builder: Builder) -> Outcome:
    return Relu(of_branch(layer, "a"))


def reads_an_argument_of_a_region(layer: Tanh, builder: Builder) -> Outcome:
    return Relu(of_branch(layer, "s"))


def shares_regions(layer: Tanh, builder: Builder) -> Outcome:
    other = layer.x.owner
    assert isinstance(other, If)
    return attrs.evolve(other)


def shares_regions_by_a_helper(layer: Tanh, builder: Builder) -> Outcome:
    other = layer.x.owner
    assert isinstance(other, If)
    return builder.layer(attrs.evolve(other))


@pytest.mark.parametrize(
    ("function", "body", "problem"),
    [
        (reads_a_region, BRANCH, "it uses %a, which is not defined before the layer"),
        (reads_an_argument_of_a_region, LOOP.replace("relu(%t)", "add(%s, %t)"), "it uses %s, which is not defined"),
        (shares_regions, BRANCH, "it takes over a region of %z (if); copy it by `with_operands`"),
        (shares_regions_by_a_helper, BRANCH, "a helper takes no regions of tanh over; copy them by `with_operands`"),
    ],
)
def test_what_is_not_visible_cannot_be_used(
    function: Callable[[Tanh, Builder], Outcome], body: str, problem: str
) -> None:
    text = body.replace("%y = ", "%z = ").replace("%p = tanh(%x)", "%p = sigmoid(%x)").replace("%t = tanh(%x)\n", "")
    module = module_of(text.replace("%t", "%x") + "\n%y = tanh(%z)")
    before = str(module)
    with pytest.raises(RewriteError) as caught:
        run(module, rewrite(Tanh)(function))
    assert problem in str(caught.value)
    assert str(module) == before


def test_a_layer_with_regions_is_not_available_in_them() -> None:
    @rewrite(Relu)
    def circular(layer: Relu) -> Layer:
        """relu(x) -> tanh(if(...))"""
        assert layer.region is not None and isinstance(layer.region.owner, If)
        return Tanh(layer.region.owner.result)

    with pytest.raises(RewriteError, match="it uses %y, which is not defined before the layer"):
        run(module_of(BRANCH), circular)


def test_values_from_around_may_be_used_in_a_region() -> None:
    @rewrite(Relu)
    def outer(layer: Relu) -> Layer:
        """relu(...) -> x + h"""
        assert layer.region is not None and layer.region.parent is not None
        first = layer.region.parent.first
        assert first is not None
        return Add(first.result, first.operands[0])

    module = module_of("%h = sigmoid(%x)" + BRANCH)
    assert run(module, outer)
    assert ops(module) == ["sigmoid", "if", "add", "add"]
