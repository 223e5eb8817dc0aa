"""What is told when a `CHECK` line fails."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence

from plait.testing.check_lines.directives import Directive

_AROUND = 3
"""Lines of the text that are shown before and after the place."""


class CheckFailed(AssertionError):
    """A text does not have what its `CHECK` lines say."""


def report(
    directive: Directive, what: str, text: str, place: int, limit: int, known: Mapping[str, str], file: str
) -> CheckFailed:
    """The error for a directive that failed at an offset of the text; nothing from `limit` on was searched."""
    lines = text.splitlines()
    row = min(text.count("\n", 0, place), max(len(lines) - 1, 0))
    message = [f"{file}:{directive.line}: {directive.label}: {what}", f"    {directive.text}"]
    message += [f"    with {name} = {known[name]}" for name in directive.uses if name in known]
    role = "found" if directive.kind == "NOT" else "searched from"
    message.append(f"{role} line {row + 1} of the text:" if lines else "the text is empty")
    message += _excerpt(lines, row)
    last = text.count("\n", 0, limit)
    if directive.kind != "NOT" and (close := _closest(directive.text, lines, row, last)) is not None:
        message += [f"closest, at line {close + 1}:", f"    {lines[close]}"]
    return CheckFailed("\n".join(message))


def _excerpt(lines: Sequence[str], row: int) -> Iterator[str]:
    """A few lines around one, which is marked."""
    for i in range(max(0, row - _AROUND), min(len(lines), row + _AROUND + 1)):
        yield f"  {'>' if i == row else ' '} {i + 1:4} | {lines[i]}".rstrip()


def _closest(wanted: str, lines: Sequence[str], first: int, last: int) -> int | None:
    """The line from `first` on that has most of the pattern's characters in order, if any has half of them."""
    most, row = len(wanted) / 2, None
    matcher = difflib.SequenceMatcher(autojunk=False)
    matcher.set_seq2(wanted)
    for i in range(first, min(len(lines), last + 1)):
        matcher.set_seq1(lines[i])
        shared = sum(block.size for block in matcher.get_matching_blocks())
        if shared > most:
            most, row = shared, i
    return row
