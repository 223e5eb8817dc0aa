"""Places in a text as editors count them: lines, and code units in a line."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from typing import NamedTuple

from plait.ir.diagnostics import Span

_BREAK = re.compile(r"\r\n|\n|\r")
_WIDTHS: dict[str, Callable[[str], int]] = {
    "utf-8": lambda c: len(c.encode("utf-8", "surrogatepass")),
    "utf-16": lambda c: 1 + (ord(c) > 0xFFFF),
    "utf-32": lambda c: 1,
}


class Position(NamedTuple):
    """A place between two characters; both numbers count from 0."""

    line: int
    character: int


class Range(NamedTuple):
    """From one position up to another."""

    start: Position
    end: Position


class Lines:
    """Converts between offsets in a text (what Python counts) and positions (what an editor counts).

    `units` is what the editor counts in a line: "utf-16", the default of the protocol, "utf-8" or "utf-32".
    """

    def __init__(self, text: str, units: str = "utf-16") -> None:
        self.text = text
        self._starts = [0, *(m.end() for m in _BREAK.finditer(text))]
        self._width = None if text.isascii() else _WIDTHS[units]

    def __len__(self) -> int:
        return len(self._starts)

    def offset(self, position: Position) -> int:
        """The offset of a position; one outside of its line or of the text is moved inside."""
        if position.line >= len(self._starts):
            return len(self.text)
        if position.line < 0:
            return 0
        start, end = self.line(position.line)
        if self._width is None:
            return min(start + max(0, position.character), end)
        units = 0
        for at in range(start, end):
            units += self._width(self.text[at])
            if units > position.character:
                return at
        return end

    def position(self, offset: int) -> Position:
        """The position of an offset."""
        line = bisect_right(self._starts, offset) - 1
        start = self._starts[line]
        if self._width is None:
            return Position(line, offset - start)
        return Position(line, sum(map(self._width, self.text[start:offset])))

    def range(self, start: int, end: int) -> Range:
        """The range between two offsets."""
        return Range(self.position(start), self.position(end))

    def line(self, number: int) -> tuple[int, int]:
        """Offsets of the start of a line and of its end, without the line break."""
        start = self._starts[number]
        end = self._starts[number + 1] if number + 1 < len(self._starts) else len(self.text)
        while end > start and self.text[end - 1] in "\r\n":
            end -= 1
        return start, end

    def offsets_of(self, span: Span) -> tuple[int, int]:
        """Offsets of a span of a diagnostic, which counts lines as the reader does: by line feeds alone."""
        start = 0
        for _ in range(span.line - 1):
            start = self.text.find("\n", start) + 1
            if start == 0:
                return len(self.text), len(self.text)
        first = min(start + span.column - 1, len(self.text))
        return first, min(max(first, start + span.end - 1), len(self.text))
