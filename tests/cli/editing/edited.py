"""A text to edit, and marks in it: `‸` is a position."""

from __future__ import annotations

from plait.cli.editing.document import Document
from plait.cli.editing.positions import Lines, Position, Range

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
