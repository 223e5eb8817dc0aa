"""Records of pattern files, and how the reader makes them. Meaning is given by `plait.passes.patterns`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import lark

if TYPE_CHECKING:
    from plait.ir.text.records import AttributeSyntax, OperandSyntax


@attrs.define
class TypePatternSyntax:
    """`f32[Nx...] nhwc on cpu`; all but the first word may be left out."""

    element: lark.Token
    shape: lark.Token | None
    layout: lark.Token | None
    device: lark.Token | None


@attrs.define
class FreeValueSyntax:
    """`%x: f32[...]` or `@k` in the head of a pattern."""

    name: lark.Token
    type: TypePatternSyntax | None


@attrs.define
class PatternLayerSyntax:
    """A layer of a graph. `rest` tokens are `...`: other operands, other attributes."""

    results: list[lark.Token]
    op: lark.Token
    operands: list[OperandSyntax]
    rest_operands: lark.Token | None
    attributes: list[AttributeSyntax]
    """Values are literals, or a token `$s`."""
    rest_attributes: lark.Token | None
    types: list[TypePatternSyntax] | None


@attrs.define
class TermSyntax:
    """A part of a constraint: `kind` is number, text, name, word, list, function or arithmetic.

    `token` is the name, number, function or sign; `parts` are arguments, operands, or the literals of a list.
    """

    kind: str
    token: lark.Token
    parts: list[Any] = attrs.field(factory=list)


@attrs.define
class ConstraintSyntax:
    """`left`, `left == right` or `left in right`, perhaps with `not`. The sign is a comparison or `in`."""

    negated: bool
    left: TermSyntax
    sign: str = ""
    right: TermSyntax | None = None


@attrs.define
class RewriteSyntax:
    """`rewrite @name {options} (head) { match } where constraints => replacement`."""

    name: lark.Token
    options: list[AttributeSyntax]
    head: list[FreeValueSyntax]
    match: list[PatternLayerSyntax]
    constraints: list[ConstraintSyntax]
    replacement: list[PatternLayerSyntax] | lark.Token


@attrs.define
class PatternsSyntax:
    """A pattern file."""

    version: lark.Token
    rewrites: list[RewriteSyntax]


class PatternCallbacks:
    """Callbacks of the reader for the rules of pattern files; children are as in `syntax`."""

    def patterns(self, c: list[Any]) -> PatternsSyntax:
        return PatternsSyntax(c[0], c[1:])

    def rewrite(self, c: list[Any]) -> RewriteSyntax:
        name, options, head, match, constraints, replacement = c
        if not isinstance(replacement, list):
            replacement = replacement.token
        return RewriteSyntax(name, options or [], head or [], match, constraints or [], replacement)

    def free_value(self, c: list[Any]) -> FreeValueSyntax:
        return FreeValueSyntax(c[0].token, c[1])

    def pattern_layer(self, c: list[Any]) -> PatternLayerSyntax:
        results, op, operands, attributes, types = c
        named, rest = _without_rest(operands)
        given, other = _without_rest(attributes)
        return PatternLayerSyntax(results, op, named, rest, given, other, types)

    def type_pattern(self, c: list[Any]) -> TypePatternSyntax:
        return TypePatternSyntax(*c)

    def condition(self, c: list[Any]) -> ConstraintSyntax:
        return ConstraintSyntax(c[0] is not None, c[1])

    def comparison(self, c: list[Any]) -> ConstraintSyntax:
        left, right = c[1], c[3]
        for one, other in ((left, right), (right, left)):
            if one.kind == "list":  # has no token of its own
                one.token = other.token
        return ConstraintSyntax(c[0] is not None, left, str(c[2]), right)

    def membership(self, c: list[Any]) -> ConstraintSyntax:
        return ConstraintSyntax(c[0] is not None, c[1], "in", TermSyntax("list", c[1].token, list(c[2])))

    def arithmetic(self, c: list[Any]) -> TermSyntax:
        return TermSyntax("arithmetic", c[1], [c[0], c[2]])

    def function_term(self, c: list[Any]) -> TermSyntax:
        return TermSyntax("function", c[0], c[1:])

    def list_term(self, c: list[Any]) -> TermSyntax:
        return TermSyntax("list", lark.Token("LIST", "["), list(c[0]))

    def number_term(self, c: list[Any]) -> TermSyntax:
        return TermSyntax("number", c[0])

    def text_term(self, c: list[Any]) -> TermSyntax:
        return TermSyntax("text", c[0])

    def word_term(self, c: list[Any]) -> TermSyntax:
        return TermSyntax("word", c[0])

    def name_term(self, c: list[Any]) -> TermSyntax:
        return TermSyntax("name", c[0])

    def path(self, c: list[Any]) -> str:
        return str(c[0])

    def _parts(self, c: list[Any]) -> list[Any]:
        return c

    free_values = graph = pattern_operands = pattern_attributes = type_patterns = constraints = _parts


def _without_rest(parts: list[Any] | None) -> tuple[list[Any], lark.Token | None]:
    """The parts but for `...`, and the last `...`."""
    given = [p for p in parts or [] if p is not None]
    rest = [p for p in given if isinstance(p, lark.Token)]
    return [p for p in given if not isinstance(p, lark.Token)], rest[-1] if rest else None
