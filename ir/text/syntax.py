"""From text to plain syntax records, by Lark. Nothing is resolved here; see `builder` for meaning."""

from __future__ import annotations

import functools
import json
from typing import Any, NoReturn

import attrs
import lark

from plait.ir.attributes import Call
from plait.ir.diagnostics import Diagnostic, IRError, ShapeError, Span
from plait.ir.dims import parse_shape
from plait.ir.dtypes import element_type
from plait.ir.layout import layout_named
from plait.ir.text.patterns import PatternCallbacks
from plait.ir.types import TensorType


@attrs.define
class Source:
    """The text that is read: its name and lines, to make spans from tokens."""

    file: str
    lines: list[str]

    def span(self, token: lark.Token) -> Span:
        line = token.line or 1
        text = self.lines[line - 1] if line <= len(self.lines) else ""
        column = token.column or 1
        return Span(self.file, line, column, column + len(token), text)


@attrs.define
class OperandSyntax:
    token: lark.Token
    field: lark.Token | None = None


@attrs.define
class AttributeSyntax:
    name: lark.Token
    value: Any


@attrs.define
class LayerSyntax:
    results: list[lark.Token]
    op: lark.Token
    operands: list[OperandSyntax]
    attributes: list[AttributeSyntax]
    types: list[tuple[lark.Token, TensorType]] | None
    via: lark.Token | None
    cost: lark.Token | None
    locations: list[tuple[str, str]]


@attrs.define
class DeclaredSyntax:
    name: lark.Token
    type: TensorType
    literal: Any = None


@attrs.define
class WeightsSyntax:
    file: lark.Token
    hash: str
    constants: list[DeclaredSyntax]


@attrs.define
class OutputSyntax:
    name: str | None
    value: lark.Token
    type: TensorType


@attrs.define
class NetSyntax:
    name: lark.Token
    arguments: list[tuple[lark.Token, TensorType]]
    outputs: list[OutputSyntax]
    layers: list[LayerSyntax]


@attrs.define
class ModuleSyntax:
    version: lark.Token
    items: list[Any]


def read(text: str, source: Source, start: str = "module") -> Any:
    """Parse text into syntax records.

    Raises:
        IRError: P001 (grammar) or P006 (malformed type or literal), at the place.
    """
    try:
        return _parser(start).parse(text, start=start)
    except lark.exceptions.VisitError as error:
        if isinstance(error.orig_exc, _BadToken):
            bad = error.orig_exc
            raise IRError(Diagnostic("P006", str(bad), source.span(bad.token))) from None
        raise
    except _BadToken as bad:
        raise IRError(Diagnostic("P006", str(bad), source.span(bad.token))) from None
    except lark.UnexpectedInput as error:
        raise IRError(_syntax_error(error, source)) from None


class _BadToken(Exception):
    def __init__(self, token: lark.Token, message: str) -> None:
        super().__init__(message)
        self.token = token


def _parser(start: str = "module") -> lark.Lark:
    # Pattern files have a parser of their own: tables for them would slow down the first reading of anything else.
    return _open("patterns") if start == "patterns" else _open("module", "attributes", "options")


@functools.cache
def _open(*start: str) -> lark.Lark:
    return lark.Lark.open(
        "grammar.lark",
        rel_to=__file__,
        parser="lalr",
        start=list(start),
        transformer=_ToSyntax(),
        maybe_placeholders=True,
        propagate_positions=False,
    )


_PEOPLE = {
    "VALUE": "%value",
    "CONST": "@constant",
    "NAME": "a word",
    "SHAPE": "a shape such as [1x3x32x32]",
    "COST": "!<time>us",
    "ROUTINE": "a routine path such as cpu/f32/nchw/gemm",
    "STRING": '"text"',
    "INT": "an integer",
    "FLOAT": "a number",
    "HASH": "sha256:<digits>",
    "PATH": "a file name",
    "REST": "'...'",
    "VARIABLE": "$variable",
    "NOT": "'not'",
    "COMPARISON": "a comparison",
    "ADDITIVE": "'+' or '-'",
    "MULTIPLICATIVE": "'*', '/' or '%'",
    "$END": "the end of the file",
}


@functools.cache
def _spellings() -> dict[str, str]:
    """How messages call each terminal: fixed ones by their text in quotes, the others in words."""
    terminals = (*_parser().terminals, *_parser("patterns").terminals)
    fixed = {t.name: repr(t.pattern.value) for t in terminals if isinstance(t.pattern, lark.lexer.PatternStr)}
    return {**fixed, **_PEOPLE}


