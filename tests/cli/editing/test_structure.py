"""Symbols, foldings and colours, and formatting."""

from __future__ import annotations

import pytest
from edited import TEXT

from plait.cli.editing.colours import TYPES, colours
from plait.cli.editing.document import Declined, Document
from plait.cli.editing.formatting import formatted
from plait.cli.editing.positions import Position, Range
from plait.cli.editing.structure import Symbol, foldings, symbols

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
