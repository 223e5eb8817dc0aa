"""One layer on its own: what it reads, its module, its signature."""

from __future__ import annotations

from plait.ir import Layer, Module, verify
from plait.ir.isolate import isolate, signature
from plait.ir.text import parse_module, print_module

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


QUANTIZED = """ir 1
const @s : f32[2] = [0.5, 0.25]
const @w : q8<@s axis 0>[2x3x1x1] = [1, 2, 3, 4, 5, 6]
net @main(%x: qu8<0.5:3>[1x3x4x4]) -> () {
  %a = conv2d(%x, @w) {to = qu8<0.1>}
  %b = conv2d(%x, @w) {to = qu8<0.1>}
  %c = conv2d(%x, @w)
  %d = conv2d(%x, @w) {to = qu8<0.7:9>}
}
"""


def test_scales_count_only_where_they_are_equal() -> None:
    a, b, c, d = parse_module(QUANTIZED).main
    assert signature(a) == signature(b)
    assert len({signature(layer) for layer in (a, c, d)}) == 3, "no zero point; the same type as x; another one"
    again = parse_module(QUANTIZED.replace("0.7:9", "0.3:100").replace("qu8<0.1>", "qu8<0.2>"))
    assert [signature(layer) for layer in again.main] == [signature(layer) for layer in (a, b, c, d)]


def test_scales_that_types_name_come_along() -> None:
    module = parse_module(QUANTIZED)
    layer = next(iter(module.main))
    alone = isolate(layer, module.constants)
    assert alone.constants["s"].data.tolist() == [0.5, 0.25]
    verify(alone)
    blank = isolate(layer)
    assert not blank.constants["s"].has_data
    verify(parse_module(print_module(blank)))


def test_signatures_leave_remarks_out() -> None:
    text = """ir 1
net @main(%x: f32[2]) -> (%y: qu8<0.25>[2]) {
  %y = cast(%x) {to = qu8<0.25>}
}"""
    plain, remarked = (
        signature(next(iter(parse_module(t).main))) for t in (text, text.replace("25>}", "25>, explicit = true}"))
    )
    assert plain == remarked
