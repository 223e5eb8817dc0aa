"""What patterns in IR text put in place, and when they refuse to."""

from __future__ import annotations

import pytest

from plait.ir import Module, verify
from plait.ir.diagnostics import Location
from plait.ir.text import parse_module
from plait.passes.base import PassContext
from plait.passes.patterns.files import parse_patterns
from plait.passes.rewriting import rewrite_module
from plait.testing.equivalence import assert_equivalent

HEAD = """ir 1
const @zero : f32[] = 0
const @ones : f32[4] = [1, 1, 1, 1]
const @w : f32[4x4x1x1] = [1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8]
net @main(%x: f32[1x4x6x6] nchw, %z: f32[1x4x6x6] nchw, %n: f32[Nx4]) -> ("out" = %y: {type}) {
"""


def module_of(body: str, type: str) -> Module:
    return parse_module(f"{HEAD.replace('{type}', type)}{body}\n}}\n")


def layers(module: Module) -> list[str]:
    """The layers as text, without types and locations."""
    inside = str(module).partition("{\n")[2].splitlines()
    return [line.strip().partition(" : ")[0] for line in inside if " = " in line]


def rewritten(pattern: str, body: str, type: str = "f32[1x4x6x6] nchw", numbers: bool = True) -> Module | list[str]:
    """The module after a pattern, or why it refused; checked: valid, idempotent, the same numbers."""
    patterns = parse_patterns(f"ir 1\nrewrite @it {pattern}")
    module, context = module_of(body, type), PassContext(current="test")
    if not rewrite_module(module, patterns, context):
        assert str(module) == str(module_of(body, type))
        return [r.reason for r in context.refusals]
    verify(module)
    if numbers:
        assert_equivalent(module, module_of(body, type))
    assert not rewrite_module(module, patterns, PassContext())
    return module


def check(pattern: str, body: str, wanted: list[str], type: str = "f32[1x4x6x6] nchw", numbers: bool = True) -> Module:
    module = rewritten(pattern, body, type, numbers)
    assert isinstance(module, Module), module
    assert layers(module) == wanted
    return module


SILU = "(%x) { %s = sigmoid(%x) %y = mul(%x, %s) } => { %y = silu(%x) }"


def test_a_layer_takes_the_place_of_several() -> None:
    body = '%a = sigmoid(%x) loc "m":"s"\n%y = mul(%a, %x) loc "m":"m"'
    module = check(SILU, body, ["%y = silu(%x)"])
    (layer,) = module.main
    assert layer.locations == (Location("m", "s"), Location("m", "m"))


def test_inner_layers_with_other_readers_stay() -> None:
    body = "%a = sigmoid(%x)\n%b = mul(%x, %a)\n%y = add(%a, %b)"
    check(SILU, body, ["%a = sigmoid(%x)", "%b = silu(%x)", "%y = add(%a, %b)"])


def test_inner_values_may_be_read_by_the_replacement() -> None:
    pattern = "(%x) { %a = relu(%x) %b = relu(%a) %y = tanh(%b) } => { %y = tanh(%a) }"
    check(pattern, "%a = relu(%x)\n%b = relu(%a)\n%y = tanh(%b)", ["%a = relu(%x)", "%y = tanh(%a)"])


def test_a_value_takes_the_place_of_a_layer() -> None:
    pattern = "(%x, @k) { %y = add(%x, @k) } where value(@k) == 0 => %x"
    check(pattern, "%a = tanh(%x)\n%y = add(%a, @zero)", ["%a = tanh(%x)"])
    module = check(pattern, "%y = add(@zero, %x)", [])
    assert "zero" not in module.constants
    inner = "(%x) { %a = relu(%x) %y = relu(%a) } => %a"
    check(inner, "%b = relu(%x)\n%y = relu(%b)", ["%b = relu(%x)"])
    constant = "(%x, @k) { %y = sub(%x, @k) } where shape(%x) == shape(@k) => @k"
    check(constant, "%y = sub(@ones, @ones)", [], "f32[4]", numbers=False)


def test_several_layers_in_place_of_one() -> None:
    pattern = "(%x) { %y = silu(%x) } => { %s = sigmoid(%x) %y = mul(%x, %s) }"
    body = '%y = silu(%x) loc "m":"s"'
    module = check(pattern, body, ["%y.s = sigmoid(%x)", "%y = mul(%x, %y.s)"])
    assert [layer.locations for layer in module.main] == [(Location("m", "s"),)] * 2