def _syntax_error(error: lark.UnexpectedInput, source: Source) -> Diagnostic:
    if isinstance(error, lark.UnexpectedToken):
        token = error.token
        found = "the end of the file" if token.type == "$END" else repr(str(token))
        # interactive_parser-accurate set: only what can really follow here.
        wanted = error.accepts or error.expected
        if token.type == "$END":
            last = max(1, len(source.lines))
            text = source.lines[last - 1] if source.lines else ""
            span = Span(source.file, last, len(text) + 1, len(text) + 2, text)
        else:
            span = source.span(token)
    else:
        assert isinstance(error, lark.UnexpectedCharacters)
        line = source.lines[error.line - 1] if error.line <= len(source.lines) else ""
        found = repr(error.char)
        wanted = error.allowed or set()
        span = Span(source.file, error.line, error.column, error.column + 1, line)
    names = sorted({_spellings().get(w, w) for w in wanted})
    return Diagnostic(
        "P001", f"unexpected {found}; expected {' or '.join(names)}" if names else f"unexpected {found}", span
    )


def unquote(text: str) -> str:
    """The content of a quoted string token."""
    return str(json.loads(text))


def name_of(token: lark.Token) -> str:
    """The name in a `%name`, `@name`, `%"name"` or `@"name"` token."""
    body = token[1:]
    return unquote(body) if body.startswith('"') else str(body)


def _fail(token: lark.Token, message: str) -> NoReturn:
    raise _BadToken(token, message)


class _ToSyntax(PatternCallbacks, lark.Transformer[Any, Any]):
    """Callbacks run while parsing; children are tokens or records made by other callbacks, None for absent parts."""

    def module(self, c: list[Any]) -> ModuleSyntax:
        return ModuleSyntax(c[0], c[1:])

    def weights(self, c: list[Any]) -> WeightsSyntax:
        return WeightsSyntax(c[0], str(c[1] or ""), c[2:])

    def declared(self, c: list[Any]) -> DeclaredSyntax:
        return DeclaredSyntax(c[0], c[1][1])

    def const(self, c: list[Any]) -> DeclaredSyntax:
        return DeclaredSyntax(c[0], c[1][1], c[2])

    def net(self, c: list[Any]) -> NetSyntax:
        return NetSyntax(c[0], c[1] or [], c[2] or [], c[3:])

    def arguments(self, c: list[Any]) -> list[Any]:
        return c

    def argument(self, c: list[Any]) -> tuple[lark.Token, TensorType]:
        return (c[0], c[1][1])

    def outputs(self, c: list[Any]) -> list[Any]:
        return c

    def output(self, c: list[Any]) -> OutputSyntax:
        return OutputSyntax(None if c[0] is None else unquote(c[0]), c[1].token, c[2][1])

    def layer(self, c: list[Any]) -> LayerSyntax:
        results, op, operands, attributes, types, via, cost, loc = c
        return LayerSyntax(results, op, operands or [], attributes or [], types, via, cost, loc or [])

    def results(self, c: list[Any]) -> list[Any]:
        return c

    def operands(self, c: list[Any]) -> list[Any]:
        return c

    def operand(self, c: list[Any]) -> OperandSyntax:
        return OperandSyntax(c[0])

    def named(self, c: list[Any]) -> OperandSyntax:
        return OperandSyntax(c[1].token, c[0])

    def types(self, c: list[Any]) -> list[Any]:
        return c

    def via(self, c: list[Any]) -> Any:
        return c[0]

    def cost(self, c: list[Any]) -> Any:
        return c[0]

    def loc(self, c: list[Any]) -> list[Any]:
        return c

    def location(self, c: list[Any]) -> tuple[str, str]:
        return (unquote(c[0]), unquote(c[1]))

    def type(self, c: list[Any]) -> tuple[lark.Token, TensorType]:
        word, shape, layout, device = c
        try:
            dtype = element_type(str(word))
        except ValueError as error:
            _fail(word, str(error))
        try:
            dims = parse_shape(shape[1:-1])
        except ValueError as error:
            _fail(shape, str(error))
        try:
            tag = None if layout is None else layout_named(str(layout))
        except ValueError as error:
            _fail(layout, str(error))
        try:
            return (word, TensorType(dtype, dims, tag, "cpu" if device is None else str(device)))
        except ShapeError as error:
            _fail(word, str(error))

    def attributes(self, c: list[Any]) -> list[Any]:
        return [a for a in c if a is not None]

    def attribute(self, c: list[Any]) -> AttributeSyntax:
        return AttributeSyntax(c[0], c[1])

    options, option, bound_attribute = attributes, attribute, attribute

    def word(self, c: list[Any]) -> Any:
        return {"true": True, "false": False}.get(c[0], str(c[0]))

    def call(self, c: list[Any]) -> Call:
        return Call(str(c[0]), tuple(a for a in c[1:] if a is not None))

    def literal(self, c: list[Any]) -> Any:
        return c[0]

    def list(self, c: list[Any]) -> tuple[Any, ...]:
        return tuple(a for a in c if a is not None)


def plain(value: Any) -> Any:
    """Turn literal tokens into Python numbers and strings, in lists and calls too."""
    if isinstance(value, lark.Token):
        if value.type == "INT":
            return int(value)
        if value.type == "FLOAT":
            return float(value)
        return unquote(value)
    if isinstance(value, tuple):
        return tuple(plain(v) for v in value)
    if isinstance(value, Call):
        return Call(value.name, tuple(plain(v) for v in value.args))
    return value
