"""The tokens of a text, whatever state it is in."""

from __future__ import annotations

import re
from typing import NamedTuple

from plait.cli.editing import tokens as t
from plait.ir.spelling import unquote

_KINDS = {
    "comment": t.COMMENT,
    "value": t.VALUE,
    "const": t.CONST,
    "quantized": t.QUANTIZED,
    "hash": t.HASH,
    "routine": rf"(?=[A-Za-z_]){t.ROUTINE}",
    "cost": t.COST,
    "string": t.STRING,
    "shape": rf"(?<=[A-Za-z0-9_>]){t.SHAPE}",
    "layout": rf"(?=<\s*d[0-9]){t.LAYOUT}",
    "name": t.NAME,
    "number": rf"{t.FLOAT}|{t.INT}",
    "arrow": "->|=>",
    "sign": r"\S",
}
_TOKEN = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _KINDS.items()))
_CONST = re.compile(t.CONST)


class Token(NamedTuple):
    """A piece of text and where it begins. Kinds are the keys of the table above; `sign` is any other character."""

    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


def scan(text: str, start: int = 0, end: int | None = None) -> list[Token]:
    """All tokens in order. What is no token of the grammar comes as signs, so nothing is an error."""
    found = _TOKEN.finditer(text, start, len(text) if end is None else end)
    return [Token(str(m.lastgroup), m.group(), m.start()) for m in found]


def constants_in(token: Token) -> list[Token]:
    """The constants that a quantized type names."""
    return [Token("const", m.group(), token.start + m.start()) for m in _CONST.finditer(token.text)]


def name_in(token: Token) -> str:
    """The name in a `%name` or `@name` token, as modules have it; malformed quotes stand for themselves."""
    body = token.text[1:]
    try:
        return unquote(body) if body.startswith('"') else body
    except ValueError:
        return body
