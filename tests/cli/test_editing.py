"""Editing help without a server: text and a position in, answers out. `‸` marks the position in a text."""

from __future__ import annotations

import contextlib
import random
import time
from itertools import pairwise

import pytest

from plait.cli.editing.colours import TYPES, colours
from plait.cli.editing.completion import LIMIT, completions
from plait.cli.editing.document import Declined, Document
from plait.cli.editing.findings import findings
from plait.cli.editing.formatting import formatted
from plait.cli.editing.hover import hover
from plait.cli.editing.navigation import definition, references, rename, renamed_range
from plait.cli.editing.outliner import outline
from plait.cli.editing.positions import Lines, Position, Range
from plait.cli.editing.sheet import Sheet
from plait.cli.editing.structure import Symbol, foldings, symbols
from plait.testing.random_modules import random_module

TEXT = """ir 1
const @b : f32[2] = [1.0, 2.0]
weights "m.safetensors" {
  @w : f32[2x3x1x1]
}
net @help(%a: f32[1x2x4x5] nchw) -> (%r: f32[1x2x4x5] nchw) {
  %r = relu(%a)
}
// The network.
// In two lines.
net @main(%image: f32[1x3x4x5] nchw, %flag: bool[]) -> (%y: f32[1x2x4x5] nchw) {
  %c = conv2d(%image, @w, bias = @b) {act = clip(0, 6)} : f32[1x2x4x5] nchw via cpu/f32/nchw/gemm !12.34us loc "m":"n"
  %d = if(%flag)
    then () -> (%t: f32[1x2x4x5] nchw) {
      %t = relu(%c)
    }
    else () -> (%c: f32[1x2x4x5] nchw) {
    } : f32[1x2x4x5] nchw
  %e = call(%d) {callee = @help} : f32[1x2x4x5] nchw
  %y = sigmoid(%e)
}
"""


def placed(text: str) -> tuple[str, Position]:
    """The text without the mark, and the position of it."""
    before, _, after = text.partition("‸")
    return before + after, Lines(before).position(len(before))


def mark(needle: str, count: int = 1) -> str:
    """TEXT with a mark behind the first character of the n-th occurrence of a needle."""
    at = -1
    for _ in range(count):
        at = TEXT.index(needle, at + 1)
    return f"{TEXT[: at + 1]}‸{TEXT[at + 1 :]}"


def typed(line: str, before: str = "  %y = sigmoid") -> tuple[Document, Position]:
    """TEXT with a line, marked at its end, before another one; what was known before the line is known."""
    older = Document(TEXT)
    older.parse()
    text, position = placed(TEXT.replace(before, f"{line}‸\n{before}", 1))
    return Document(text, older=older.lasting), position


def text_of(document: Document, where: Range) -> str:
    return document.text[document.lines.offset(where.start) : document.lines.offset(where.end)]


# --- positions ---


def test_positions_count_utf16_units() -> None:
    text = '%"😀ü" = x\r\n%b\rlast'
    lines = Lines(text)
    assert lines.position(text.index("=")) == Position(0, 7)
    assert lines.offset(Position(0, 7)) == text.index("=")
    assert lines.offset(Position(0, 3)) == 2, "inside of a pair: before it"
    assert Lines(text, "utf-8").position(text.index("=")) == Position(0, 10)
    assert Lines(text, "utf-32").position(text.index("=")) == Position(0, 6)
    assert lines.position(text.index("last")) == Position(2, 0)
    assert lines.offset(Position(0, 99)) == text.index("\r")
    assert lines.offset(Position(9, 0)) == len(text)


@pytest.mark.parametrize("units", ["utf-8", "utf-16", "utf-32"])
def test_positions_and_offsets_are_inverse(units: str) -> None:
    text = "a😀\nü\r\n\n%x\u2028y"
    lines = Lines(text, units)
    for offset in range(len(text) + 1):
        if text[offset - 1 : offset + 1] != "\r\n":
            assert lines.offset(lines.position(offset)) == offset


def test_answers_count_as_the_client_does() -> None:
    text, position = placed('ir 1\nnet @main(%"😀": f32[4]) -> (%y: f32[4]) {\n  %y = add(%"😀", %"‸😀")\n}\n')
    found = definition(Document(text), position)
    assert found == Range(Position(1, 10), Position(1, 15))
    assert definition(Document(text, units="utf-8"), Position(2, 22)) == Range(Position(1, 10), Position(1, 17))


