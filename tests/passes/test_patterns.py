"""Patterns in IR text: what matches, and why not. Replacements are in test_pattern_replacements."""

from __future__ import annotations

from typing import Any

import pytest

from plait.ir import Layer, Module, Value
from plait.ir.text import parse_module
from plait.ir.values import Constant
from plait.passes.patterns.files import parse_patterns

HEAD = """ir 1
const @zero : f32[] = 0
const @half : f32[1] = [0.5]
const @tenth : f32[] = 0.1
const @ones : f32[4] = [1, 1, 1, 1]
const @mixed : f32[4] = [1, 2, 1, 1]
const @two : i64[] = 2
const @yes : bool[] = true
const @none : f32[0] = []
const @brain : bf16[2] = [0.1, 0.1]
const @word : string[] = "1"
const @w : f32[4x4x1x1] = [1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8]
weights "gone" {
  @far : f32[100]
}
net @main(%x: f32[1x4x6x6] nchw, %z: f32[1x4x6x6] nchw, %n: f32[Nx4], %h: f16[1x4x6x6] nhwc) -> () {
"""


def module_of(body: str) -> Module:
    return parse_module(f"{HEAD}{body}\n}}\n")


def match(pattern: str, body: str) -> dict[str, Any] | str:
    """What `pattern` (head, graph, constraints) binds at the last layer of a body, or why it does not match."""
    instead = "%x" if "%x" in pattern else "@k"
    (compiled,) = parse_patterns(f"ir 1\nrewrite @it {pattern} => {{ %y = tanh({instead}) }}")
    root = module_of(body).main.body.last
    assert root is not None
    bindings = compiled.graph.match(root)
    return bindings if isinstance(bindings, str) else {name: show(bound) for name, bound in bindings.items()}


def show(bound: object) -> object:
    if isinstance(bound, Value):
        return f"{'@' if isinstance(bound, Constant) else '%'}{bound.name}"
    return bound.op if isinstance(bound, Layer) else bound


def expect(pattern: str, body: str, wanted: dict[str, object] | str) -> None:
    """The pattern binds these names, perhaps among others; or it does not match, for a reason with this text."""
    found = match(pattern, body)
    if isinstance(wanted, str):
        assert isinstance(found, str), found
        assert wanted in found
    else:
        assert isinstance(found, dict), found
        assert wanted.items() <= found.items()


CHAIN = "(%x) { %a = tanh(%x) %y = relu(%a) }"


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("%p = tanh(%z)\n%q = relu(%p)", {"%x": "%z", "%a": "%p", "%y": "%q", "=%a": "tanh", "=%y": "relu"}),
        ("%p = sigmoid(%z)\n%q = relu(%p)", "%p is not made by tanh"),
        ("%q = relu(%z)", "%z is not made by tanh"),
        ("%q = tanh(%z)", "tanh is not relu"),
        ("%q = relu(@ones)", "@ones is not made by tanh"),
    ],
)
def test_a_chain(body: str, wanted: dict[str, object] | str) -> None:
    expect(CHAIN, body, wanted)


@pytest.mark.parametrize(
    ("operands", "wanted"),
    [
        ("%p, %x", {"%x": "%x", "%s": "%p"}),
        ("%x, %p", {"%x": "%x", "%s": "%p"}),
        ("%p, %z", "%x is not %z"),
        ("%p, %p", "%x is not %p"),
        ("%z, %x", "is not made by sigmoid"),
    ],
)
def test_operands_of_commutative_layers_match_in_either_order(operands: str, wanted: dict[str, object] | str) -> None:
    for op in ("mul", "add", "minimum", "maximum"):
        expect(f"(%x) {{ %s = sigmoid(%x) %y = {op}(%x, %s) }}", f"%p = sigmoid(%x)\n%q = {op}({operands})", wanted)


def test_named_operands_and_those_of_other_layers_keep_their_order() -> None:
    for op, slots in (("mul", "a = %x, b = %s"), ("mul", "%x, b = %s"), ("sub", "%x, %s")):
        pattern = f"(%x) {{ %s = sigmoid(%x) %y = {op}({slots}) }}"
        expect(pattern, f"%p = sigmoid(%x)\n%q = {op}(%x, %p)", {"%x": "%x"})
        expect(pattern, f"%p = sigmoid(%x)\n%q = {op}(%p, %x)", "%x is not made by sigmoid")


