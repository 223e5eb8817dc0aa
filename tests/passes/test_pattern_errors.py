"""Every mistake in a pattern file is reported, at its line and column."""

from __future__ import annotations

from pathlib import Path

import pytest

from plait.ir.diagnostics import IRError
from plait.passes.patterns.files import load_patterns, parse_patterns


def errors(text: str) -> list[tuple[str, int, str, str, str]]:
    """(code, line, the text at the place, message, hint) of each error."""
    with pytest.raises(IRError) as caught:
        parse_patterns(text, "my.pdl")
    found = []
    for d in caught.value.diagnostics:
        assert d.span is not None and d.span.file == "my.pdl"
        line = text.splitlines()[d.span.line - 1]
        found.append((d.code, d.span.line, line[d.span.column - 1 : d.span.end - 1], d.message, d.hint))
    return found


MATCH = "%y = relu(%x)"
WITH = "%y = tanh(%x)"


def pattern(head: str = "%x", match: str = MATCH, where: str = "", instead: str = f"{{ {WITH} }}") -> str:
    """A pattern with its head on line 2, the match on line 3, constraints on line 4, the replacement on line 5."""
    return f"ir 1\nrewrite @it ({head}) {{\n{match}\n}} {'where ' if where else ''}{where}\n=> {instead}\n"


def wrong(code: str, line: int, at: str, message: str, **parts: str) -> object:
    return pytest.param(pattern(**parts), code, line, at, message, id=f"{code}-{message[:40]}")


CONV = "%y = conv2d(%x, %w) {act = $a, ...}"