# --- outline ---


@pytest.mark.parametrize("seed", range(30))
def test_every_name_of_a_module_is_found(seed: int) -> None:
    made = outline(str(random_module(seed)))
    for key, marks in made.mentions.items():
        # Random attributes name nets that do not exist.
        assert [m.role for m in marks].count("definition") == 1 or key == ("net", "", "a b"), key


@pytest.mark.parametrize("seed", range(5))
def test_any_beginning_of_a_text_has_an_outline(seed: int) -> None:
    text = str(random_module(seed))
    for end in range(0, len(text), 7):
        document = Document(text[:end])
        symbols(document)
        foldings(document)
        completions(document, document.lines.position(end))


SNIPPETS = [
    *'%@(){}[]<>,:=!"/ \n\r+0😀\u2028',
    "net ",
    "weights ",
    "via cpu/f32/",
    "loc ",
    "ir 1\n",
    "q8<",
    "%x = ",
    '@"',
]


@pytest.mark.parametrize("seed", range(12))
def test_any_text_has_answers(seed: int) -> None:
    rng = random.Random(seed)
    text = TEXT if seed % 2 else str(random_module(seed))
    sheet = Sheet(text)
    sheet.findings()
    for _ in range(12):
        at = rng.randrange(len(text))
        text = text[:at] + rng.choice(SNIPPETS) + rng.choice(SNIPPETS) + text[at + rng.choice([0, 0, 1, 40]) :]
        sheet = Sheet(text, previous=sheet)
        place = Lines(text).position(min(len(text), at + rng.randrange(4)))
        document = sheet.at(place)
        hover(document, place)
        for completion in completions(document, place):
            assert completion.range.end == place
        found = references(document, place)
        assert (definition(document, place) in found) or not definition(document, place)
        sheet.symbols()
        sheet.foldings()
    with contextlib.suppress(Declined):
        assert Document(sheet.formatted()[0][1]).parse()[1] == []


def test_a_broken_statement_does_not_hide_others() -> None:
    for line in (
        "  %z = add(%d,",
        "  %z = conv2d(%c) {stride = [",
        "  %z =",
        "  %z",
        "  if(%flag) then (",
        '  %z = relu("',
    ):
        document, _ = typed(line)
        (net,) = [s for s in symbols(document) if s.name == "@main"]
        assert {c.name for c in net.children} >= {"%c", "%d", "%e", "%y"}, line


# --- diagnostics ---


def test_findings() -> None:
    document = Document("ir 1\nnet @main(%x: f32[4]) -> (%y: f32[4]) {\n  %a = rely(%x)\n  %y = relu(%xs)\n}\n")
    first, second = findings(document)
    assert (first.code, first.message, first.hint) == ("P101", "unknown layer 'rely'", "did you mean relu?")
    assert first.range == Range(Position(2, 7), Position(2, 11)) and first.choices == ("relu",)
    assert second.code == "P003" and text_of(document, second.range) == "%xs" and "%x" in second.choices


def test_syntax_errors_and_what_the_verifier_says() -> None:
    (found,) = findings(Document("ir 1\nnet @main(%x: f32[4]) -> (%y: f32[5]) {\n  %y = relu(%x)\n}\n"))
    assert found.code == "P103"
    (found,) = findings(Document("ir 1\nnet @main("))
    assert found.code == "P001" and found.range.start == Position(1, 10)
    assert findings(Document(TEXT)) == [], "weights are not loaded"


def test_pattern_files_are_checked() -> None:
    document = Document("ir 1\nrewrite @a (%x) {\n  %y = relu(%x)\n} => {\n  %y = relu(%z)\n}\n")
    assert [f.code for f in findings(document)] == ["P211"]


# --- hovers ---