@pytest.mark.parametrize("operands", ["%p, %q", "%q, %p"])
def test_constraints_decide_between_the_orders(operands: str) -> None:
    pattern = "(%x, %b) { %y = add(%x, %b) } where one_use(%x), not one_use(%b)"
    expect(pattern, f"%p = tanh(%z)\n%q = relu(%p)\n%y = add({operands})", {"%x": "%q", "%b": "%p"})


def test_a_name_twice_is_one_value() -> None:
    pattern = "(%x) { %y = sub(%x, %x) }"
    expect(pattern, "%q = sub(%z, %z)", {"%x": "%z"})
    expect(pattern, "%q = sub(%x, %z)", "%z is not %x")


def test_percent_names_match_constants_too() -> None:
    expect("(%x, %b) { %y = sub(%x, %b) }", "%q = sub(%x, @half)", {"%b": "@half"})
    expect("(%x, @k) { %y = sub(%x, @k) }", "%q = sub(%x, @half)", {"@k": "@half"})
    expect("(%x, @k) { %y = sub(%x, @k) }", "%q = sub(%x, %z)", "%z is not a constant")


def test_a_layer_may_be_read_by_several_others() -> None:
    pattern = "(%x) { %s = tanh(%x) %a = relu(%s) %b = sigmoid(%s) %y = sub(%a, %b) }"
    expect(pattern, "%s = tanh(%x)\n%a = relu(%s)\n%b = sigmoid(%s)\n%q = sub(%a, %b)", {"%s": "%s"})
    expect(pattern, "%s = tanh(%x)\n%t = tanh(%x)\n%a = relu(%s)\n%b = sigmoid(%t)\n%q = sub(%a, %b)", "%t is not %s")


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("%q = sub(%p, %r)", {"%x": "%x", "%a": "%p"}),
        ("%q = sub(%r, %p)", "%r is another result of split than %a"),
        ("%q = sub(%p, %p)", "%p is not %r"),
    ],
)
def test_each_of_several_results_is_matched(body: str, wanted: dict[str, object] | str) -> None:
    pattern = "(%x) { %a, %b = split(%x) {...} %y = sub(%a, %b) }"
    expect(pattern, f"%p, %r = split(%x) {{sizes = [2, 2]}}\n{body}", wanted)


def test_the_number_of_results_counts() -> None:
    pattern = "(%x) { %a, %b = split(%x) {...} %y = sub(%a, %b) }"
    expect(pattern, "%p, %q, %r = split(%x) {sizes = [1, 1, 2]}\n%y = sub(%p, %q)", "%p (split) has 3 results")


# --- operands ---


@pytest.mark.parametrize(
    ("written", "there", "wanted"),
    [
        ("%x, %w", "%x, @w", {"%w": "@w"}),
        ("%x, %w", "%x, @w, @ones", "%y (conv2d) has a bias"),
        ("%x, %w, %b", "%x, @w, @ones", {"%b": "@ones"}),
        ("%x, %w, %b", "%x, @w", "%y (conv2d) has no bias"),
        ("%x, %w, ...", "%x, @w", {}),
        ("%x, %w, ...", "%x, @w, @ones, %z", {}),
        ("%x, %w, residual = %b", "%x, @w, residual = %z", {"%b": "%z"}),
        ("%x, %w, residual = %b", "%x, @w, @ones, %z", "%y (conv2d) has a bias"),
        ("weight = %w, x = %x", "%x, @w", {"%x": "%x", "%w": "@w"}),
        ("%x, ...", "%x, @w, residual = %z", {}),
    ],
)
def test_operands_left_out_must_be_absent(written: str, there: str, wanted: dict[str, object] | str) -> None:
    head = ", ".join(name for name in ("%x", "%w", "%b") if name in written)
    expect(f"({head}) {{ %y = conv2d({written}) }}", f"%y = conv2d({there})", wanted)


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("%x, %b", "%y (concat) has 3 operands"),
        ("%x, %b, %c", {"%x": "%x", "%b": "%z", "%c": "%x"}),
        ("%x, %b, ...", {"%b": "%z"}),
        ("%x, %b, %x, ...", {"%b": "%z"}),
        ("%x, %b, %c, %d, ...", "%y (concat) has 3 operands"),
    ],
)
def test_repeated_operands(written: str, wanted: dict[str, object] | str) -> None:
    head = ", ".join(dict.fromkeys(name for name in written.split(", ") if name != "..."))
    expect(f"({head}) {{ %y = concat({written}) }}", "%y = concat(%x, %z, %x)", wanted)


