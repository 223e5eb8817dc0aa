"""Regions and calls: text, use lists, cloning, verification, evaluation."""

from __future__ import annotations

import numpy as np
import pytest

from plait.backends.reference import evaluate
from plait.ir import IRError, Module
from plait.ir.dtypes import DType
from plait.ir.layer import OpaqueLayer
from plait.ir.layers.control import Call, If, Loop
from plait.ir.text import layer_text, parse_module, print_module
from plait.ir.types import TensorType
from plait.ir.verify import diagnose

TEXT = """\
ir 1
const @n : i64[] = 3
const @go : bool[] = true
// doubles
//   and no more
net @helper(%x: f32[4]) -> (%y: f32[4]) {
  %y = add(%x, %x) : f32[4]
}
net @main(%x: f32[4], %c: bool[]) -> (%z: f32[4], %all: f32[3x4]) {
  // choose
  %y = if(%c)
    then () -> (%a: f32[4]) {
      // inside
      %a = relu(%x) : f32[4]
    }
    else () -> (%x: f32[4]) {
    } : f32[4] via cpu/f32/row/branch !2.50us loc "m":"If_0"
  %n, %all = loop(@n, @go, %y) {steps = 3}
    body (%i: i64[], %g: bool[], %acc: f32[4]) -> (%g: bool[], %next: f32[4], %acc: f32[4]) {
      %next = add(%acc, %x) : f32[4]
    } : f32[4], f32[3x4]
  %z = call(%n) {callee = @helper} : f32[4]
}
"""


def layers(module: Module) -> tuple[If, Loop, Call]:
    choose, loop, call = module.main
    assert isinstance(choose, If) and isinstance(loop, Loop) and isinstance(call, Call)
    return choose, loop, call


def test_text_is_kept_byte_for_byte() -> None:
    module = parse_module(TEXT)
    assert print_module(module) == TEXT
    assert print_module(module.clone()) == TEXT
    assert module == module.clone()
    assert "//" not in print_module(module, comments=False)
    choose, _, call = layers(module)
    assert layer_text(call) == "%z = call(%n) {callee = @helper} : f32[4]"
    assert layer_text(choose).splitlines()[2] == "    %a = relu(%x) : f32[4]"


def test_types_of_if_and_loop_are_inferred() -> None:
    bare = TEXT.replace(" : f32[4] via", " via").replace("} : f32[4], f32[3x4]", "}")
    assert print_module(parse_module(bare)) == TEXT


def test_uses_in_regions() -> None:
    module = parse_module(TEXT)
    x = module.main.arguments[0]
    choose, loop, _ = layers(module)
    # relu in then, the output of else, add in the loop's body.
    assert x.use_count == 3
    assert {u.region for u in x.users} == {choose.then, choose.else_, loop.body}
    assert choose.then.parent is module.main.body and choose.then.owner is choose
    assert module.main.body.encloses(choose.then) and not choose.then.encloses(loop.body)
    assert [layer.op for layer in module.main.walk()] == ["if", "relu", "loop", "add", "call"]
    assert [r.owner for r in module.main.body.nest()] == [module.main, choose, choose, loop]

    # Removing the layer withdraws what its regions use.
    choose.region.replace_uses(choose.result, x)
    choose.region.remove(choose)
    assert x.use_count == 2 and {u.op for u in x.users} == {"loop", "add"}
    assert not diagnose(module)

    # Moving it does not; nor does a copy that takes its regions over.
    module.main.body.move_before(loop, loop)
    assert x.use_count == 2


def test_attrs_evolve_takes_regions_over() -> None:
    import attrs

    module = parse_module(TEXT)
    choose, _, _ = layers(module)
    twin = attrs.evolve(choose, via=None)
    module.main.body.replace(choose, twin)
    assert choose.then is twin.then and twin.then.owner is twin
    assert module.main.arguments[0].use_count == 3
    assert not diagnose(module)


def test_a_removed_layer_may_come_back() -> None:
    module = parse_module(TEXT)
    choose, loop, _ = layers(module)
    x = module.main.arguments[0]
    choose.region.replace_uses(choose.result, x)
    choose.region.remove(choose)
    module.main.body.insert(choose, loop)
    assert x.use_count == 4  # the loop's operand too
    assert not diagnose(module)
    choose.then.outputs = [x]
    assert x.use_count == 5