@pytest.mark.parametrize(
    ("needle", "count", "words"),
    [
        ("%c", 1, ["%c : f32[1x2x4x5] nchw", "40 elements, 160 B", "conv2d", "240 flop", "12.34 us", "`m:n`"]),
        ("%c", 2, ["%c : f32[1x2x4x5] nchw"]),
        ("%image", 1, ["60 elements", "argument"]),
        ("conv2d", 1, ["conv2d(%x, %weight, [%bias]", "cpu/f32/nchw/gemm", "2-D convolution", "**Shapes**"]),
        ("bias", 1, ["operand `bias`", "[O]"]),
        ("act", 1, ["attribute `act` of `conv2d`: activation, default `none`", "each number of the result"]),
        ("then", 1, ["region `then`"]),
        ("clip", 1, ["activation `clip`, 2 parameters"]),
        ("callee", 1, ["must be given"]),
        ("@help", 2, ["net @help(%a: f32[1x2x4x5] nchw)", "1 layer"]),
        ("@main", 1, ["The network."]),
        ("@b", 2, ["const @b : f32[2] = [1.0, 2.0]", "8 B"]),
        ("@w", 1, ["const @w : f32[2x3x1x1]\n", "24 B"]),
        ("cpu/", 1, ["im2col", "by plait"]),
        ("f32", 1, ["32 bits"]),
        ("nchw", 1, ["d0, d1, d2, d3"]),
    ],
)
def test_hover(needle: str, count: int, words: list[str]) -> None:
    text, position = placed(mark(needle, count))
    document = Document(text)
    found = hover(document, position)
    assert found is not None
    for word in words:
        assert word in found[1]
    assert text_of(document, found[0]).startswith(needle)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("%y = rel‸y(%x)", []),
        ("%y = relu(%x) via cpu/f32/nchw/no‸ne", ["no such routine"]),
        ("%y = relu(%x) via cpu/no‸ne", ["a routine path is"]),
        ("%y = conv2d(%x, %x) {a‸xis = 1}", []),
        ("%y = cast(%x) {to = q8<0.‸5>}", ["8 bits, stored as i8"]),
        ("%y = adapt(%x) : f32[4xN] <d1, ‸d0>", ["from slowest to fastest d1, d0"]),
        ("%y = relu(%x) // n‸o", []),
        ("%‸y = relu(%x)", ["size depends on N"]),
    ],
)
def test_hover_on_what_is_odd(body: str, words: list[str]) -> None:
    text, position = placed(f"ir 1\nnet @main(%x: f32[4xN]) -> () {{\n  {body}\n}}\n")
    found = hover(Document(text), position)
    assert (found is None) == (not words)
    assert all(word in (found or ((), ""))[1] for word in words)


@pytest.mark.parametrize("type", ["f32[2x3] nhwc", "seq<f32[4]>", "optional<i64[]>", "f32[]", "string[2]"])
def test_hover_on_types_without_a_size(type: str) -> None:
    found = hover(Document(f"ir 1\nnet @main(%x: {type}) -> () {{\n}}\n"), Position(1, 11))
    assert found is not None and f"%x : {type}" in found[1]
    assert (" element" in found[1]) == (type in ("f32[]", "string[2]"))


def test_hover_while_the_statement_is_broken() -> None:
    document, _ = typed("  %z = add(%d,")
    at = document.text.index("%d,")
    found = hover(document, document.lines.position(at + 1))
    assert found is not None and "%d : f32[1x2x4x5] nchw" in found[1]


# --- names ---


@pytest.mark.parametrize(
    ("needle", "count", "line"),
    [("%c", 2, 11), ("%c", 3, 11), ("@w", 2, 3), ("@b", 2, 1), ("@help", 2, 5), ("%t", 1, 14), ("%image", 2, 10)],
)
def test_definition(needle: str, count: int, line: int) -> None:
    text, position = placed(mark(needle, count))
    document = Document(text)
    found = definition(document, position)
    assert found is not None and found.start.line == line and text_of(document, found) == needle


def test_no_definition() -> None:
    for marked in (mark("conv2d"), mark("f32"), "‸", "ir 1\nnet @main() -> (%n‸: f32[4]) {\n}\n"):
        text, position = placed(marked)
        assert definition(Document(text), position) is None


def test_constants_in_quantized_types() -> None:
    text, position = placed("ir 1\nconst @s : f32[] = 0.5\nnet @main(%x: q8<@‸s>[4], %y: q8<@s>[4]) -> () {\n}\n")
    document = Document(text)
    found = definition(document, position)
    assert found is not None and found.start.line == 1
    assert [text_of(document, r) for r in references(document, position)] == ["@s"] * 3
    assert rename(document, position, "scale")[2][1] == "@scale"


