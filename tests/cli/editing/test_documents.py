"""Texts under edit: positions, what an outline finds in any text, findings, several modules, speed."""

from __future__ import annotations

import contextlib
import random
import time
from itertools import pairwise

import pytest
from edited import TEXT, placed, text_of, typed

from plait.cli.editing.completion import LIMIT, completions
from plait.cli.editing.document import Declined, Document
from plait.cli.editing.findings import findings
from plait.cli.editing.hover import hover
from plait.cli.editing.navigation import definition, references
from plait.cli.editing.outliner import outline
from plait.cli.editing.positions import Lines, Position, Range
from plait.cli.editing.sheet import Sheet
from plait.cli.editing.structure import foldings, symbols
from plait.testing.random_modules import random_module

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