# --- attributes ---


@pytest.mark.parametrize(
    ("written", "there", "wanted"),
    [
        ("", "", {}),
        ("", "{act = relu}", "%y (conv2d) has act = relu"),
        ("{act = none}", "", {}),
        ("{act = relu}", "{act = relu}", {}),
        ("{act = clip(0, 6)}", "{act = relu6}", {}),
        ("{act = relu6}", "{act = relu}", "%y (conv2d) has act = relu"),
        ("{pad = 1}", "{pad = [1, 1, 1, 1]}", {}),
        ("{pad = 1}", "{pad = [1, 1, 1, 2]}", "%y (conv2d) has pad = [1, 1, 1, 2]"),
        ("{...}", "{pad = 1, act = relu}", {}),
        ("{act = relu, ...}", "{pad = 1, act = relu}", {}),
        ("{act = relu, ...}", "{pad = 1}", "%y (conv2d) has act = none"),
        ("{..., act = relu}", "{pad = 1}", "%y (conv2d) has act = none"),
        ("{pad = $p, dilation = $d}", "{pad = 1}", {"$p": (1, 1, 1, 1), "$d": (1, 1)}),
        ("{stride = $s, dilation = $s, ...}", "{pad = 1}", {"$s": (1, 1)}),
        ("{stride = $s, dilation = $s}", "{stride = 2}", "%y (conv2d) has dilation = [1, 1]"),
    ],
)
def test_attributes_left_out_have_their_default(written: str, there: str, wanted: dict[str, object] | str) -> None:
    expect(f"(%x, %w) {{ %y = conv2d(%x, %w) {written} }}", f"%y = conv2d(%x, @w) {there}", wanted)


def test_required_attributes() -> None:
    expect("(%x) { %y = unary(%x) {fn = exp} }", "%y = unary(%x) {fn = exp}", {})
    expect("(%x) { %y = unary(%x) {fn = exp} }", "%y = unary(%x) {fn = log}", "%y (unary) has fn = log")
    expect("(%x) { %y = unary(%x) {fn = $f} }", "%y = unary(%x) {fn = log}", {"$f": "log"})


# --- types ---


@pytest.mark.parametrize(
    ("type", "operand", "wanted"),
    [
        ("f32", "%x", True),
        ("f16", "%x", False),
        ("any", "%x", True),
        ("any[...]", "%n", True),
        ("f32[1x4x6x6]", "%x", True),
        ("f32[1x4x6x7]", "%x", False),
        ("f32[1x4x6]", "%x", False),
        ("f32[?x4x?x?]", "%x", True),
        ("f32[AxBxCxC]", "%x", {"A": 1, "B": 4, "C": 6}),
        ("f32[AxBxBxC]", "%x", False),
        ("f32[...x6]", "%x", True),
        ("f32[1x...]", "%x", True),
        ("f32[1x...x7]", "%x", False),
        ("f32[1x4x6x...x6x6]", "%x", False),
        ("f32[Mx4]", "%n", True),
        ("f32[]", "@zero", True),
        ("f32[]", "@half", False),
        ("any[?x?x?x?] nchw", "%x", True),
        ("any[?x?x?x?] nhwc", "%x", False),
        ("any[?x?x?x?] nhwc", "%h", True),
        ("any on cpu", "%x", True),
        ("any on gpu", "%x", False),
    ],
)
def test_types_of_free_values(type: str, operand: str, wanted: dict[str, object] | bool) -> None:
    refusal = f"{operand} has type"
    bound = {} if wanted is True else wanted or refusal
    expect(f"(%x: {type}) {{ %y = relu(%x) }}", f"%y = relu({operand})", bound)