def test_references_stay_in_their_net() -> None:
    text = (
        "ir 1\nnet @a(%x: f32[4]) -> (%x: f32[4]) {\n}\nnet @b(%‸x: f32[4]) -> (%y: f32[4]) {\n  %y = add(%x, %x)\n}\n"
    )
    document, position = Document(placed(text)[0]), placed(text)[1]
    assert [r.start.line for r in references(document, position)] == [3, 4, 4]
    assert [r.start.line for r in references(document, position, declaration=False)] == [4, 4]


def test_rename() -> None:
    text, position = placed(mark("%c"))
    document = Document(text)
    assert text_of(document, renamed_range(document, position)[0]) == "%c"
    for new, written in (("conv", "%conv"), ("%conv", "%conv"), ("a b", '%"a b"'), ('%"ü"', '%"ü"')):
        changes = rename(document, position, new)
        assert {t for _, t in changes} == {written} and len(changes) == 3
        for where, change in reversed(changes):
            at = document.lines.offset(where.start), document.lines.offset(where.end)
            text = text[: at[0]] + change + text[at[1] :]
        assert not findings(Document(text))
        text = document.text


@pytest.mark.parametrize(
    ("needle", "new", "reason"),
    [
        ("%c", "d", "used already"),
        ("%c", " ", "at least one"),
        ("@w", "v", "weights file"),
        ("@main", "m", "the network"),
        ("conv2d", "x", "only values"),
    ],
)
def test_rename_declined(needle: str, new: str, reason: str) -> None:
    text, position = placed(mark(needle))
    with pytest.raises(Declined, match=reason):
        rename(Document(text), position, new)


# --- structure ---


def test_symbols() -> None:
    def names(found: list[Symbol] | tuple[Symbol, ...]) -> list[object]:
        return [(s.name, names(s.children)) if s.children else s.name for s in found]

    found = symbols(Document(TEXT))
    region = ("%d", [("then", ["%t"]), "else"])
    assert names(found) == ["@b", ("weights", ["@w"]), ("@help", ["%r"]), ("@main", ["%c", region, "%e", "%y"])]
    assert found[3].children[0].detail == "conv2d" and found[0].detail == "f32[2]"
    for symbol in found:
        assert symbol.range.start <= symbol.name_range.start and symbol.name_range.end <= symbol.range.end


def test_foldings() -> None:
    assert foldings(Document(TEXT)) == [
        (2, 3, "region"),
        (5, 6, "region"),
        (8, 9, "comment"),
        (10, 19, "region"),
        (13, 14, "region"),
    ]


def test_colours() -> None:
    text = (
        'net @n(%"😀": f32[4]) -> () {\n  %y = add(a = %x, @b) {act = relu, to = f16} : f32[4] nchw via a/b !1us // c\n'
    )
    found = [(c.line, text.split("\n")[c.line], c) for c in colours(Document(text, units="utf-32"))]
    kinds = [(line[c.character : c.character + c.length], TYPES[c.type], c.modifiers) for _, line, c in found]
    first, second = kinds[:5], kinds[5:]
    assert first[:3] == [("net", "keyword", 0), ("@n", "function", 1), ('%"😀"', "variable", 1)]
    assert first[3:] == [("f32", "type", 0), ("[4]", "number", 0)]
    assert second[:5] == [
        ("%y", "variable", 1),
        ("add", "method", 0),
        ("a", "parameter", 0),
        ("%x", "variable", 0),
        ("@b", "variable", 2),
    ]
    assert [kind for _, kind, _ in second[5:]] == (
        [
            "property",
            "enumMember",
            "property",
            "type",
            "type",
            "number",
            "modifier",
            "keyword",
            "namespace",
            "number",
            "comment",
        ]
    )
    assert colours(Document(text))[2].length == 5, "units of UTF-16"


# --- completion ---


def labels(line: str) -> list[str]:
    return [c.label for c in completions(*typed(line))]


