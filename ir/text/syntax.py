"""From text to records, by Lark. Nothing is resolved here; see `parser` for meaning."""

from __future__ import annotations

import functools
import json
import math
from typing import Any

import attrs
import lark

from plait.ir.attributes import Call, SymbolRef
from plait.ir.diagnostics import Diagnostic, IRError, ShapeError
from plait.ir.dims import parse_shape
from plait.ir.dtypes import ElementType, element_type
from plait.ir.layout import layout_named
from plait.ir.text.patterns import PatternCallbacks
from plait.ir.text.records import (
    AttributeSyntax,
    BodySyntax,
    DeclaredSyntax,
    Fault,
    LayerSyntax,
    ModuleSyntax,
    NetSyntax,
    OperandSyntax,
    OutputSyntax,
    Source,
    TypeSyntax,
    WeightsSyntax,
)
from plait.ir.text.recovery import blank_statement
from plait.ir.text.syntax_errors import PEOPLE, at_end, spellings_of, syntax_error, wanted
from plait.ir.types import OptionalType, SequenceType, TensorType, Type

ERROR_LIMIT = 20
"""Reading stops at this many syntax errors."""
NESTING_LIMIT = 64
"""How deep literals, types and regions may be nested."""


class BadLiteral(Exception):
    """A literal holds a malformed part."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


def read(text: str, source: Source, start: str = "module") -> Any:
    """Parse text into records.

    Raises:
        IRError: P001 at the first place that is not in the grammar.
    """
    try:
        return _parser(start).parse(text, start=start)
    except lark.UnexpectedInput as error:
        raise IRError(syntax_error(error, source, _spellings())) from None


def read_on(text: str, source: Source) -> tuple[ModuleSyntax, list[Diagnostic], set[str]]:
    """Parse the text of a module, leaving out statements that are not in the grammar.

    Returns:
        The records, the syntax errors, and the names (`%a`, `@w`) that the statements left out define.

    Raises:
        IRError: with the errors found so far, where leaving out a statement does not help.
    """
    found: list[Diagnostic] = []
    lost: set[str] = set()
    while True:
        try:
            syntax: Any = _parser().parse(text, start="module")
            return syntax, found, lost
        except lark.UnexpectedInput as error:
            found.append(syntax_error(error, source, _spellings()))
            span = found[-1].span
            assert span is not None
            at_start = "VALUE" in wanted(error)
            blanked = None if at_end(error) else blank_statement(text, span, at_start)
            if blanked is None or len(found) == ERROR_LIMIT:
                raise IRError(found) from None
            text, names = blanked
            lost |= names


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


@functools.cache
def _spellings() -> dict[str, str]:
    return spellings_of((*_parser().terminals, *_parser("patterns").terminals), PEOPLE)


def unquote(text: str) -> str:
    """The content of a quoted string token.

    Raises:
        BadLiteral: it has an escape that does not exist, or half of a surrogate pair.
    """
    try:
        content = str(json.loads(text, strict=False))
        content.encode()
        return content
    except ValueError:
        message = f'{text} is not a string: after a backslash stands one of " \\ / b f n r t or u and four digits'
        raise BadLiteral(Fault(text if isinstance(text, lark.Token) else lark.Token("STRING", text), message)) from None


def name_of(token: lark.Token) -> str:
    """The name in a `%name`, `@name`, `%"name"` or `@"name"` token."""
    body = token[1:]
    return unquote(body) if body.startswith('"') else str(body)


def plain(value: Any, depth: int = 0) -> Any:
    """Turn literal tokens into Python values, in lists, dictionaries and calls too.

    Raises:
        BadLiteral: a number, type or string in it is malformed, or it is nested too deeply.
    """
    if isinstance(value, lark.Token):
        return _plain_token(value)
    if isinstance(value, (tuple, list, Call)):
        if depth == NESTING_LIMIT:
            raise BadLiteral(Fault(_first_token(value), f"nested more than {NESTING_LIMIT} deep"))
        if isinstance(value, tuple):
            return tuple([plain(v, depth + 1) for v in value])
        if isinstance(value, list):
            return _plain_dict(value, depth)
        return Call(value.name, tuple([plain(v, depth + 1) for v in value.args]))
    if isinstance(value, TypeSyntax):
        value = value.type
    if isinstance(value, Fault):
        raise BadLiteral(value)
    return value


def _plain_dict(entries: list[AttributeSyntax], depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for entry in entries:
        if (name := key_of(entry.name)) in found:
            raise BadLiteral(Fault(entry.name, f"{name!r} is given twice"))
        found[name] = plain(entry.value, depth + 1)
    return found


def _plain_token(token: lark.Token) -> Any:
    if token.type == "INT":
        try:
            return int(token)
        except ValueError:  # thousands of digits
            raise BadLiteral(Fault(token, "this integer has too many digits")) from None
    if token.type == "FLOAT":
        number = float(token)
        if math.isinf(number) and "inf" not in token:
            raise BadLiteral(Fault(token, f"{token} is too large for a float64; infinity is written inf"))
        return number
    return SymbolRef(name_of(token)) if token.type == "CONST" else unquote(token)


def _first_token(value: Any) -> lark.Token:
    """A token in a literal, to tell where it is; one without a line if it holds none."""
    while not isinstance(value, lark.Token):
        match value:
            case Call():
                value = value.args[0] if value.args else lark.Token("NAME", value.name)
            case [AttributeSyntax() as first, *_]:
                value = first.name
            case TypeSyntax() | Fault():
                value = value.token
            case tuple() if value:
                value = value[0]
            case _:
                value = lark.Token("NAME", " ")
    return value


def key_of(token: lark.Token) -> str:
    """The word in a token, which may stand in quotes."""
    return unquote(token) if token.type == "STRING" else str(token)


class _Malformed(ValueError):
    """Part `index` of a tensor type is malformed."""

    def __init__(self, index: int, message: object) -> None:
        super().__init__(str(message))
        self.index = index


@functools.lru_cache(maxsize=65536)
def _tensor(element: str, shape: str, layout: str | None, split: str | None, device: str | None) -> TensorType:
    # Tokens are strings, but do not look like it in messages.
    element, layout = str(element), None if layout is None else str(layout)
    try:
        dtype = element_type(element)
    except ValueError as error:
        raise _Malformed(0, error) from None
    try:
        dims = parse_shape(shape[1:-1])
    except ValueError as error:
        raise _Malformed(1, error) from None
    try:
        tag = None if layout is None else layout_named(layout)
    except ValueError as error:
        raise _Malformed(2, error) from None
    try:
        plain = TensorType(dtype, dims, tag, "cpu" if device is None else _device(device))
    except ShapeError as error:
        raise _Malformed(0, error) from None
    except BadLiteral as bad:
        raise _Malformed(4, bad) from None
    try:
        return plain if split is None else attrs.evolve(plain, split=str(split))
    except ShapeError as error:
        raise _Malformed(3, error) from None


def _device(text: str) -> str:
    return unquote(text) if text.startswith('"') else str(text)


def wrapped(token: lark.Token, inner: Type | Fault, make: type[SequenceType] | type[OptionalType]) -> TypeSyntax:
    """A type that holds another one, or the fault of that one."""
    if isinstance(inner, Fault):
        return TypeSyntax(token, inner)
    depth, element = 1, inner
    while isinstance(element, (SequenceType, OptionalType)):
        depth, element = depth + 1, element.element
    too_deep = Fault(token, f"nested more than {NESTING_LIMIT} deep")
    return TypeSyntax(token, too_deep if depth > NESTING_LIMIT else make(inner))


class _ToSyntax(PatternCallbacks, lark.Transformer[Any, Any]):
    """Callbacks run while parsing; children are tokens or records made by other callbacks, None for absent parts."""

    def module(self, c: list[Any]) -> ModuleSyntax:
        return ModuleSyntax(c[0], c[1:])

    def weights(self, c: list[Any]) -> WeightsSyntax:
        return WeightsSyntax(c[0], str(c[1] or ""), c[2:])

    def declared(self, c: list[Any]) -> DeclaredSyntax:
        return DeclaredSyntax(c[0], c[1])

    def const(self, c: list[Any]) -> DeclaredSyntax:
        return DeclaredSyntax(c[0], c[1], c[2])

    def net(self, c: list[Any]) -> NetSyntax:
        return NetSyntax(c[0], c[1])

    def region(self, c: list[Any]) -> tuple[lark.Token, BodySyntax]:
        return (c[0], c[1])

    def body(self, c: list[Any]) -> BodySyntax:
        return BodySyntax(c[0] or [], c[1] or [], c[2:])

    def argument(self, c: list[Any]) -> tuple[lark.Token, TypeSyntax]:
        return (c[0], c[1])

    def output(self, c: list[Any]) -> OutputSyntax:
        return OutputSyntax(c[0], c[1].token, c[2])

    def layer(self, c: list[Any]) -> LayerSyntax:
        results, op, operands, attributes, regions, types, via, cost, loc = c
        return LayerSyntax(results, op, operands or [], attributes or [], regions, types, via, cost, loc or [])

    def operand(self, c: list[Any]) -> OperandSyntax:
        return OperandSyntax(c[0])

    def named(self, c: list[Any]) -> OperandSyntax:
        return OperandSyntax(c[1].token, c[0])

    def _children(self, c: list[Any]) -> list[Any]:
        return c

    arguments = outputs = results = operands = regions = types = loc = _children

    def _child(self, c: list[Any]) -> Any:
        return c[0]

    via = cost = symbol = dict = type_value = literal = _child

    def location(self, c: list[Any]) -> tuple[lark.Token, lark.Token]:
        return (c[0], c[1])

    def tensor(self, c: list[Any]) -> TypeSyntax:
        try:
            type: Type | Fault = _tensor(*c)
        except _Malformed as error:
            type = Fault(c[error.index], str(error))
        return TypeSyntax(c[0], type)

    def seq(self, c: list[Any]) -> TypeSyntax:
        return wrapped(c[0], c[1].type, SequenceType)

    def optional(self, c: list[Any]) -> TypeSyntax:
        return wrapped(c[0], c[1].type, OptionalType)

    def quantized(self, c: list[Any]) -> ElementType | Fault:
        try:
            return element_type(str(c[0]))
        except ValueError as error:
            return Fault(c[0], str(error))

    def attributes(self, c: list[Any]) -> list[Any]:
        return [a for a in c if a is not None]

    def attribute(self, c: list[Any]) -> AttributeSyntax:
        return AttributeSyntax(c[0], c[1])

    options, option, bound_attribute = attributes, attribute, attribute

    def word(self, c: list[Any]) -> Any:
        return {"true": True, "false": False}.get(c[0], str(c[0]))

    def call(self, c: list[Any]) -> Call:
        return Call(str(c[0]), tuple(a for a in c[1:] if a is not None))

    def list(self, c: list[Any]) -> tuple[Any, ...]:
        return tuple(a for a in c if a is not None)