def test_types_of_results() -> None:
    pattern = "(%x) {{ %a = tanh(%x) : {} %y = relu(%a) : {} }}"
    body = "%a = tanh(%n)\n%y = relu(%a)"
    expect(pattern.format("f32[Mx4]", "f32[Mx4]"), body, {})
    expect(pattern.format("f16", "any"), body, "%a has type f32[Nx4], not f16")
    expect(pattern.format("any", "f32[4x...]"), body, "%y has type f32[Nx4], not f32[4x...]")


def test_dimensions_of_several_types_are_compared() -> None:
    pattern = "(%x: any[RxC], %w: any[CxR]) { %y = matmul(%x, %w) }"
    expect(pattern, "%t = transpose(%n) {perm = [1, 0]}\n%y = matmul(%n, %t)", {"%w": "%t"})
    expect(pattern, "%s = shape(%n)\n%t = reshape(@ones) {shape = [4, 1]}\n%y = matmul(%n, %t)", "%t has type f32[4x1]")


# --- constraints ---


@pytest.mark.parametrize(
    ("constraint", "holds"),
    [
        ("constant(%k)", True),
        ("not constant(%k)", False),
        ("constant(%x)", False),
        ("one_use(%x)", False),
        ("one_use(%t)", True),
        ("not one_use(%x), one_use(%t)", True),
        ("rank(%x) == 4", True),
        ("rank(%x) != 4", False),
        ("not rank(%x) != 4", True),
        ("rank(%x) < 5", True),
        ("4 <= rank(%x)", True),
        ("rank(%x) > 4", False),
        ("rank(%x) >= 4", True),
        ("rank(%x) == rank(%t)", True),
        ("dtype(%x) == f32", True),
        ("dtype(%x) != f32", False),
        ("dtype(%x) in [f16, f32]", True),
        ("dtype(%x) in [f16, i8]", False),
        ("dtype(%x) == dtype(%k)", True),
        ("layout(%x) == nchw", True),
        ("layout(%x) in [nhwc]", False),
        ("shape(%x) == [1, 4, 6, 6]", True),
        ("shape(%x) == [1, 4, 6]", False),
        ("[1, 4, 6, 6] == shape(%x)", True),
        ("shape(%x) == shape(%t)", True),
        ("shape(%x) == shape(%k)", False),
        ("shape(%x) in [[4], [1, 4, 6, 6]]", True),
        ("dim(%x, 1) == 4", True),
        ("dim(%x, -1) == 6", True),
        ("dim(%x, 1) % 4 == 0", True),
        ("dim(%x, 1) % 16 == 0", False),
        ("dim(%x, 1) + 2 == dim(%x, 2)", True),
        ("dim(%x, 2) * 2 - 2 == 10", True),
        ("dim(%x, 2) / 4 == 1", True),
        ("dim(%x, 4) == 1", False),
        ("not dim(%x, 4) == 1", False),
        ("dim(%x, 1) % 0 == 0", False),
        ("value(@k) == 0.5", True),
        ("value(@k) != 0.5", False),
        ("value(@k) * 2 == 1", True),
        ("1 / value(@k) == 2", True),
        ("value(@k) < 1", True),
        ("value(@k) in [0.25, 0.5]", True),
        ("value(@k) == value(@k)", True),
        ("$f == exp", True),
        ("$f != exp", False),
        ("$f in [exp, log]", True),
        ("not $f in [exp, log]", False),
        ("$f == $f", True),
    ],
)
def test_constraints(constraint: str, holds: bool) -> None:
    pattern = f"(%x, @k) {{ %t = unary(%x) {{fn = $f}} %k = add(@k, @k) %y = sub(%t, %k) }} where {constraint}"
    body = "%u = tanh(%x)\n%t = unary(%x) {fn = exp}\n%k = add(@half, @half)\n%y = sub(%t, %k)"
    if "constant(%k)" in constraint:
        pattern, body = (
            pattern.replace("%k = add(@k, @k) ", "").replace("@k", "%k"),
            body.replace("%k = add(@half, @half)\n", "").replace("%k", "@half"),
        )
    expect(pattern, body, {} if holds else "does not hold")