@pytest.mark.parametrize(
    ("line", "wanted", "unwanted"),
    [
        ("  %z = ", ["conv2d", "relu", "if"], ["%c", "net"]),
        ("  %z = con", ["conv2d", "concat"], ["relu"]),
        ("  %z = conv2d(", ["%image", "%c", "@w", "bias"], ["%t", "%y", "%z"]),
        ("  %z = conv2d(%", ["%image", "%c", "%e"], ["@w"]),
        ("  %z = conv2d(%image, @", ["@w", "@b"], ["%c", "@help"]),
        ("  %z = conv2d(%image, @w, bias = ", ["@b"], ["bias"]),
        ("  %z = conv2d(%image, @w) {", ["stride", "act"], ["%c"]),
        ("  %z = conv2d(%image, @w) {stride = 2, ", ["act"], ["stride"]),
        ("  %z = conv2d(%image, @w) {act = ", ["relu", "relu6", "clip"], ["stride"]),
        ("  %z = conv2d(%image, @w) {stride = ", ["[1, 1]"], ["relu"]),
        ("  %z = call(%c) {callee = @", ["@help"], ["@w", "@main"]),
        ("  %z = cast(%c) {to = ", ["f16", "i8"], ["relu"]),
        ("  %z = cast(%c) {saturate = ", ["true", "false"], ["f16"]),
        ("  %z = conv2d(%image, @w) : ", ["f32[1x3x4x5] nchw", "f16", "seq<>"], ["nchw"]),
        ("  %z = split(%c) : f32[1], ", ["f16"], []),
        ("  %z = optional(%c) : optional<", ["f16"], []),
        ("  %z = relu(%c) : f32[1x2x4x5] ", ["nhwc", "nchw16c", "on", "via"], ["f32"]),
        ("  %z = relu(%c) : f32[1x2x4x5] nchw ", ["via", "loc"], ["nhwc"]),
        ("  %z = conv2d(%image, @w) : f32[1x2x4x5] via ", ["cpu/f32/nchw16c/direct"], ["relu"]),
        (
            "  %z = conv2d(%image, @w) : f32[1x2x4x5] via cpu/f32/nhwc/",
            ["cpu/f32/nhwc/gemm"],
            ["cpu/f32/nchw16c/direct"],
        ),
        ("  %z = if(%flag) ", ["then", "else", "via"], []),
        ("  %z = none(%c) {", [], ["act"]),
        ("  // %z = ", [], ["relu"]),
        ('  %z = relu(%c) loc "', [], ["relu", "via"]),
        ("  ", [], ["net"]),
    ],
)
def test_completion(line: str, wanted: list[str], unwanted: list[str]) -> None:
    found = labels(line)
    assert set(wanted) <= set(found)
    assert not set(unwanted) & set(found)
    if not wanted:
        assert found == []


def test_completion_replaces_what_is_written() -> None:
    document, position = typed("  %z = conv2d(%im")
    (image,) = [c for c in completions(document, position) if c.label == "%image"]
    assert text_of(document, image.range) == "%im" and image.insert == "%image" and image.detail == "f32[1x3x4x5] nchw"
    document, position = typed("  %z = conv2d(%image, @w) {st")
    (stride,) = completions(document, position)
    assert stride.insert == "stride = " and stride.detail == "= [1, 1], integer, or list of 2"


def test_completion_between_items_and_in_heads() -> None:
    text, position = placed(TEXT.replace("net @help", "‸\nnet @help"))
    assert [c.label for c in completions(Document(text), position)] == ["net", "const", "weights"]
    text, position = placed("‸")
    assert completions(Document(text), position)[0].label == "ir 1"
    for marked, wanted in (
        ("ir 1\nnet @m(%x: f‸", "f32"),
        ("ir 1\nnet @m(%x: f32[1x2x3x4] n‸", "nhwc"),
        ("ir 1\nnet @m(%x: f32[4]) -> (‸", "%x"),
        ("ir 1\nnet @m(%x: f32[4]) -> (‸\n  %y = relu(%x)\n}", "%y"),
        ("ir 1\nnet @m(%x: f32[4]) -> (%‸) {\n  %y = relu(%x)\n}", "%y"),
        ("ir 1\nweights {\n  @w : ‸", "f32"),
    ):
        text, position = placed(marked)
        assert wanted in [c.label for c in completions(Document(text), position)], marked


def test_completion_in_a_region_sees_the_values_around_it() -> None:
    document, position = typed("      %z = relu(%", "      %t = relu(%c)")
    assert {c.label for c in completions(document, position)} == {"%c", "%image", "%flag"}


