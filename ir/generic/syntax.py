"""From generic MLIR text to records, by Lark. Nothing is resolved here; see `reader` for meaning."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import attrs
import lark

from plait.ir.attributes import SymbolRef
from plait.ir.diagnostics import IRError, ShapeError
from plait.ir.dtypes import DType, ElementType, element_type
from plait.ir.generic import types
from plait.ir.generic.dense import DenseSyntax, from_bits
from plait.ir.generic.spelling import unescape
from plait.ir.spelling import quote
from plait.ir.text.parser import parse_attributes
from plait.ir.text.records import AttributeSyntax, Fault, TypeSyntax
from plait.ir.text.syntax import BadLiteral, plain, wrapped
from plait.ir.types import OptionalType, SequenceType


@attrs.define
class RegionSyntax:
    """A region of one block."""

    arguments: list[tuple[lark.Token, TypeSyntax]]
    ops: list[OpSyntax]


@attrs.define
class OpSyntax:
    results: list[tuple[lark.Token, int]]
    """Names, and how many values each stands for."""
    name: lark.Token
    uses: list[lark.Token]
    properties: list[AttributeSyntax]
    regions: list[RegionSyntax]
    attributes: list[AttributeSyntax]
    operand_types: list[TypeSyntax]
    result_types: list[TypeSyntax]
    locations: list[tuple[lark.Token, lark.Token]]


@functools.cache
def parser() -> lark.Lark:
    """The parser of whole texts."""
    return lark.Lark.open(
        "grammar.lark",
        rel_to=__file__,
        parser="lalr",
        start="module",
        transformer=_ToSyntax(),
        maybe_placeholders=True,
        propagate_positions=False,
    )


PEOPLE = {
    "VALUE": "%value",
    "BLOCK": "^block",
    "SYMBOL": "@symbol",
    "BARE": "a word",
    "TENSOR": "a tensor type such as tensor<1x3xf32>",
    "UNIFORM": "a quantized type such as !quant.uniform<i8:f32, 0.5:3>",
    "STRING": '"text"',
    "HEX": "a hexadecimal number",
    "INT": "an integer",
    "FLOAT": "a number",
    "$END": "the end of the file",
}
"""How messages call the terminals that are not fixed."""


def at(token: lark.Token, kind: str, text: str) -> lark.Token:
    """Another token at the place of one."""
    return lark.Token.new_borrow_pos(kind, text, token)


def string_at(token: lark.Token, text: str) -> lark.Token:
    """The token that a string has in the text form, at the place of another."""
    return at(token, "STRING", quote(text))


def string_or_fault(token: lark.Token) -> str | Fault:
    """The content of a string literal."""
    try:
        return unescape(token)
    except ValueError as error:
        return Fault(token, f"{token} is not a string of MLIR: {error}")


Location = list[tuple[lark.Token, lark.Token]]
"""(file, name) of each place."""


class _ToSyntax(lark.Transformer[Any, Any]):
    """Callbacks run while parsing; children are tokens or records made by other callbacks, None for absent parts.

    Attributes are Python values already, except for dictionaries, types, what is malformed, and elements of constants.
    """

    def _child(self, c: list[Any]) -> Any:
        return c[0]

    def _children(self, c: list[Any]) -> list[Any]:
        return [child for child in c if child is not None]

    module = properties = loc = _child
    results = uses = regions = arguments = types = dictionary = items = _children

    def op(self, c: list[Any]) -> OpSyntax:
        return OpSyntax(*([] if part is None else part for part in c))

    def result(self, c: list[Any]) -> tuple[lark.Token, int]:
        return (c[0], 1 if c[1] is None else int(c[1]))

    def region(self, c: list[Any]) -> RegionSyntax:
        return RegionSyntax(c[0] or [], c[1:])

    def label(self, c: list[Any]) -> list[Any]:
        return c[1] or []

    def argument(self, c: list[Any]) -> tuple[lark.Token, TypeSyntax]:
        return (c[0], c[1])

    def result_types(self, c: list[Any]) -> list[TypeSyntax]:
        return [c[0]] if isinstance(c[0], TypeSyntax) else c[0] or []

    # --- types ---

    def tensor(self, c: list[Any]) -> TypeSyntax:
        head, element, encoding = c
        if isinstance(element, Fault):
            return TypeSyntax(head, element)
        try:
            notes = None if encoding is None else plain(encoding)
            return TypeSyntax(head, types.tensor_type(head, element, notes))
        except BadLiteral as bad:
            return TypeSyntax(head, Fault(bad.fault.at(head), bad.fault.message))
        except (ValueError, ShapeError) as error:
            return TypeSyntax(head, Fault(head, str(error)))

    def seq(self, c: list[Any]) -> TypeSyntax:
        return wrapped(c[0].token, c[0].type, SequenceType)

    def optional(self, c: list[Any]) -> TypeSyntax:
        return wrapped(c[0].token, c[0].type, OptionalType)

    def no_tensor(self, c: list[Any]) -> TypeSyntax:
        return TypeSyntax(c[0], Fault(c[0], f"a value must be a tensor, such as tensor<{c[0]}>"))

    def plain_element(self, c: list[Any]) -> ElementType | bool | Fault:
        if c[0] in ("true", "false"):
            return bool(c[0] == "true")
        return _element(c[0], lambda: types.named_element(str(c[0])))

    def complex_element(self, c: list[Any]) -> ElementType | Fault:
        return _element(c[0], lambda: types.named_element(f"complex<{c[0]}>"))

    def string_element(self, c: list[Any]) -> ElementType:
        return DType.STRING

    def uniform_element(self, c: list[Any]) -> ElementType | Fault:
        return _element(c[0], lambda: types.uniform_element(str(c[0])))

    def tagged_element(self, c: list[Any]) -> ElementType | Fault:
        return _element(c[0], lambda: element_type(unescape(c[0])))

    # --- attributes ---

    def entry(self, c: list[Any]) -> AttributeSyntax:
        name = string_or_fault(c[0]) if c[0].type == "STRING" else str(c[0])
        return AttributeSyntax(c[0], name) if isinstance(name, Fault) else AttributeSyntax(at(c[0], "NAME", name), c[1])

    def text(self, c: list[Any]) -> str | Fault:
        return string_or_fault(c[0])

    def number(self, c: list[Any]) -> int | float | Fault:
        token, type = c
        try:
            dtype = DType.I64 if type in (None, "index") or type[0] in "siu" else types.named_element(type)
            if token.type == "HEX":
                return from_bits(token, dtype)
            return float(token) if token.type == "FLOAT" or dtype.is_float else int(token)
        except ValueError as error:
            return Fault(token, str(error))

    def symbol(self, c: list[Any]) -> SymbolRef | Fault:
        name = string_or_fault(at(c[0], "STRING", c[0][1:])) if c[0].startswith('@"') else str(c[0][1:])
        return name if isinstance(name, Fault) else SymbolRef(name)

    def array(self, c: list[Any]) -> tuple[Any, ...]:
        return tuple(child for child in c if child is not None)

    def dense_array(self, c: list[Any]) -> tuple[Any, ...]:
        return tuple(self._scalar(token) for token in c[1:] if token is not None)

    def _scalar(self, token: lark.Token) -> int | float | bool | Fault:
        if token.type == "BARE":
            return bool(token == "true") if token in ("true", "false") else Fault(token, f"{token} is not a number")
        return self.number([token, None])

    def dense(self, c: list[Any]) -> DenseSyntax:
        return DenseSyntax(c[1].token, c[0], c[1])

    def pair(self, c: list[Any]) -> tuple[lark.Token, lark.Token]:
        return (c[0], c[1])

    def tagged(self, c: list[Any]) -> Any:
        try:
            found = parse_attributes(f"{{value = {unescape(c[0])}}}")
        except IRError as error:
            return Fault(c[0], f"{c[0]} is not an attribute: {error.diagnostics[0].message}")
        except ValueError as error:
            return Fault(c[0], str(error))
        return found["value"] if len(found) == 1 else Fault(c[0], f"{c[0]} is more than one attribute")

    # --- locations ---

    def name_location(self, c: list[Any]) -> Location:
        return [(string_at(c[0], ""), _string(c[0]))]

    def named_location(self, c: list[Any]) -> Location:
        return [(c[1][0][0] if c[1] else string_at(c[0], ""), _string(c[0]))]

    def file_location(self, c: list[Any]) -> Location:
        return [(_string(c[0]), string_at(c[1], f"{c[1]}:{c[2]}"))]

    def fused_location(self, c: list[Any]) -> Location:
        return [place for inner in c[1:] if inner is not None for place in inner]

    def unknown_location(self, c: list[Any]) -> Location:
        return []


def _string(token: lark.Token) -> lark.Token:
    # A malformed one stays as it is: the reader of strings of the text form says so.
    text = string_or_fault(token)
    return token if isinstance(text, Fault) else string_at(token, text)


def _element(token: lark.Token, read: Callable[[], ElementType]) -> ElementType | Fault:
    try:
        return read()
    except ValueError as error:
        return Fault(token, str(error))