def test_results_correspond_by_name() -> None:
    swap = "(%x) { %a, %b = split(%x) {sizes = $s, axis = 1} } => { %b, %a = split(%x) {sizes = $s, axis = -3} }"
    module = check(
        swap,
        "%p, %q = split(%x) {sizes = [2, 2]}\n%y = sub(%p, %q)",
        ["%q, %p = split(%x) {sizes = [2, 2], axis = -3}", "%y = sub(%p, %q)"],
        "f32[1x2x6x6] nchw",
        numbers=False,
    )
    assert len(module.main.body) == 2
    slices = """(%x) { %a, %b = split(%x) {sizes = [1, 3]} } => {
      %b = slice(%x) {axes = [1], starts = [1], stops = [4]}
      %a = slice(%x) {axes = [1], starts = [0], stops = [1]}
    }"""
    wanted = [
        "%q = slice(%x) {axes = [1], starts = [1], stops = [4]}",
        "%p = slice(%x) {axes = [1], starts = [0], stops = [1]}",
        "%y = mul(%p, %q)",
    ]
    check(slices, "%p, %q = split(%x) {sizes = [1, 3]}\n%y = mul(%p, %q)", wanted, "f32[1x3x6x6] nchw")


# --- attributes and operands carried over ---


@pytest.mark.parametrize(
    ("there", "wanted"),
    [
        ("%x, @w", "%y = conv2d(%x, @w) {act = relu}"),
        ("%x, @w, @ones", "%y = conv2d(%x, @w, @ones) {act = relu}"),
        ("%x, @w, residual = %z", "%y = conv2d(%x, @w, residual = %z) {act = relu}"),
        ("%x, @w, @ones, %z", "%y = conv2d(%x, @w, @ones, %z) {act = relu}"),
    ],
)
def test_dots_carry_over_operands(there: str, wanted: str) -> None:
    pattern = (
        "(%x, %w) { %c = conv2d(%x, %w, ...) {act = none, ...} %y = relu(%c) } where one_use(%c) => {"
        " %y = conv2d(%x, %w, ...) {act = relu, ...} }"
    )
    check(pattern, f"%c = conv2d({there})\n%y = relu(%c)", [wanted])


def test_dots_carry_over_attributes_and_variables_move_them() -> None:
    dots = (
        "(%x, %w) { %c = conv2d(%x, %w) {act = none, ...} %y = relu(%c) } => { %y = conv2d(%x, %w) {act = relu, ...} }"
    )
    body = "%c = conv2d(%x, @w) {pad = 1, stride = 2, groups = 1}\n%y = relu(%c)"
    check(dots, body, ["%y = conv2d(%x, @w) {stride = [2, 2], pad = [1, 1, 1, 1], act = relu}"], "f32[1x4x4x4] nchw")
    variables = dots.replace("act = none, ...", "stride = $s, pad = $p").replace(
        "act = relu, ...", "act = relu, pad = $p, stride = $s"
    )
    check(
        variables, body, ["%y = conv2d(%x, @w) {stride = [2, 2], pad = [1, 1, 1, 1], act = relu}"], "f32[1x4x4x4] nchw"
    )


def test_dots_may_stand_for_required_operands() -> None:
    pattern = "(%x) { %y = conv2d(%x, ...) {act = relu, ...} } => { %c = conv2d(%x, ...) %y = relu(%c) }"
    check(pattern, "%y = conv2d(%x, @w) {act = relu}", ["%y.c = conv2d(%x, @w)", "%y = relu(%y.c)"])


def test_dots_of_repeated_operands_are_those_that_follow() -> None:
    pattern = "(%a, %b) { %y = concat(%a, %b, ...) {axis = 1} } => { %y = concat(%b, %a, ...) {axis = -3} }"
    body = "%y = concat(%x, %z, %x, %z) {axis = 1}"
    check(pattern, body, ["%y = concat(%z, %x, %x, %z) {axis = -3}"], "f32[1x16x6x6] nchw", numbers=False)


