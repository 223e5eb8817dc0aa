"""What may be written next."""

from __future__ import annotations

import pytest
from edited import TEXT, placed, text_of, typed

from plait.cli.editing.completion import completions
from plait.cli.editing.document import Document


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
