"""Diagnostics of a document, with their hints and the repairs that these name."""

from __future__ import annotations

import re

import attrs

from plait.cli.editing.document import Document
from plait.cli.editing.positions import Range
from plait.ir.diagnostics import Diagnostic
from plait.ir.spelling import name_text

_CHOICES = re.compile(r"did you mean (.+)\?")


@attrs.frozen
class Finding:
    """Something wrong at a place. `choices` are texts that could stand there instead."""

    range: Range
    code: str
    message: str
    hint: str = ""
    choices: tuple[str, ...] = ()


def findings(document: Document) -> list[Finding]:
    """All that is wrong with a document, in the order of the text."""
    return [_finding(document, d) for d in document.parse()[1]]


def _finding(document: Document, diagnostic: Diagnostic) -> Finding:
    start, end = (0, 0) if diagnostic.span is None else document.lines.offsets_of(diagnostic.span)
    where = f"{diagnostic.where}: " if diagnostic.where and diagnostic.span is None else ""
    return Finding(
        document.lines.range(start, end),
        diagnostic.code,
        f"{where}{diagnostic.message}",
        diagnostic.hint,
        _choices(diagnostic, document.text[start:end]),
    )


def _choices(diagnostic: Diagnostic, written: str) -> tuple[str, ...]:
    match = _CHOICES.search(f"{diagnostic.message} {diagnostic.hint}")
    if match is None or not written:
        return ()
    named = match[1].split(" or ")
    # Those of pattern files name values without their sign.
    sign = written[0] if written[0] in "%@" else ""
    return tuple(f"{sign}{name_text(n)}" if sign and n[0] not in "%@" else n for n in named)