def test_routines_that_refuse_the_layer_are_not_offered() -> None:
    # The layer is known from before; now another routine is typed.
    older = Document(TEXT)
    older.parse()
    text, position = placed(TEXT.replace("cpu/f32/nchw/gemm !12.34us", "‸"))
    found = [c.label for c in completions(Document(text, older=older.lasting), position)]
    assert "cpu/f32/nchw/gemm" in found and "cpu/f32/nchw16c/depthwise" not in found
    assert any(path.startswith("cpu/f32/nchw16c/direct[") for path in found), "its variants, too"


# --- formatting ---


def test_formatting() -> None:
    text = "// head\nir 1\nnet @main(%x:f32[4])->(%y:f32[4]){\n// why\n%y=relu( %x )\n}"
    ((where, new),) = formatted(Document(text))
    assert new == ("// head\nir 1\nnet @main(%x: f32[4]) -> (%y: f32[4]) {\n  // why\n  %y = relu(%x) : f32[4]\n}\n")
    assert where == Range(Position(0, 0), Position(5, 1))
    assert formatted(Document(new)) == []


def test_formatting_keeps_hashes() -> None:
    text = 'ir 1\nweights "m" sha256:0af {\n  @w : f32[99]\n}\n'
    assert formatted(Document(text)) == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ir 1\nnet @main() -> () {\n  %y = rely()\n}\n", "the first is in line 3"),
        ("ir 1\nnet @main() -> () {\n} // end\n", "the comment in line 3 would be lost"),
        ('ir 1\nweights "a" {\n}\nweights "b" {\n}\n', "several blocks"),
        ("ir 1\nrewrite @a (%x) {\n  %y = relu(%x)\n} => %x\n", "pattern files"),
        ('"builtin.module"() ({\n}) : () -> ()\n', "generic text"),
    ],
)
def test_formatting_declined(text: str, reason: str) -> None:
    with pytest.raises(Declined, match=reason):
        formatted(Document(text))


# --- files with several modules ---


def test_a_test_file_holds_several_modules() -> None:
    one = "ir 1\nnet @main(%x: f32[4]) -> (%y: f32[4]) {\n  %y = relu(%x)\n}\n"
    sheet = Sheet(f"// RUN: dce\n{one}// ==>\n{one.replace('relu', 'rely')}")
    assert [(f.code, f.range.start.line) for f in sheet.findings()] == [("P101", 8)]
    place = Position(8, 13)
    assert definition(sheet.at(place), place) == Range(Position(7, 10), Position(7, 12))
    assert [s.name for s in sheet.symbols()] == ["@main", "@main"]
    assert [f[:2] for f in sheet.foldings()] == [(2, 3), (7, 8)]
    with pytest.raises(Declined, match="several modules"):
        sheet.formatted()
    after = Sheet(sheet.text.replace("rely", "tanh"), previous=sheet)
    assert after.documents[0] is sheet.documents[0] and after.findings() == []


# --- speed ---


def large(layers: int) -> str:
    rows = ["ir 1", 'weights "m.safetensors" {', *(f"  @w{i} : f32[16x16x3x3]" for i in range(layers)), "}"]
    rows.append(f"net @main(%v0: f32[1x16x32x32] nchw) -> (%v{layers}: f32[1x16x32x32] nchw) {{")
    for before, after in pairwise(range(layers + 1)):
        clauses = f'{{pad = 1, act = relu}} : f32[1x16x32x32] nchw via cpu/f32/nchw/gemm !1.00us loc "m":"c{before}"'
        rows.append(f"  %v{after} = conv2d(%v{before}, @w{before}) {clauses}")
    return "\n".join([*rows, "}", ""])


def test_answers_in_a_large_file_do_not_wait_for_the_reader() -> None:
    text = large(2000)
    known = Sheet(text)
    assert known.findings() == []
    place = Position(3000, 5)
    text = text.replace("  %v1500 = conv2d(", "  %new = conv2d(%v\n  %v1500 = conv2d(")
    start = time.process_time()
    sheet = Sheet(text, previous=known)
    document = sheet.at(place)
    at = document.lines.position(text.index("%new") + len("%new = conv2d(%v"))
    found = completions(document, at)
    assert hover(document, place) and sheet.symbols()
    assert time.process_time() - start < 5, "seconds of processor time, where half a one is usual"
    assert len(found) == LIMIT and found[0].label == "%v1499"
    assert document._parsed is None