@pytest.mark.parametrize(
    ("text", "code", "line", "at", "message"),
    [
        # layers
        wrong("P101", 3, "rely", "unknown layer 'rely'", match="%y = rely(%x)"),
        wrong("P101", 5, "rely", "unknown layer 'rely'", instead="{ %y = rely(%x) }"),
        wrong("P102", 3, "lwo", "clip has no attribute 'lwo'", match="%y = clip(%x) {lwo = 1}"),
        wrong("P102", 3, "low", "attribute low is given twice", match="%y = clip(%x) {low = 1, low = 1}"),
        wrong("P102", 3, "low", "clip: low: wants a number", match='%y = clip(%x) {low = "a"}'),
        wrong("P102", 5, "act", "add: act: unknown activation 'x'", instead="{ %y = add(%x, %x) {act = x} }"),
        wrong("P102", 3, "unary", "unary needs attribute fn", match="%y = unary(%x)"),
        wrong("P102", 5, "unary", "unary needs attribute fn", instead="{ %y = unary(%x) }"),
        wrong("P102", 3, "add", "add needs operand b", match="%y = add(%x)"),
        wrong("P102", 5, "add", "add needs operand b", instead="{ %y = add(%x) }"),
        wrong("P102", 3, "%x", "relu takes at most 1 operands", match="%y = relu(%x, %x)"),
        wrong("P102", 3, "q", "relu has no operand 'q'", match="%y = relu(%x, q = %x)"),
        wrong("P102", 3, "a", "operand a is given twice", match="%y = add(%x, a = %x, b = %x)"),
        wrong("P103", 3, "relu", "1 results but 2 types", match="%y = relu(%x) : f32, f32"),
        # names
        wrong("P002", 2, "%x", "%x is defined twice", head="%x, %x"),
        wrong("P002", 3, "%x", "%x is defined twice", match="%x = relu(%x) %y = relu(%x)", instead="%x"),
        wrong("P002", 3, "%y", "%y is defined twice", match="%y = relu(%x) %y = relu(%y)"),
        wrong("P002", 5, "%x", "%x is defined twice", instead="{ %x = tanh(%x) %y = tanh(%x) }"),
        wrong("P002", 5, "%y", "%y is defined twice", instead="{ %y = tanh(%x) %y = tanh(%x) }"),
        wrong("P004", 3, "%a", "%a is used before its definition", match="%y = relu(%a) %a = relu(%x)", instead="%x"),
        wrong("P211", 3, "%q", "%q is neither in the head nor made by a layer", match="%y = add(%x, %q)"),
        wrong("P211", 5, "%q", "%q is not in the match graph", instead="{ %y = tanh(%q) }"),
        wrong("P211", 5, "@q", "@q is not in the match graph", instead="@q"),
        wrong("P211", 5, "%y", "%y is what is replaced: the replacement cannot", instead="{ %y = tanh(%y) }"),
        wrong("P211", 5, "$a", "$a is not in the match graph", instead="{ %y = clip(%x) {low = $a} }"),
        wrong("P211", 5, "...", "of which there is no layer", instead="{ %y = clip(%x) {...} }"),
        wrong(
            "P211",
            5,
            "...",
            "'...' could copy from 2 layers of kind clip",
            match="%a = clip(%x) {...} %b = clip(%a) {...} %y = relu(%b)",
            instead="{ %c = clip(%x) {...} %y = relu(%c) }",
        ),
        # types
        wrong("P006", 2, "f31", "unknown dtype 'f31'", head="%x: f31[...]"),
        wrong("P006", 2, "[1xx]", "is not a dimension of a pattern", head="%x: f32[1xx]"),
        wrong("P006", 2, "[H*2]", "'H*2' is not a dimension", head="%x: f32[H*2]"),
        wrong("P006", 2, "[...x...]", "'...' stands twice", head="%x: f32[...x...]"),
        wrong("P006", 2, "nhcw", "unknown layout 'nhcw'", head="%x: f32[...] nhcw"),
        wrong("P006", 3, "f31", "unknown dtype 'f31'", match="%y = relu(%x) : f31"),
        wrong("P212", 5, "f32", "a replacement states no types", instead="{ %y = tanh(%x) : f32 }"),
        wrong("P006", 3, "f31", "unknown dtype 'f31'", match="%y = clip(%x) {low = f31[4]}"),
        wrong("P006", 4, "f31", "unknown dtype 'f31'", where="shape(%x) == [f31[4]]"),
        wrong("P006", 2, '%"\\q"', "is not a string", head='%"\\q"'),
        wrong("P006", 4, "shape", "nested more than", where=f"shape(%x) == {'[' * 2000}{']' * 2000}"),
        wrong("P102", 3, "if", "if holds regions, which patterns", match="%y = if(%x)"),
        wrong("P212", 5, "call", "the types of call follow from nothing", instead="{ %y = call(%x) {callee = @f} }"),
        # graphs
        wrong("P210", 2, "@it", "@it matches no layer", match="", head=""),
        wrong("P210", 3, "%a", "%a has no part in %y", match="%a = relu(%x) %y = relu(%x)"),
        wrong("P210", 2, "%z", "%z is not an operand of any layer", head="%x, %z"),
        wrong("P210", 5, "%t", "%t is not used in the replacement", instead="{ %t = relu(%x) %y = relu(%x) }"),
        wrong("P212", 3, "%y", "the replacement does not define %y", instead="{ %z = relu(%x) }"),
        wrong("P212", 5, "%x", "one value cannot stand for 2 results", match="%a, %y = split(%x) {...}", instead="%x"),
        wrong("P212", 5, "%y", "%y is what is replaced", instead="%y"),
        # constraints
        wrong("P213", 4, "one_us", "unknown constraint 'one_us'", where="one_us(%x)"),
        wrong("P213", 4, "rank", "rank(%x) is not a condition", where="rank(%x)"),
        wrong("P213", 4, "dim", "dim takes 2 arguments, got 1", where="dim(%x) == 1"),
        wrong("P213", 4, "%x", "wants an integer, got %x", where="dim(%x, %x) == 1"),
        wrong("P213", 4, "1.5", "wants an integer, got 1.5", where="dim(%x, 1.5) == 1"),
        wrong("P213", 4, "%x", "wants a constant of the match graph, got %x", where="value(%x) == 1"),
        wrong("P213", 4, "1", "wants a value of the match graph, got 1", where="rank(1) == 1"),
        wrong("P211", 4, "%q", "%q is not in the match graph", where="one_use(%q)"),
        wrong("P211", 4, "$q", "$q is not in the match graph", where="$q == 1"),
        wrong("P213", 4, "1", "1 == 1 does not depend on the match", where="1 == 1"),
        wrong("P213", 4, "1", "1 + 2 == 3 does not depend on the match", where="1 + 2 == 3"),
        wrong("P213", 4, "rank", "rank(%x) and f32 cannot be compared by ==", where="rank(%x) == f32"),
        wrong("P213", 4, "rank", "rank(%x) and shape(%x) cannot be compared by ==", where="rank(%x) == shape(%x)"),
        wrong("P213", 4, "shape", "shape(%x) and [1] cannot be compared by <", where="shape(%x) < [1]"),
        wrong("P213", 4, "one_use", "one_use(%x) and true cannot be compared by ==", where="one_use(%x) == true"),
        wrong("P213", 4, "rank", "rank(%x) and f32 cannot be compared by ==", where="rank(%x) in [1, f32]"),
        wrong("P213", 4, "f31", "f31 cannot be compared with dtype(%x): unknown dtype", where="dtype(%x) == f31"),
        wrong("P213", 4, "3", "3 cannot be compared with dtype(%x): wants a word", where="dtype(%x) != 3"),
        wrong("P213", 4, "nhcw", "nhcw cannot be compared with layout(%x)", where="layout(%x) == nhcw"),
        wrong("P213", 4, "dtype", "dtype(%x) is not a number", where="dtype(%x) + 1 == 2"),
        wrong("P213", 4, "word", "word is not a number", where="1 + word == 2"),
        wrong("P213", 4, "rel", "unknown activation 'rel'", head="%x, %w", match=CONV, where="$a == rel"),
        wrong("P213", 4, "$a", "unknown activation 'rel'", head="%x, %w", match=CONV, where="$a in [relu, rel]"),
        wrong("P213", 4, "swish", "unknown activation 'swish'", head="%x, %w", match=CONV, where="$a == swish(1)"),
        # the frame
        pytest.param(pattern().replace("ir 1", "ir 2"), "P005", 1, "2", "version 2 is not supported", id="P005"),
        pytest.param(pattern() + pattern()[5:], "P002", 6, "@it", "rewrite @it is defined twice", id="P002-rewrite"),
        pytest.param(
            pattern().replace("@it", "@it {benfit = 1}"), "P102", 2, "benfit", "has no option", id="P102-option"
        ),
        pytest.param(
            pattern().replace("@it", "@it {benefit = x}"), "P102", 2, "benefit", "an integer", id="P102-benefit"
        ),
        pytest.param(
            pattern().replace("@it", "@it {benefit = true}"), "P102", 2, "benefit", "an integer", id="P102-bool"
        ),
        pytest.param("ir 1\nnet @a() -> () {}", "P001", 2, "net", "expected 'rewrite' or the end", id="P001-net"),
        wrong("P213", 4, "one_use", "one_use is not a number", where="one_use %x"),
        pytest.param(pattern(where="one_use()"), "P001", 4, ")", "unexpected ')'", id="P001-where"),
        pytest.param(pattern(where="one_use(%x),"), "P001", 5, "=>", "unexpected '=>'", id="P001-comma"),
        pytest.param(
            pattern(match="%y = relu(..., %x)"), "P001", 3, ",", "unexpected ','; expected ')'", id="P001-dots"
        ),
    ],
)
def test_place_and_message(text: str, code: str, line: int, at: str, message: str) -> None:
    (found,) = errors(text)
    assert found[:3] == (code, line, at)
    assert message in found[3]


