"""Reading on after a syntax error: the statement that holds it is blanked, so that line numbers stay."""

from __future__ import annotations

import re

from plait.ir.diagnostics import Span

UNKNOWN = "?"
"""Stands for names that a statement may define but that cannot be told."""
_CONTINUES = re.compile(r"\s*(via\b|loc\b|[!:+,{)\]])")
_OPEN_END = ("(", ",", "=", "[", ":", "->")
_FRAME = re.compile(r"\s*(ir\b|net\b|weights\b|rewrite\b|\})")
_DEFINES = re.compile(r'\s*(?:const\s+)?((?:[%@](?:[A-Za-z0-9_.$\-]+|"(?:[^"\\\n]|\\.)*")\s*,?\s*)+)[=:]')
_NAME = re.compile(r'[%@](?:[A-Za-z0-9_.$\-]+|"(?:[^"\\\n]|\\.)*")')


def blank_statement(text: str, span: Span, at_start: bool) -> tuple[str, set[str]] | None:
    """The text without the statement at `span`, and the names that the statement defines.

    `at_start` tells that a statement could begin at the error: else an error at the first word of a line is the fault
    of the statement before it. None if the error is in the frame of the text (a net's head, a brace), or if the
    statement opens a region.
    """
    lines = text.split("\n")
    at = span.line - 1
    first = _start_of(lines, at)
    leads = not lines[at][: span.column - 1].strip()
    if leads and not at_start and (before := _before(lines, at)) is not None:
        first = _start_of(lines, before)
    # `add(%x,` swallows the line that follows.
    while (before := _before(lines, first)) is not None and lines[before].rstrip().endswith(_OPEN_END):
        first = _start_of(lines, before)
    last = at if leads and not at_start and first < at else at + 1
    while at < last < len(lines) and _CONTINUES.match(lines[last]):
        last += 1
    block = lines[first:last]
    if any(_FRAME.match(line) for line in block) or any(line.rstrip().endswith("{") for line in block):
        return None
    lost = {name for line in block if (match := _DEFINES.match(line)) for name in _NAME.findall(match.group(1))}
    lines[first:last] = [""] * len(block)
    blanked = "\n".join(lines)
    return None if blanked == text else (blanked, lost or {UNKNOWN})


def _start_of(lines: list[str], at: int) -> int:
    """First line of the statement that line `at` belongs to."""
    while at > 0 and _CONTINUES.match(lines[at]):
        at -= 1
    return at


def _before(lines: list[str], at: int) -> int | None:
    """The last line above `at` that holds more than a comment."""
    return next((i for i in range(at - 1, -1, -1) if not _is_blank(lines[i])), None)


def _is_blank(line: str) -> bool:
    stripped = line.strip()
    return not stripped or stripped.startswith("//")