def test_dots_copy_from_the_layer_of_the_same_name() -> None:
    pattern = """(%x) { %a = transpose(%x) {...} %y = transpose(%a) {...} %z = tanh(%y) } => {
      %a2 = tanh(%x)
      %b = transpose(%a2) {perm = [0, 2, 3, 1]}
      %y2 = transpose(%b) {perm = [0, 3, 1, 2]}
      %z = relu(%y2)
    }"""
    body = "%a = transpose(%x) {perm = [0, 2, 3, 1]}\n%b = transpose(%a) {perm = [0, 3, 1, 2]}\n%y = tanh(%b)"
    module = check(
        pattern,
        body,
        [
            "%y.a2 = tanh(%x)",
            "%y.b = transpose(%y.a2) {perm = [0, 2, 3, 1]}",
            "%y.y2 = transpose(%y.b) {perm = [0, 3, 1, 2]}",
            "%y = relu(%y.y2)",
        ],
        numbers=False,
    )
    assert len(module.main.body) == 4
    same = "(%x) { %a = transpose(%x) {...} %y = transpose(%a) {perm = $p} } => { %y = transpose(%x) {...} }"
    reasons = rewritten(
        same, "%a = transpose(%x) {perm = [0, 2, 3, 1]}\n%y = transpose(%a) {perm = [0, 2, 3, 1]}", "f32[1x6x4x6] nchw"
    )
    assert reasons == [
        "%x is not made by transpose",
        "the replacement has type f32[1x6x6x4] nchw, not f32[1x6x4x6] nchw",
    ]


# --- formats, types ---


def test_the_format_of_the_result_is_kept() -> None:
    body = "%a = sigmoid(%x) : f32[1x4x6x6] nhwc\n%y = mul(%x, %a) : f32[1x4x6x6] nhwc via cpu/f32/mul !2.5us"
    module = check(SILU, body, ["%y = silu(%x)"], "f32[1x4x6x6] nhwc")
    (layer,) = module.main
    assert (str(layer.result.type), layer.via, layer.cost_us) == ("f32[1x4x6x6] nhwc", None, None)


@pytest.mark.parametrize(
    ("pattern", "body", "type", "reason"),
    [
        ("(%x, @k) { %y = add(%x, @k) } => %x", "%y = add(@zero, @ones)", "f32[4]", "type f32[], not f32[4]"),
        ("(%x) { %y = relu(%x) } => { %y = shape(%x) }", "%y = relu(%n)", "f32[Nx4]", "has type i64[2], not f32[Nx4]"),
        (
            "(%x) { %y = relu(%x) } => { %t = transpose(%x) {perm = [1, 0]} %y = tanh(%t) }",
            "%y = relu(%x)",
            "f32[1x4x6x6] nchw",
            "the replacement cannot be made: ",
        ),
        (
            "(%x) { %y = relu(%x) } => { %y = transpose(%x) {perm = [1, 0]} }",
            "%y = relu(%x)",
            "f32[1x4x6x6] nchw",
            "the replacement cannot be made: ",
        ),
        (
            "(%x) { %y = unary(%x) {fn = $f} } => { %y = transpose(%x) {perm = $f} }",
            "%y = unary(%x) {fn = exp}",
            "f32[1x4x6x6] nchw",
            "the replacement cannot be made: wants an integer",
        ),
        (
            "(%x) { %y = relu(%x) } => { %a, %b = tanh(%x) %y = add(%a, %b) }",
            "%y = relu(%x)",
            "f32[1x4x6x6] nchw",
            "tanh makes 1 results, not 2",
        ),
    ],
)
def test_what_cannot_stand_in_place_is_refused(pattern: str, body: str, type: str, reason: str) -> None:
    found = rewritten(pattern, body, type)
    assert isinstance(found, list) and any(reason in one for one in found), found


def test_patterns_go_by_their_benefit() -> None:
    texts = (
        "rewrite @one {benefit = 1} (%x) { %y = tanh(%x) } => { %y = relu(%x) }",
        "rewrite @two {benefit = 2} (%x) { %y = tanh(%x) } => { %y = sigmoid(%x) }",
    )
    for text in ("\n".join(texts), "\n".join(reversed(texts))):
        module = module_of("%y = tanh(%x)", "f32[1x4x6x6] nchw")
        patterns = parse_patterns(f"ir 1\n{text}")
        assert {p.name: p.benefit for p in patterns} == {"one": 1, "two": 2}
        assert rewrite_module(module, patterns, PassContext())
        assert layers(module) == ["%y = sigmoid(%x)"]
