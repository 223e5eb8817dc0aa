"""Definitions, references and renaming."""

from __future__ import annotations

import pytest
from edited import mark, placed, text_of

from plait.cli.editing.document import Declined, Document
from plait.cli.editing.findings import findings
from plait.cli.editing.navigation import definition, references, rename, renamed_range


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
