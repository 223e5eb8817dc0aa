"""Semantic tokens: colours for editors that take neither TextMate nor Pygments, such as Neovim."""

from __future__ import annotations

from typing import NamedTuple

from plait.cli.editing.document import Document
from plait.cli.editing.outline import Mark
from plait.cli.editing.scan import Token
from plait.cli.editing.tokens import DTYPES, KEYWORDS

TYPES = (
    *("comment", "string", "number", "keyword", "type", "modifier", "namespace", "variable", "function", "method"),
    *("property", "parameter", "enumMember"),
)
"""Names of the protocol, in the order of their numbers."""
MODIFIERS = ("declaration", "readonly")

_KINDS = {
    "comment": "comment",
    "string": "string",
    "number": "number",
    "cost": "number",
    "hash": "number",
    "shape": "number",
    "quantized": "type",
    "layout": "modifier",
    "routine": "namespace",
    "value": "variable",
    "const": "variable",
}
_ROLES = {"layer": "method", "attribute": "property", "field": "parameter", "region": "keyword", "word": "enumMember"}
_NUMBERS = {name: number for number, name in enumerate(TYPES)}


class Coloured(NamedTuple):
    """A token: where it begins, its length in the units of positions, the numbers of its type and modifiers."""

    line: int
    character: int
    length: int
    type: int
    modifiers: int


def colours(document: Document) -> list[Coloured]:
    """The tokens of a document that have a colour."""
    found = []
    for token in document.outline.tokens:
        mark = document.outline.marks.get(token.start)
        kind = _kind(token, mark)
        if kind is not None:
            (line, start), (_, end) = document.lines.range(token.start, token.end)
            found.append(Coloured(line, start, end - start, _NUMBERS[kind], _modifiers(mark)))
    return found


def _kind(token: Token, mark: Mark | None) -> str | None:
    if mark is not None and mark.key is not None and mark.key[0] == "net":
        return "function"
    if token.kind == "name" and token.text in DTYPES:
        return "type"
    if mark is not None and mark.role in _ROLES:
        return _ROLES[mark.role]
    if token.kind == "name":
        return "keyword" if token.text in KEYWORDS else "modifier"
    return _KINDS.get(token.kind)


def _modifiers(mark: Mark | None) -> int:
    if mark is None or mark.key is None:
        return 0
    return (mark.role == "definition") | (mark.key[0] == "constant") << 1
