"""Names with options in braces, as pipelines and solvers are written: `name{option=value,...}`."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from plait.ir.diagnostics import Diagnostic, IRError, PlaitError, Span
from plait.ir.text.records import Source
from plait.ir.text.syntax import BadLiteral, plain, read

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_\-]*")
_SPACE = re.compile(r"\s*")


class OptionText:
    """A text and a place in it, and what reads on from there. Subclasses say which error a wrong text is."""

    code: ClassVar[str]
    failure: ClassVar[type[PlaitError]]

    def __init__(self, text: str, file: str) -> None:
        self.text, self.at = text, 0
        self.source = Source.of(file, text)

    def space(self) -> None:
        match = _SPACE.match(self.text, self.at)
        self.at = match.end() if match else self.at

    def options(self) -> tuple[dict[str, Any], dict[str, tuple[Span, Any]]]:
        """The braces at `at`: values, and for each name its place and its value as it was read."""
        end = self.closing_brace()
        # Blanks in place of what precedes, so that the parser counts lines and columns as in the whole text.
        blanked = re.sub(r"[^\n]", " ", self.text[: self.at]) + self.text[self.at : end]
        try:
            records = read(blanked, self.source, "options")
        except IRError as error:
            found = [Diagnostic(self.code, d.message, d.span, hint=d.hint) for d in error.diagnostics]
            raise self.failure(found) from None
        self.at = end
        values: dict[str, Any] = {}
        places: dict[str, tuple[Span, Any]] = {}
        for record in records:
            name, place = str(record.name), self.source.span(record.name)
            if name in values:
                raise self.failure(Diagnostic(self.code, f"option {name!r} is given twice", place))
            try:
                values[name], places[name] = plain(record.value), (place, record.value)
            except BadLiteral as bad:
                span = self.source.span(bad.fault.at(record.name))
                raise self.failure(Diagnostic(self.code, bad.fault.message, span)) from None
        return values, places

    def closing_brace(self) -> int:
        """The offset after the brace that closes the one at `at`."""
        depth = 0
        for match in re.finditer(r'"([^"\\\n]|\\.)*"|[{}]', self.text[self.at :]):
            depth += {"{": 1, "}": -1}.get(match.group(), 0)
            if depth == 0:
                return self.at + match.end()
        raise self.error(self.at, self.at + 1, "this brace is not closed")

    def span(self, start: int, end: int) -> Span:
        line = self.text.count("\n", 0, start) + 1
        column = start - (self.text.rfind("\n", 0, start) + 1) + 1
        shown = self.source.lines[line - 1] if line <= len(self.source.lines) else ""
        return Span(self.source.file, line, column, column + end - start, shown)

    def error(self, start: int, end: int, message: str, hint: str = "") -> PlaitError:
        return self.failure(Diagnostic(self.code, message, self.span(start, end), hint=hint))
