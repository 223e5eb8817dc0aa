"""Control flow: regions inlined, results and carried values dropped, shapes that go through loops and calls."""

from __future__ import annotations

from functools import partial

import pytest

from plait.ir import Module
from plait.ir.text import parse_module, print_module
from plait.ir.verify import verify
from plait.passes.reduce import Predicate, Size, reduce_module
from plait.passes.reduce.edit import edited
from plait.passes.reduce.regions import drop_result, inline
from plait.passes.reduce.walk import layers_of

IF = """ir 1
const @k : f32[4] = [1.0, 2.0, 3.0, 4.0]
net @main(%c: bool[], %x: f32[4]) -> (%y: f32[4], %z: f32[4]) {
  %a = tanh(%x)
  %y, %z = if(%c)
    then () -> (%t: f32[4], %a: f32[4]) {
      %s = add(%a, @k)
      %t = relu(%s)
    }
    else () -> (%u: f32[4], %a: f32[4]) {
      %u = sigmoid(%x)
    }
}
"""
LOOP = """ir 1
net @main(%n: i64[], %go: bool[], %s: f32[4x6], %o: f32[2]) -> (%r: f32[4x6], %all: f32[3x4x6]) {
  %r, %p, %all = loop(%n, %go, %s, %o) {steps = 3}
    body (%i: i64[], %on: bool[], %acc: f32[4x6], %c: f32[2]) -> (%on: bool[], %b: f32[4x6], %c: f32[2], %b: f32[4x6]) {
      %h = tanh(%acc)
      %b = relu(%h)
    }
}
"""
CALL = """ir 1
net @main(%x: f32[4x6]) -> (%z: f32[4x6]) {
  %a = tanh(%x)
  %b = call(%a) {callee = @twice} : f32[4x6]
  %z = call(%b) {callee = @twice} : f32[4x6]
}
net @twice(%v: f32[4x6]) -> (%w: f32[4x6]) {
  %u = sigmoid(%v)
  %w = relu(%u)
}
"""


def reduced(text: str, fails: Predicate) -> str:
    module = reduce_module(parse_module(text), fails).module
    verify(module)
    assert print_module(parse_module(print_module(module))) == print_module(module)
    return print_module(module)


def has(*ops: str) -> Predicate:
    return lambda module: set(ops) <= {layer.op for layer in module.walk()}


@pytest.mark.parametrize("text", [IF, LOOP, CALL])
@pytest.mark.parametrize("op", ["relu", "tanh"])
def test_a_layer_inside_is_got_out(text: str, op: str) -> None:
    found = parse_module(reduced(text, has(op)))
    (layer,) = found.walk()
    assert (layer.op, list(found.functions), found.constants) == (op, ["main"], {})
    assert {d for v in (*found.main.arguments, layer.result) for d in v.type.shape} == {1}
    assert found.main.output_names == [layer.result.name]


def test_a_layer_inside_that_must_be_inside() -> None:
    def nested(module: Module) -> bool:
        return any(la.op == "relu" and la.region is not module.main.body for la in module.main.walk())

    found = parse_module(reduced(IF, nested))
    assert sorted(layer.op for layer in found.walk()) == ["if", "relu"]
    found = parse_module(reduced(LOOP, nested))
    assert sorted(layer.op for layer in found.walk()) == ["loop", "relu"]


def test_shapes_go_through_loops() -> None:
    text = reduced(LOOP, has("loop"))
    assert "loop(" in text and "4x6" not in text and "relu" not in text
    found = reduce_module(parse_module(LOOP), has("loop", "relu", "tanh")).module
    assert all(d == 1 for v in found.main.arguments for d in v.type.shape)


def test_shapes_go_through_calls() -> None:
    found = reduce_module(parse_module(CALL), has("call", "relu")).module
    assert [v.type.shape for f in found.functions.values() for v in f.arguments] == [(1, 1), (1, 1)]
    assert [layer.op for layer in found.walk()].count("call") == 1


def test_inline() -> None:
    module = parse_module(IF)
    number = [layer.op for layer in layers_of(module)].index("if")
    for which, op in ((0, "relu"), (1, "sigmoid")):
        flat = edited(module, partial(inline, number=number, which=which))
        assert flat is not None and op in [layer.op for layer in flat.main] and not has("if")(flat)
        assert [v.name for v in flat.main.outputs] == [("t", "u")[which], "a"]
    called = parse_module(CALL)
    flat = edited(called, partial(inline, number=1, which=0))
    assert flat is not None
    assert [layer.op for layer in flat.main] == ["tanh", "sigmoid", "relu", "call"] and len(flat.functions) == 2
    flat = edited(flat, partial(inline, number=3, which=0))
    assert flat is not None and list(flat.functions) == ["main"]


def test_drop_result() -> None:
    module = parse_module(LOOP)
    number = [layer.op for layer in layers_of(module)].index("loop")
    smaller = edited(module, partial(drop_result, number=number, result=1, output=2, carried=1))
    assert smaller is not None
    (loop,) = smaller.main
    assert [r.name for r in loop.results] == ["r", "all"] and len(loop.operands) == 3
    # The scanned value can not go instead: the types of the other results would differ.
    assert edited(module, partial(drop_result, number=number, result=1, output=3, carried=None)) is None


def test_sizes_count_what_is_inside() -> None:
    size = Size.of(parse_module(IF))
    assert (size.layers, size.functions, size.outputs, size.values) == (5, 1, 6, 3)


def test_unknown_layers_with_regions() -> None:
    text = """ir 1
    net @main(%x: f32[4]) -> (%y: f32[4]) {
      %y = acme_scan(%x) {k = 3}
        body (%v: f32[4]) -> (%w: f32[4]) {
          %w = relu(%v)
        } : f32[4]
    }"""
    module = parse_module(text, allow_unknown=True)
    for op in ("relu", "acme_scan"):
        found = reduce_module(module, lambda m, op=op: op in [la.op for la in m.walk()]).module  # type: ignore[misc]
        assert [layer.op for layer in found.walk()] == [op]


def test_unknown_layers_with_named_operands() -> None:
    text = "ir 1\nnet @main(%x: f32[4]) -> (%y: f32[4]) {\n  %y = acme(%x, scale = %x, shift = %x) : f32[4]\n}"
    module = parse_module(text, allow_unknown=True)
    found = reduce_module(module, lambda m: "shift = " in print_module(m)).module
    assert "acme(shift = %x)" in print_module(found)


def test_signatures_of_called_functions() -> None:
    text = """ir 1
    net @main(%x: f32[4], %z: f32[4]) -> (%b: f32[4]) {
      %a, %b = call(%x, %z) {callee = @pair} : f32[4], f32[4]
      %c, %d = call(%x, %b) {callee = @pair} : f32[4], f32[4]
    }
    net @pair(%v: f32[4], %w: f32[4]) -> (%p: f32[4], %q: f32[4]) {
      %p = relu(%v)
      %q = tanh(%w)
    }"""
    module = reduce_module(parse_module(text), has("call", "tanh")).module
    verify(module)
    assert sorted(layer.op for layer in module.walk()) == ["call", "tanh"]
    assert [(len(f.arguments), len(f.outputs)) for f in module.functions.values()] == [(1, 1), (1, 1)]