def test_the_column_is_that_of_the_word_that_is_wrong() -> None:
    with pytest.raises(IRError) as caught:
        parse_patterns(pattern(match="%y = relu(%x) %z = add(%y, %q)", instead="%x"), "my.pdl")
    (found,) = caught.value.diagnostics
    assert found.render().splitlines()[:3] == [
        "my.pdl:3:28: error[P211]: %q is neither in the head nor made by a layer",
        "%y = relu(%x) %z = add(%y, %q)",
        "                           ^^",
    ]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (pattern(match="%y = rely(%x)"), "did you mean relu"),
        (pattern(match="%y = clip(%x) {lwo = 1}"), "did you mean low"),
        (pattern(where="one_us(%x)"), "did you mean one_use?"),
        (pattern(where="zzz(%x)"), "known: one_use, constant"),
        (pattern(where="one_use %x"), "in parentheses: one_use(%x)"),
        (pattern(where="rank(%x)"), "compare it with something"),
        (pattern(head="%xx", match="%y = relu(%x)", instead="%xx"), "did you mean %xx?"),
        (pattern(match="%y = unary(%x)"), "'...' stands for attributes that are not written"),
        (pattern(match="%y = add(%x)"), "'...' stands for operands that are not written"),
        (pattern(match="%a = relu(%x) %y = relu(%x)"), "the last layer is the root"),
    ],
)
def test_hints(text: str, hint: str) -> None:
    assert any(hint in error[4] for error in errors(text))


def test_all_errors_of_a_file_are_reported() -> None:
    text = """ir 1
rewrite @one (%x, %unused, @k) {
  %a = rely(%x) {foo = 1}
  %b = clip(%a) {lwo = 1, high = $h}
  %y = add(%b, @k)
} where one_us(%x), rank(%q) == 1, $h == 1, $g == 1 => {
  %t = tanh(%w)
  %z = add(%t)
}
rewrite @fine (%x) { %y = relu(%x) } => { %y = tanh(%x) }
rewrite @two (%x) { %y = relu(%x) } => { %y = tanh(%q) }
"""
    assert [(code, line, at) for code, line, at, _, _ in errors(text)] == [
        ("P101", 3, "rely"),
        ("P102", 4, "lwo"),
        ("P213", 6, "one_us"),
        ("P211", 6, "%q"),
        ("P211", 6, "$g"),
        ("P211", 7, "%w"),
        ("P102", 8, "add"),
        ("P212", 5, "%y"),
        ("P211", 11, "%q"),
    ]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "binary.pdl").write_bytes(b"\xff\xfe")
    for name, reason in (("binary.pdl", "not text in UTF-8"), ("absent.pdl", "No such file")):
        with pytest.raises(IRError, match="P001") as caught:
            load_patterns(tmp_path / name)
        assert name in str(caught.value) and reason in str(caught.value)