@pytest.mark.parametrize(
    ("constant", "constraint", "holds"),
    [
        ("@tenth", "value(@k) == 0.1", True),
        ("@tenth", "0.1 == value(@k)", True),
        ("@tenth", "value(@k) == 0.1001", False),
        ("@ones", "value(@k) == 1", True),
        ("@mixed", "value(@k) == 1", False),
        ("@mixed", "not value(@k) == 1", False),
        ("@none", "value(@k) == 1", False),
        ("@brain", "value(@k) == 0.1", True),
        ("@brain", "value(@k) * 2 < 0.3", True),
        ("@word", "value(@k) == 1", False),
        ("@far", "value(@k) == 1", False),
        ("@two", "value(@k) == 2", True),
        ("@two", "value(@k) / 2 == 1", True),
        ("@two", "value(@k) == 2.5", False),
        ("@yes", "value(@k) == 1", True),
        ("@tenth", "value(@k) * 1e300 * 1e300 == 1", False),
    ],
)
def test_values_of_constants(constant: str, constraint: str, holds: bool) -> None:
    wanted: dict[str, object] | str = {"@k": constant} if holds else "does not hold"
    expect(
        f"(@k) {{ %y = reshape(@k) {{...}} }} where {constraint}", f"%y = reshape({constant}) {{shape = [-1]}}", wanted
    )


@pytest.mark.parametrize(
    ("constraint", "holds"),
    [
        ("$s == [1, 1]", True),
        ("$s == 1", True),
        ("$s != 1", False),
        ("$p == 1", True),
        ("$a in [relu, clip(0, 6)]", True),
        ("$a == relu6", True),
        ("$a != clip(0, 6)", False),
        ("$a in [none, relu]", False),
        ("$g == 1", True),
        ("$g + 1 == 2", True),
        ("$g >= rank(%x)", False),
        ("dim(%x, 1) % $g == 0", True),
        ("$s + 1 == 2", False),
    ],
)
def test_attribute_variables_are_compared_as_the_layer_reads_them(constraint: str, holds: bool) -> None:
    pattern = "(%x, %w) { %y = conv2d(%x, %w) {stride = $s, pad = $p, act = $a, groups = $g} }"
    body = "%y = conv2d(%x, @w) {pad = 1, act = relu6}"
    expect(f"{pattern} where {constraint}", body, {} if holds else "does not hold")


def test_symbolic_dimensions_have_no_order_but_arithmetic() -> None:
    for constraint, holds in (
        ("dim(%x, 0) == dim(%x, 0)", True),
        ("dim(%x, 0) * 2 / 2 == dim(%x, 0)", True),
        ("dim(%x, 0) % 2 == 0", False),
        ("dim(%x, 0) < 5", False),
        ("not dim(%x, 0) < 5", False),
        ("dim(%x, 0) * 1.5 == 3", False),
    ):
        expect(f"(%x) {{ %y = relu(%x) }} where {constraint}", "%y = relu(%n)", {} if holds else "does not hold")


def test_a_reason_names_the_constraint() -> None:
    pattern = "(%x) { %y = relu(%x) } where rank(%x) == 2, not dim(%x, 1) % 4 - 1 == 3"
    assert match(pattern, "%y = relu(%x)") == "rank(%x) == 2 does not hold"
    assert match(pattern.replace("== 2", "== 4").replace("== 3", "== -1"), "%y = relu(%x)") == (
        "not dim(%x, 1) % 4 - 1 == -1 does not hold"
    )
    assert match(pattern.replace("dim(%x, 1)", "dim(%x, 7)").replace("== 2", "== 4"), "%y = relu(%x)") == (
        "not dim(%x, 7) % 4 - 1 == 3 does not hold: %x has 4 dimensions"
    )