@pytest.mark.parametrize("flag", [True, False])
def test_evaluation(flag: bool) -> None:
    x = np.array([-1, 2, -3, 4], np.float32)
    seen: list[str] = []
    results = evaluate(
        parse_module(TEXT), [x, np.asarray(flag)], keep=["next"], values=lambda value, _: seen.append(value.name)
    )
    y = np.maximum(x, 0) if flag else x
    np.testing.assert_array_equal(results["z"], 2 * (y + 3 * x))
    np.testing.assert_array_equal(results["all"], [y, y + x, y + 2 * x])
    np.testing.assert_array_equal(results["next"], y + 3 * x)
    assert seen == (["a"] if flag else []) + ["y", "next", "next", "next", "n", "all", "y", "z"]


def test_a_loop_that_stops_early_or_never_starts() -> None:
    text = """\
ir 1
const @ten : i64[] = 10
const @one : f32[] = 1.0
net @main(%go: bool[], %x: f32[N]) -> (%y: f32[N], %rows: f32[TxN]) {
  %y, %rows = loop(@ten, %go, %x) {steps = T}
    body (%i: i64[], %g: bool[], %v: f32[N]) -> (%no: bool[], %w: f32[N], %w: f32[N]) {
      %w = add(%v, @one)
      %no = cast(%i) {to = bool}
    } : f32[N], f32[TxN]
}
"""
    module = parse_module(text)
    x = np.zeros(2, np.float32)
    run = evaluate(module, [np.asarray(True), x])
    # `no` is false in the run with number 0.
    np.testing.assert_array_equal(run["y"], [1, 1])
    assert run["rows"].shape == (1, 2)
    with pytest.raises(IRError, match="P103"):
        parse_module(text.replace("steps = T", "steps = 3"))


@pytest.mark.parametrize(
    ("old", "new", "code", "line", "column", "message"),
    [
        ("%a = relu(%x)", "%a = relu(%b)", "P003", 14, 17, "%b is not defined"),
        ("call(%n)", "call(%a)", "P004", 22, 13, "%a is defined in a region that has ended"),
        ("%a = relu(%x)", "%a = relu(%n)", "P004", 14, 17, "%n is used before its definition"),
        ("%a = relu(%x)", "%c = relu(%x)", "P002", 14, 7, "%c is defined twice"),
        ("    then ()", "    than ()", "P102", 12, 5, "if has no region 'than'"),
        ("    else ()", "    then ()", "P102", 16, 5, "region then is given twice"),
        ("(%a: f32[4])", "(%a: f32[5])", "P103", 12, 17, "output is declared f32[5] but %a is f32[4]"),
        ("if(%c)", "if(%x)", "P104", 11, 8, "condition must be bool[], got f32[4]"),
        ("then () ", "then (%q: f32[]) ", "P104", 11, 8, "region then takes no arguments"),
        ("else () -> (%x: f32[4])", "else () -> ()", "P104", 11, 8, "then yields (f32[4]) but else yields ()"),
        ("loop(@n,", "loop(%y,", "P104", 18, 14, "count must be i64[], got f32[4]"),
        ("%acc: f32[4]) ->", "%acc: f32[5]) ->", "P103", 19, 79, "output is declared f32[4] but %acc is f32[5]"),
        (", %y) {steps = 3}", ", @n) {steps = 3}", "P104", 18, 14, "body takes (i64[], bool[], f32[4]) but is given"),
        ("-> (%g: bool[], %n", "-> (%n", "P104", 18, 14, "body yields (f32[4], f32[4]), which does not start"),
        (" {steps = 3}", "", "P104", 18, 14, "steps must be given"),
        ("{callee = @helper}", "{callee = @helpr}", "P108", 22, 8, "there is no net @helpr"),
        ("%x: f32[4]) -> (%y: f32[4])", "%x: f32[5]) -> (%y: f32[4])", "P103", 7, 8, "add gives f32[5]"),
        ("callee = @helper} : f32[4]", "callee = @helper} : f32[5]", "P103", 9, 39, "%z is f32[5]"),
        ("callee = @helper} : f32[4]", "callee = @helper}", "P102", 22, 8, "types of the results of call must be"),
        ("{callee = @helper}", "{callee = @main}", "P108", 22, 8, "nets must not call themselves: @main -> @main"),
        ("{callee = @helper}", "{callee = 3}", "P102", 22, 8, "wants the name of a net such as @helper"),
        ("= add(%x, %x)", "= call(%x, %x) {callee = @main}", "P108", 7, 8, "@helper -> @main -> @helper"),
    ],
)
def test_errors(old: str, new: str, code: str, line: int, column: int, message: str) -> None:
    assert TEXT.count(old) >= 1
    with pytest.raises(IRError) as caught:
        parse_module(TEXT.replace(old, new, 1), "t.ir")
    found = [(d.code, d.span and d.span.line, d.span and d.span.column) for d in caught.value.diagnostics]
    assert (code, line, column) in found, str(caught.value)
    assert any(message in d.message for d in caught.value.diagnostics), str(caught.value)


