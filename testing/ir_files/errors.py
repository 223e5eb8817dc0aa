"""Diagnostics that a case expects, and how they are compared with those that come."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import attrs

from plait.ir.diagnostics import Diagnostic

_WANTED = re.compile(r"// error@([+-]?\d+)(?::(\d+))?: (P\d+) ?(.*)")


class CaseFailed(AssertionError):
    """A case fails; the message is all there is to show."""


@attrs.frozen
class WantedError:
    """A diagnostic that must come: its line in the file, its column if that matters, its code, part of its message."""

    line: int
    column: int | None
    code: str
    text: str

    def __str__(self) -> str:
        place = f"{self.line}" if self.column is None else f"{self.line}:{self.column}"
        return f"line {place}: {self.code} {self.text}".rstrip()

    def matches(self, diagnostic: Diagnostic, file: str) -> bool:
        """Whether `diagnostic` is the one; one without a place in the file is at every line."""
        if diagnostic.code != self.code or self.text not in diagnostic.message:
            return False
        span = diagnostic.span
        if span is None or span.file != file:
            return self.column is None
        return span.line == self.line and self.column in (None, span.column)


def wanted_errors(lines: Iterable[str], first_line: int) -> list[WantedError]:
    """The `// error@` directives in these lines, the first of which has this number."""
    found = []
    for number, line in enumerate(lines, first_line):
        if match := _WANTED.search(line):
            offset, column, code, text = match.groups()
            found.append(WantedError(number + int(offset), int(column) if column else None, code, text.strip()))
    return found


def check_errors(wanted: Sequence[WantedError], found: Iterable[Diagnostic], file: str) -> None:
    """Fail unless each wanted error is there, and no other.

    Raises:
        CaseFailed: what is missing and what is left over.
    """
    left = list(found)
    missing = []
    for error in wanted:
        match = next((d for d in left if error.matches(d, file)), None)
        if match is None:
            missing.append(error)
        else:
            left.remove(match)
    if missing or left:
        lines = [f"missing: {error}" for error in missing]
        lines += ["unexpected: " + d.render() for d in left]
        raise CaseFailed(f"{file}: the diagnostics are not those that are expected\n" + "\n".join(lines))
