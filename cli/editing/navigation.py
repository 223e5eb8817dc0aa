"""Where names are defined and used, and what becomes of the text if one is changed."""

from __future__ import annotations

from plait.cli.editing.document import Declined, Document
from plait.cli.editing.outline import Key, Mark
from plait.cli.editing.positions import Position, Range
from plait.cli.editing.scan import name_in
from plait.ir.spelling import name_text


def definition(document: Document, position: Position) -> Range | None:
    """Where the value, constant or net at a position is defined."""
    key = _key(document, position)
    token = document.outline.definition(key) if key else None
    return document.lines.range(token.start, token.end) if token else None


def references(document: Document, position: Position, *, declaration: bool = True) -> list[Range]:
    """Every mention of the name at a position, with or without its definition."""
    key = _key(document, position)
    found = document.outline.mentions.get(key, []) if key else []
    return [_range(document, m) for m in found if declaration or m.role != "definition"]


def renamed_range(document: Document, position: Position) -> tuple[Range, str]:
    """The place and present text of the name that a rename at a position changes.

    Raises:
        Declined: there is no name, or it must not change.
    """
    mark = document.mark_at(position)
    if mark is None or mark.key is None:
        raise Declined("only values, constants and nets can be renamed")
    _check_may_change(document, mark.key)
    return _range(document, mark), mark.token.text


def rename(document: Document, position: Position, new: str) -> list[tuple[Range, str]]:
    """The edits that give the name at a position another; `new` may have its sign and quotes, or not.

    Raises:
        Declined: there is no name, it must not change, or the new one is taken.
    """
    renamed_range(document, position)
    key = _key(document, position)
    assert key is not None
    sign = "%" if key[0] == "value" else "@"
    plain = new.strip().removeprefix(sign)
    if plain.startswith('"'):
        plain = name_in(document.outline.tokens[0]._replace(text=sign + plain))
    if not plain:
        raise Declined("a name has at least one character")
    taken = (key[0], key[1], plain)
    if taken != key and document.outline.mentions.get(taken):
        raise Declined(f"{sign}{name_text(plain)} is used already")
    text = sign + name_text(plain)
    return [(_range(document, m), text) for m in document.outline.mentions[key]]


def _check_may_change(document: Document, key: Key) -> None:
    token = document.outline.definition(key)
    if token is None:
        raise Declined("the name is not defined in this text")
    if key == ("net", "", "main"):
        raise Declined("@main is the network; callers know it by this name")
    blocks = (s for s in document.outline.scopes if s.kind == "weights")
    if any(token in block.definitions for block in blocks):
        raise Declined(f"{token.text} is a name in the weights file")


def _key(document: Document, position: Position) -> Key | None:
    mark = document.mark_at(position)
    return mark.key if mark else None


def _range(document: Document, mark: Mark) -> Range:
    return document.lines.range(mark.token.start, mark.token.end)