def test_a_call_must_fit() -> None:
    with pytest.raises(IRError, match=r"@helper takes \(f32\[4\]\), not \(f32\[4\], f32\[4\]\)") as caught:
        parse_module(TEXT.replace("call(%n)", "call(%n, %n)"))
    assert caught.value.code == "P108"
    with pytest.raises(IRError, match=r"@helper gives \(f32\[4\]\), not \(f32\[5\]\)"):
        parse_module(TEXT.replace("} : f32[4]\n}", "} : f32[5]\n}").replace("(%z: f32[4],", "(%z: f32[5],"))


def test_damage_in_memory_is_found() -> None:
    module = parse_module(TEXT)
    choose, loop, _ = layers(module)
    (relu,) = choose.then
    choose.then.owner = loop
    loop.body.outputs = [relu.result, *loop.body.outputs[1:]]
    found = [(d.code, d.message) for d in diagnose(module)]
    assert ("P107", "a region of if belongs to another layer") in found
    assert ("P105", "output %a is not defined in its region") in found


def test_broken_references_in_memory_are_found() -> None:
    module = parse_module(TEXT.replace("relu(%x)", "add(%x, %x)"))
    choose, _, call = layers(module)
    (add,) = choose.then
    other = parse_module(TEXT)
    x = other.main.arguments[0]
    choose.then.set_operand(add, "a", x)
    call.region.set_operand(call, "arguments", (x,))
    found = [(d.code, d.message) for d in diagnose(module)]
    assert ("P004", "%x is used before its definition, or outside its region") in found
    module.main.body.last.results[0].owner = None
    x.users.clear()
    found = [(d.code, d.message) for d in diagnose(module)]
    assert ("P107", "result %z does not know its layer") in found
    assert ("P107", "<%x: f32[4]> does not know that this layer uses it") in found


def test_what_text_cannot_hold_is_not_valid_in_memory() -> None:
    module = parse_module(TEXT)
    module.main.body.insert(OpaqueLayer("sink", (module.main.arguments[0],)), None)
    module.main.arguments[0].type = TensorType(DType.F32, (-1,))
    found = [(d.code, d.message) for d in diagnose(module, allow_unknown=True)]
    assert ("P103", "sink makes no results, so that nothing can use it") in found
    assert ("P103", "%x has a negative dimension: f32[-1]") in found


def test_unknown_layers_keep_regions_names_and_any_attributes() -> None:
    text = """\
ir 1
net @main(%x: f32[4]) -> (%y: f32[4]) {
  %y = scan(%x, init = %x) {a = [1, [x, {k = 2.5, "odd key" = @main}]], b = f32[2xN] nhwc on gpu, c = f(1, g())}
    first (%v: f32[]) -> (%w: f32[]) {
      %w = relu(%v) : f32[]
    }
    second () -> () {
    } : f32[4]
}
"""
    text = text.replace("f32[2xN] nhwc", "f32[1x2x3xN] nhwc")
    module = parse_module(text, allow_unknown=True)
    (scan,) = module.main
    assert isinstance(scan, OpaqueLayer) and list(scan.bodies) == ["first", "second"]
    assert print_module(module) == text
    assert print_module(module.clone()) == text
    with pytest.raises(IRError, match="P101"):
        parse_module(text)
