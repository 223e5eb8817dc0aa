"""Every code of an invalid text has a test with exact line and column."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from plait.ir import Constant, Function, IRError, Module, TensorType, Value
from plait.ir.diagnostics import CODES, Diagnostic, Location, Span, did_you_mean, join_names
from plait.ir.layers.activations import Relu
from plait.ir.text import parse_attributes, parse_module
from plait.ir.types import DType
from plait.ir.verify import diagnose

NET = "net @main(%x: f32[1x2x3x4] nchw) -> (%y: f32[1x2x3x4] nchw) {\n"
"""Line 2 of a text that starts with `ir 1`; layers start at line 3."""


def wrong(code: str, line: int, column: int, end: int, text: str, message: str) -> object:
    return pytest.param(text, code, line, column, end, message, id=f"{code}-{message[:30]}")


def body(*lines: str) -> str:
    return "ir 1\n" + NET + "".join(f"  {line}\n" for line in lines) + "}\n"


@pytest.mark.parametrize(
    ("text", "code", "line", "column", "end", "message"),
    [
        wrong("P001", 1, 1, 4, "net @main() -> () {}", "unexpected 'net'; expected 'ir'"),
        wrong("P001", 3, 16, 17, body("%y = relu(%x } }"), "unexpected '}'; expected ')' or ','"),
        wrong("P001", 3, 3, 4, body("$y = relu(%x)"), "unexpected '$'; expected %value or '}'"),
        wrong("P001", 2, 60, 61, "ir 1\n" + NET.rstrip("\n").rstrip("{").rstrip(), "end of the file; expected '{'"),
        wrong("P001", 3, 24, 25, body("%y = clip(%x) {low = }"), "unexpected '}'"),
        wrong("P002", 4, 3, 5, body("%y = relu(%x)", "%y = tanh(%x)"), "%y is defined twice"),
        wrong("P002", 3, 3, 5, body("%x = relu(%x)"), "%x is defined twice"),
        wrong("P002", 3, 7, 9, "ir 1\nconst @c : f32[] = 1\nconst @c : f32[] = 1\n", "@c is defined twice"),
        wrong(
            "P002",
            4,
            7,
            12,
            body("%y = relu(%x)").replace("}\n", "") + "} net @main() -> () {}",
            "net @main is defined twice",
        ),
        wrong("P003", 3, 13, 15, body("%y = relu(%z)"), "%z is not defined"),
        wrong(
            "P003",
            3,
            16,
            19,
            body("%y = add(%x, @cc)").replace("ir 1", "ir 1 const @c : f32[] = 1"),
            "@cc is not defined",
        ),
        wrong("P004", 3, 13, 15, body("%y = relu(%z)", "%z = relu(%x)"), "%z is used before its definition"),
        wrong("P005", 1, 4, 5, "ir 2", "text form version 2 is not supported"),
        wrong("P006", 2, 12, 15, "ir 1\nconst @c : f31[] = 1", "unknown dtype 'f31'"),
        wrong("P006", 2, 15, 18, "ir 1\nconst @c : f32[$] = 1", "'$' is not a name"),
        wrong("P006", 2, 19, 23, "ir 1\nconst @c : f32[1] nhcw = 1", "unknown layout 'nhcw'"),
        wrong("P006", 2, 39, 42, "ir 1\nnet @main(%x: f32[1x2x3x4] nhwc split row) -> () {\n}", "did you mean rows"),
        wrong("P006", 2, 28, 32, "ir 1\nnet @main(%x: f32[3] split rows) -> () {\n}", "only images are split by rows"),
        wrong("P006", 2, 7, 9, "ir 1\nconst @c : f32[3] = [1, 2]", "@c has type f32[3] but 2 elements"),
        wrong("P006", 2, 7, 9, "ir 1\nconst @c : i8[1] = 300", "@c: "),
        wrong("P006", 2, 7, 9, "ir 1\nconst @c : i32[1] = 1.5", "1.5 is not a number of type i32"),
        wrong("P006", 2, 7, 9, "ir 1\nconst @c : bool[1] = 1", "1 is not true or false"),
        wrong("P101", 3, 8, 12, body("%y = rely(%x)"), "unknown layer 'rely'"),
        wrong("P102", 3, 18, 21, body("%y = clip(%x) {lwo = 1}"), "clip has no attribute 'lwo'"),
        wrong("P102", 3, 8, 18, body("%y = max_pool2d(%x)"), "max_pool2d needs attribute kernel"),
        wrong("P102", 3, 8, 12, body('%y = clip(%x) {low = "a"}'), "wants a number"),
        wrong("P102", 3, 8, 11, body("%y = add(%x)"), "add needs operand b"),
        wrong("P102", 3, 17, 19, body("%y = relu(%x, %x)"), "relu takes at most 1 operands"),
        wrong("P102", 3, 13, 14, body("%y = relu(z = %x)"), "relu has no operand 'z'"),
        wrong("P102", 3, 8, 11, body("%y = add(%x, %x) {act = swish}"), "unknown activation 'swish'"),
        wrong(
            "P103",
            3,
            8,
            12,
            body("%y = relu(%x) : f32[1x2]").replace("(%y: f32[1x2x3x4] nchw)", "()"),
            "%y is declared f32[1x2] but relu gives f32[1x2x3x4] nchw",
        ),
        wrong("P103", 3, 12, 16, body("%y, %z = relu(%x)"), "relu makes 1 result, not 2"),
        wrong(
            "P103", 3, 12, 17, body("%y, %z = split(%x) {sizes = [1, 1]} : f32[1x1x3x4] nchw"), "2 results but 1 types"
        ),
        wrong(
            "P103",
            2,
            38,
            40,
            body("%y = tanh(%x)").replace("(%y: f32[1x2x3x4]", "(%y: f32[1x2]"),
            "output is declared f32[1x2]",
        ),
        wrong(
            "P104",
            3,
            8,
            11,
            body("%y = sub(%x, @c)").replace("ir 1", "ir 1 const @c : f32[3] = [1, 2, 3]"),
            "do not broadcast",
        ),
        wrong("P104", 3, 8, 17, body("%y = transpose(%x) {perm = [0, 1]}"), "is not a permutation of the 4 axes"),
        wrong(
            "P106",
            3,
            8,
            15,
            body("%y = reshape(%x) {shape = [2, 12]} : f32[2x12] nhwc").replace("(%y: f32[1x2x3x4] nchw)", "()"),
            "layout nhwc does not fit rank 2",
        ),
        wrong("P106", 2, 5, 10, "ir 1\nnet @main(%x: seq<f32[2x3] nhwc>) -> () {}", "layout nhwc does not fit rank 2"),
        wrong("P003", 2, 5, 10, "ir 1\nnet @main(%x: q8<@s>[2]) -> () {}", "the type of %x names @s, which is not"),
    ],
)
def test_place_and_message(text: str, code: str, line: int, column: int, end: int, message: str) -> None:
    with pytest.raises(IRError) as caught:
        parse_module(text, "t.ir")
    found = next(d for d in caught.value.diagnostics if d.code == code)
    assert found.span is not None
    assert (found.code, found.span.line, found.span.column, found.span.end) == (code, line, column, end), found.render()
    assert message in found.message
    rendered = found.render().splitlines()
    assert rendered[0] == f"t.ir:{line}:{column}: error[{code}]: {found.message}"
    if found.span.text:
        assert rendered[1] == text.splitlines()[line - 1]
        assert rendered[2] == " " * (column - 1) + "^" * (end - column)


@pytest.mark.parametrize(
    ("lines", "errors"),
    [
        (
            ["%a = rely(%x)", "%b = relu(%q)", "%c = relu(%b)", "%y = tanh(%x)", "%y = tanh(%x)"],
            [("P101", 3), ("P003", 4), ("P002", 7)],
        ),
        # The statement that is not in the grammar is left out, and what it defines is not missed.
        (["%a = relu %x)", "%y = relu(%a)", "%z = rely(%x)"], [("P001", 3), ("P101", 5)]),
        (["%a = relu(%x", "%b = relu(%x) loc", "%y = relu(%c)"], [("P001", 4), ("P001", 5), ("P003", 5)]),
        (["%a = add(%x,", "%y = relu(%x)", "%z = rely(%x)"], [("P001", 4), ("P101", 5)]),
        (["?", "%y = tanh(%x) : f31[2]", "%z = relu(%x) {a = }"], [("P001", 3), ("P006", 4), ("P001", 5)]),
        (['%y = clip(%x) {low = "\\q"}', "%z = clip(%x) {low = 1, low = 2}"], [("P006", 3), ("P102", 4)]),
    ],
)
def test_all_errors_of_a_text_are_reported(lines: list[str], errors: list[tuple[str, int]]) -> None:
    with pytest.raises(IRError) as caught:
        parse_module(body(*lines))
    found = [(d.code, d.span.line) for d in caught.value.diagnostics if d.span and d.span.line > 2]
    assert found == errors, str(caught.value)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("text", "code", "line", "column", "message"),
    [
        ('ir 1\nweights "\\q" {\n}\n', "P006", 2, 9, "is not a string"),
        ('ir 1\nweights "w" {\n  @a : f31[1]\n  @b : f32[1]\n  @b : f32[1]\n}\n', "P006", 3, 8, "unknown dtype 'f31'"),
        ('ir 1\nweights "w" {\n  @b : f32[1]\n  @b : f32[1]\n}\n', "P002", 4, 3, "@b is defined twice"),
        ("ir 1\nconst @c : seq<f32[]> = [1.0]\n", "P006", 2, 12, "a constant must be a tensor, not seq<f32[]>"),
        ("ir 1\nconst @c : seq<f31[]> = [1.0]\n", "P006", 2, 16, "unknown dtype 'f31'"),
        ('ir 1\nconst @c : string[1] = ["\\q"]\n', "P006", 2, 25, "is not a string"),
        ('ir 1\nconst @"\\q" : f32[1] = [1.0]\n', "P006", 2, 7, "is not a string"),
        ("ir 1\nconst @c : q8<[0.5] axis 3>[1] = [1]\n", "P006", 2, 12, "axis 3 of q8<[0.5] axis 3> is out of range"),
        (body("%y = relu(%x) : q8<0>[1]"), "P006", 3, 19, "scale"),
        (body("%y = cast(%x) {to = q9<1.0>}"), "P006", 3, 23, "q9"),
        (body("%y = relu(%x) {a = f31[2]}"), "P006", 3, 22, "unknown dtype 'f31'"),
        (body("%y = add(%x, %x, a = %x)"), "P102", 3, 20, "operand a is given twice"),
        (body("%y = if(%x) then () -> () {}"), "P102", 3, 8, "if needs region else"),
        (body('%y = relu(%x) loc "\\q":"n"'), "P006", 3, 21, "is not a string"),
        ("ir 1\nnet @main(%x: f31[1]) -> () {\n}\n", "P006", 2, 15, "unknown dtype 'f31'"),
    ],
)
def test_places_of_malformed_parts(text: str, code: str, line: int, column: int, message: str) -> None:
    with pytest.raises(IRError) as caught:
        parse_module(text, "t.ir")
    found = [(d.code, d.span and d.span.line, d.span and d.span.column) for d in caught.value.diagnostics]
    assert (code, line, column) in found, str(caught.value)
    assert any(message in d.message for d in caught.value.diagnostics), str(caught.value)


def test_malformed_options_have_a_place() -> None:
    with pytest.raises(IRError) as caught:
        parse_attributes('{a = "\\q"}')
    assert caught.value.code == "P006" and caught.value.diagnostics[0].span == Span("<options>", 1, 6, 10)


DEEP = {
    "list": body("%y = foo(%x) {a = " + "[" * 3000 + "1" + "]" * 3000 + "}"),
    "dict": body("%y = foo(%x) {a = " + "{b = " * 3000 + "1" + "}" * 3000 + "}"),
    "call": body("%y = foo(%x) {a = " + "f(" * 3000 + ")" * 3000 + "}"),
    "type": body("%y = foo(%x) : " + "seq<" * 3000 + "f32[]" + ">" * 3000),
    "dim": body(f"%y = relu(%x) : f32[{'(' * 3000}N{')' * 3000}]"),
    "terms": body(f"%y = relu(%x) : f32[{'*'.join(['(A+B+C+D+E)'] * 40)}]"),
    "region": "ir 1\nconst @c : bool[] = true\nnet @main() -> () {\n"
    + "".join(f"%r{i} = if(@c) else () -> () {{}} then () -> () {{\n" for i in range(900))
    + "}\n" * 901,
    "digits": body("%y = foo(%x) {a = " + "9" * 5000 + "}"),
}


@pytest.mark.parametrize("what", DEEP)
def test_what_is_nested_too_deeply_or_too_large_is_an_error_like_others(what: str) -> None:
    with pytest.raises(IRError) as caught:
        parse_module(DEEP[what], allow_unknown=True)
    found = next(d for d in caught.value.diagnostics if d.code == "P006")
    assert found.span is not None and found.span.line >= 3
    assert "more than" in found.message or "too many digits" in found.message


def test_reading_stops_where_the_frame_is_broken() -> None:
    with pytest.raises(IRError) as caught:
        parse_module(body("%a = relu(%x", "%y = relu(%x)").replace("net @main", "net main"))
    assert [(d.code, d.span.line) for d in caught.value.diagnostics if d.span] == [("P001", 2)]
    with pytest.raises(IRError) as caught:
        parse_module(body(*["%a = = 1"] * 30))
    assert len(caught.value.diagnostics) == 20


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (body("%y = rely(%x)"), "did you mean relu"),
        (body("%y = clip(%x) {lwo = 1}"), "did you mean low"),
        (body("%y = relu(%xx)"), "did you mean %x"),
        (body("%y = relu(%x) : f32[1x2]").replace("(%y: f32[1x2x3x4] nchw)", "()"), "leave it out to have it inferred"),
    ],
)
def test_hints(text: str, hint: str) -> None:
    with pytest.raises(IRError, match=hint):
        parse_module(text)


def test_weights_that_cannot_be_read_are_reported_at_their_declaration(tmp_path: Path) -> None:
    from plait.ir.text import load_ir

    path = tmp_path / "m.ir"
    path.write_text('ir 1\nweights "gone.safetensors" {\n  @w : f32[100]\n}\n')
    with pytest.raises(IRError) as caught:
        load_ir(path)
    found = caught.value.diagnostics[0]
    assert found.span is not None
    assert (found.code, found.span.line, found.span.column, found.span.end) == ("P007", 2, 9, 27)
    assert "gone.safetensors" in found.message and "missing" in found.message


def test_unreadable_texts(tmp_path: Path) -> None:
    from plait.ir.text import load_ir

    (tmp_path / "binary.ir").write_bytes(b"\xff\xfe\x00")
    for name in ("binary.ir", "absent.ir"):
        with pytest.raises(IRError, match="P001") as caught:
            load_ir(tmp_path / name)
        assert name in str(caught.value)


def test_options_have_places_too() -> None:
    assert parse_attributes('{a = 1, b = [x, 2.5], c = f(1), d = "t", e = true}')["b"] == ("x", 2.5)
    with pytest.raises(IRError) as caught:
        parse_attributes("{a 1}")
    assert caught.value.diagnostics[0].span == Span("<options>", 1, 4, 5)


def module_in_memory() -> tuple[Module, Value]:
    x = Value("x", TensorType(DType.F32, (2,)))
    return Module([Function("main", [x])]), x


def test_outputs_that_are_not_available() -> None:
    module, _ = module_in_memory()
    module.main.set_outputs([Value("lost", TensorType(DType.F32, ()))])
    assert [(d.code, d.message) for d in diagnose(module)] == [("P105", "output %lost is not defined in net @main")]


def test_broken_links_in_memory() -> None:
    module, x = module_in_memory()
    layer = module.main.body.append(Relu(x, locations=(Location("m.onnx", "Relu_0"),)))
    x.users.clear()
    layer.result.owner = None
    found = diagnose(module)
    assert [d.code for d in found] == ["P107", "P107"]
    assert found[0].where == "%relu (relu) from m.onnx:Relu_0"


def test_constants_of_another_module() -> None:
    import numpy as np

    module, _ = module_in_memory()
    module.main.body.append(Relu(Constant("c", np.zeros(2, np.float32))))
    assert [d.code for d in diagnose(module)] == ["P003"]


def test_rendering_without_a_text() -> None:
    found = Diagnostic("P104", "no", where="%y (relu)", hint="try again")
    assert str(found) == "%y (relu): error[P104]: no\n  hint: try again"
    assert all(code.startswith("P") and meaning for code, meaning in CODES.items())
    assert did_you_mean("x", ["abc"]) == "" and join_names(list("abcdefg")) == "a, b, c, d, e and 2 more"


def excerpt(text: str, word: str) -> list[str]:
    column = text.index(word) + 1
    found = Diagnostic("P001", "wrong", Span("t.ir", 1, column, column + len(word), text))
    return found.render().splitlines()[1:]


def test_of_very_long_lines_a_part_is_shown() -> None:
    line, carets = excerpt("a" * 1000 + "HERE" + "b" * 1000, "HERE")
    assert line == "…" + "a" * 60 + "HERE" + "b" * 96 + "…"
    assert carets == " " * 61 + "^^^^"
    line, carets = excerpt("a" * 10 + "H" * 1000, "H" * 1000)
    assert line == "a" * 10 + "H" * 150 + "…" and carets == " " * 10 + "^" * 150


def test_carets_stand_below_wide_characters_and_after_tabs() -> None:
    assert excerpt('%"出力" = rely(%x)', "rely") == ['%"出力" = rely(%x)', " " * 10 + "^^^^"]
    assert excerpt("\t%y = rely(%x)", "rely") == ["\t%y = rely(%x)", "\t" + " " * 5 + "^^^^"]
    assert excerpt('%"出力"', "出力")[1] == "  ^^^^"


def test_a_mark_at_the_head_of_a_file_is_skipped(tmp_path: Path) -> None:
    from plait.frontends import is_ir_text
    from plait.ir.text import load_ir

    file = tmp_path / "marked.txt"
    file.write_text("ir 1\r\nnet @main(%x: f32[4]) -> (%x: f32[4]) {\r\n}\r\n", encoding="utf-8-sig", newline="")
    assert is_ir_text(file)
    assert list(load_ir(file).functions) == ["main"]


def test_errors_come_through_pickles() -> None:
    error = IRError([Diagnostic("P001", "first", hint="h"), Diagnostic("P002", "second", Span("f", 1, 2, 3, "text"))])
    found = pickle.loads(pickle.dumps(error))
    assert type(found) is IRError and found.diagnostics == error.diagnostics and str(found) == str(error)
