"""What the reader makes of a text: plain records that hold tokens, so that every later error has a place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import attrs
import lark

from plait.ir.diagnostics import Span
from plait.ir.types import Type


@attrs.define
class Source:
    """The text that is read: its name and lines, to make spans from tokens."""

    file: str
    lines: list[str]

    @classmethod
    def of(cls, file: str, text: str) -> Self:
        """A text in lines as the lexer counts them: what else ends lines, such as U+2028, may stand in strings."""
        return cls(file, [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")])

    def span(self, token: lark.Token) -> Span:
        """The place of a token."""
        line = token.line or 1
        text = self.lines[line - 1] if line <= len(self.lines) else ""
        column = token.column or 1
        # Tokens of the generic form spell other than their place in the text.
        end = token.end_column if token.end_column and token.end_line == line else column + len(token)
        return Span(self.file, line, column, end, text)

    def comment_above(self, token: lark.Token) -> str:
        """The lines of comment directly above the statement that starts with this token, without their `//`."""
        at = (token.line or 1) - 1
        if self.lines[at][: (token.column or 1) - 1].strip() not in ("", "net"):
            return ""
        first = at
        while first > 0 and self.lines[first - 1].lstrip().startswith("//"):
            first -= 1
        return "\n".join(line.lstrip()[2:].removeprefix(" ").rstrip() for line in self.lines[first:at])


@attrs.define
class Fault:
    """A part of the text that is in the grammar but malformed: P006 at the token."""

    token: lark.Token
    message: str

    def at(self, around: lark.Token) -> lark.Token:
        """The token, or the one given if the part holds none."""
        return around if self.token.line is None else self.token


@attrs.define
class TypeSyntax:
    """A type; `type` is a `Fault` if it is malformed."""

    token: lark.Token
    type: Type | Fault


@attrs.define
class OperandSyntax:
    token: lark.Token
    field: lark.Token | None = None


@attrs.define
class AttributeSyntax:
    name: lark.Token
    value: Any


@attrs.define
class OutputSyntax:
    name: lark.Token | None
    value: lark.Token
    type: TypeSyntax


@attrs.define
class BodySyntax:
    """What nets and regions have: arguments, outputs, layers."""

    arguments: list[tuple[lark.Token, TypeSyntax]]
    outputs: list[OutputSyntax]
    layers: list[LayerSyntax]

    def walk(self) -> Iterator[LayerSyntax]:
        """All layers, those of nested regions after the layer that holds them."""
        for layer in self.layers:
            yield layer
            for _, body in layer.regions:
                yield from body.walk()


@attrs.define
class LayerSyntax:
    results: list[lark.Token]
    op: lark.Token
    operands: list[OperandSyntax]
    attributes: list[AttributeSyntax]
    regions: list[tuple[lark.Token, BodySyntax]]
    types: list[TypeSyntax] | None
    via: lark.Token | None
    cost: lark.Token | None
    locations: list[tuple[lark.Token, lark.Token]]


@attrs.define
class DeclaredSyntax:
    name: lark.Token
    type: TypeSyntax
    literal: Any = None


@attrs.define
class WeightsSyntax:
    file: lark.Token
    hash: str
    constants: list[DeclaredSyntax]


@attrs.define
class NetSyntax:
    name: lark.Token
    body: BodySyntax


@attrs.define
class ModuleSyntax:
    version: lark.Token
    items: list[Any]
