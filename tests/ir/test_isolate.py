"""One layer on its own: what it reads, its module, its signature."""

from __future__ import annotations

from plait.ir import Layer, Module, verify
from plait.ir.isolate import isolate, signature
from plait.ir.text import parse_module

BRANCHES = """ir 1
const @k : f32[4] = [1.0, 2.0, 3.0, 4.0]
net @main(%c: bool[], %x: f32[4]) -> (%y: f32[4], %z: f32[4]) {
  %y = if(%c)
    then () -> (%x: f32[4]) {
    }
    else () -> (%b: f32[4]) {
      %a = add(%x, @k)
      %b = if(%c)
        then () -> (%a: f32[4]) {
        }
        else () -> (%r: f32[4]) {
          %r = relu(%a)
        }
    }
  %z = if(%c)
    then () -> (%x: f32[4]) {
    }
    else () -> (%t: f32[4]) {
      %t = tanh(%x)
    }
}
"""


def branches() -> tuple[Module, Layer, Layer]:
    module = parse_module(BRANCHES)
    first, second = module.main
    return module, first, second


def test_a_layer_reads_what_its_regions_read_from_outside() -> None:
    module, first, second = branches()
    c, x = module.main.arguments
    assert first.reads() == (c, x, module.constants["k"])
    assert second.reads() == (c, x)
    (add, inner) = first.regions()[1]
    assert inner.reads() == (c, add.result)


def test_a_layer_with_regions_alone_is_a_valid_module() -> None:
    module, first, _ = branches()
    alone = isolate(first)
    verify(alone)
    assert [str(a.type) for a in alone.main.arguments] == ["bool[]", "f32[4]"]
    assert list(alone.constants) == ["c0"]
    verify(module)


def test_signatures_tell_regions_apart() -> None:
    _, first, second = branches()
    (other, _) = parse_module(BRANCHES.replace("%x", "%input").replace("%y", "%first")).main
    assert signature(first) != signature(second)
    assert signature(first) == signature(other)


def test_signatures_tell_repeated_operands_apart_and_constants() -> None:
    text = "ir 1\nconst @k : f32[4] = [1, 2, 3, 4]\nnet @main(%x: f32[4], %y: f32[4]) -> () {\n"
    text += "  %a = add(%x, %x)\n  %b = add(%x, %y)\n  %c = add(%y, %x)\n  %d = add(%x, @k)\n}\n"
    a, b, c, d = map(signature, parse_module(text).main)
    assert b == c and len({a, b, d}) == 3
