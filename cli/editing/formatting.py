"""The printed form of a document."""

from __future__ import annotations

from collections import Counter

from plait.cli.editing.document import Declined, Document
from plait.cli.editing.outliner import outline
from plait.cli.editing.positions import Position, Range
from plait.cli.editing.scan import Token


def formatted(document: Document) -> list[tuple[Range, str]]:
    """The edits that make a text what `plait opt -p ''` prints; none if it is that. Comments before `ir` stay.

    Raises:
        Declined: the text has errors, or something in it would be lost.
    """
    from plait.ir.text.parser import is_generic
    from plait.ir.text.printer import print_module

    if document.holds_patterns:
        raise Declined("pattern files have no printed form")
    if is_generic(document.text):
        raise Declined("this is generic text; only the text form is formatted")
    facts, errors = document.parse()
    if errors:
        raise Declined(f"the text has errors; the first is in line {errors[0].span.line if errors[0].span else 1}")
    tokens = document.outline.tokens
    if sum(t.text == "weights" for t in tokens) > 1:
        raise Declined("the text has several blocks of weights; only one is printed")
    head, digest = _head(document), next((t.text for t in tokens if t.kind == "hash"), "")
    new = head + print_module(facts.module, weights_hash=digest)
    lost = _comments(tokens) - _comments(outline(new).tokens)
    if lost:
        first = next(t for t in tokens if t.kind == "comment" and _words(t) in lost)
        line = document.lines.position(first.start).line + 1
        raise Declined(
            f"the comment in line {line} would be lost; comments are kept on lines of their own before layers and nets"
        )
    end = document.lines.position(len(document.text))
    return [] if new == document.text else [(Range(Position(0, 0), end), new)]


def _head(document: Document) -> str:
    """The comments before the first statement."""
    first = next((t for t in document.outline.tokens if t.kind != "comment"), None)
    lines = document.text[: first.start if first else 0].splitlines()
    return "".join(f"{line.strip()}\n" for line in lines)


def _comments(tokens: list[Token]) -> Counter[str]:
    return Counter(_words(t) for t in tokens if t.kind == "comment")


def _words(comment: Token) -> str:
    return " ".join(comment.text.removeprefix("//").split())
