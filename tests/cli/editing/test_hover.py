"""What is shown of the thing under the pointer."""

from __future__ import annotations

import pytest
from edited import mark, placed, text_of, typed

from plait.cli.editing.document import Document
from plait.cli.editing.hover import hover
from plait.cli.editing.positions import Position


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
