"""Constraints behind `where`: their checks, and their meaning as conditions of a match."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs
import lark

from plait.ir.attributes import Call, attribute_text
from plait.ir.diagnostics import did_you_mean
from plait.ir.dtypes import element_type
from plait.ir.layout import layout_named
from plait.ir.text.patterns import ConstraintSyntax, TermSyntax
from plait.ir.text.syntax import BadLiteral, plain
from plait.passes.patterns.graph import Bindings
from plait.passes.patterns.report import Report, key
from plait.passes.patterns.terms import ARITHMETIC, COMPARISONS, FUNCTIONS, Term, UndefinedTermError, apply

_CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "dtype": lambda word: element_type(_word(word)),
    "layout": lambda word: layout_named(_word(word)),
}
_ORDER = ("<", "<=", ">", ">=")


class InvalidConstraintError(Exception):
    """A constraint can have no meaning: code, place, message and hint."""

    def __init__(self, token: lark.Token, message: str, hint: str = "", code: str = "P213") -> None:
        super().__init__(message)
        self.token, self.message, self.hint, self.code = token, message, hint, code


@attrs.frozen
class Constraint:
    """A condition of a match."""

    test: Callable[[Bindings], bool]
    text: str
    negated: bool = False

    def why_not(self, bindings: Bindings) -> str:
        """Why it does not hold, or an empty text. One that has no meaning for the match does not hold."""
        try:
            return "" if self.test(bindings) != self.negated else f"{self.text} does not hold"
        except UndefinedTermError as error:
            return f"{self.text} does not hold: {error}"


@attrs.frozen
class ConstraintCompiler:
    """Checks constraints against the names that a match binds."""

    report: Report
    names: frozenset[str]
    converters: Mapping[str, Callable[[Any], Any] | None]
    """Attribute variables that the match binds, and the converters of their attributes."""

    def compile(self, syntax: ConstraintSyntax) -> Constraint | None:
        """The meaning of a constraint, or None after reporting what is wrong with it (P211, P213)."""
        try:
            test, text = self.comparison(syntax) if syntax.right is not None else self.condition(syntax)
        except InvalidConstraintError as error:
            self.report.error(error.code, error.token, error.message, error.hint)
            return None
        except BadLiteral as bad:
            self.report.error("P006", bad.fault.at(syntax.left.token), bad.fault.message)
            return None
        return Constraint(test, f"not {text}" if syntax.negated else text, syntax.negated)

    def condition(self, syntax: ConstraintSyntax) -> tuple[Callable[[Bindings], bool], str]:
        """What one call means, and its text."""
        term = self.term(syntax.left)
        if term.kind != "condition":
            raise InvalidConstraintError(term.token, f"{term.text} is not a condition", "compare it with something")
        return term.evaluate, term.text

    def comparison(self, syntax: ConstraintSyntax) -> tuple[Callable[[Bindings], bool], str]:
        """What a comparison means, and its text."""
        assert syntax.right is not None
        left = self.term(syntax.left)
        right = self.choices(syntax.right, left) if syntax.sign == "in" else self.term(syntax.right)
        left, right = converted(left, right), converted(right, left)
        check_comparable(left, syntax.sign, right)
        compare, a, b = COMPARISONS[syntax.sign], left.evaluate, right.evaluate
        text = f"{left.text} {syntax.sign} {right.text}"
        return lambda bindings: bool(apply(compare, a(bindings), b(bindings))), text

    def choices(self, syntax: TermSyntax, left: Term) -> Term:
        """The list behind `in`, its elements converted one by one."""
        parts = [converted(literal(plain(part), syntax.token), left) for part in syntax.parts]
        for part in parts:
            check_comparable(left, "==", part)
        values = tuple(part.evaluate({}) for part in parts)
        return Term(left.kind, lambda bindings: values, f"[{', '.join(p.text for p in parts)}]", syntax.token)

    # --- terms ---

    def term(self, syntax: TermSyntax) -> Term:
        """A part of a constraint.

        Raises:
            InvalidConstraintError: it can have no meaning.
        """
        match syntax.kind:
            case "name":
                return self.variable(syntax.token)
            case "function":
                return self.function(syntax)
            case "arithmetic":
                return self.arithmetic(syntax)
            case "list":
                return literal(tuple(plain(part) for part in syntax.parts), syntax.token)
            case "word":
                word = str(syntax.token)
                return literal({"true": True, "false": False}.get(word, word), syntax.token)
        return literal(plain(syntax.token), syntax.token)

    def variable(self, token: lark.Token) -> Term:
        name = self.bound(token)
        return Term("attribute", lambda bindings: bindings[name], name, token, self.converters[name])

    def bound(self, token: lark.Token) -> str:
        """The name of what the match binds."""
        known = self.converters if token.startswith("$") else self.names
        if key(token) not in known:
            hint = did_you_mean(key(token), known)
            raise InvalidConstraintError(token, f"{token} is not in the match graph", hint, "P211")
        return key(token)

    def function(self, syntax: TermSyntax) -> Term:
        name, token = str(syntax.token), syntax.token
        if name not in FUNCTIONS:
            if all(part.kind == "number" for part in syntax.parts):
                return literal(Call(name, tuple(plain(part.token) for part in syntax.parts)), token)
            hint = did_you_mean(name, FUNCTIONS) or f"known: {', '.join(FUNCTIONS)}"
            raise InvalidConstraintError(token, f"unknown constraint {name!r}", hint)
        function = FUNCTIONS[name]
        if len(syntax.parts) != len(function.parameters):
            message = f"{name} takes {len(function.parameters)} arguments, got {len(syntax.parts)}"
            raise InvalidConstraintError(token, message)
        arguments = [self.argument(part, kind) for part, kind in zip(syntax.parts, function.parameters, strict=True)]
        call = function.function
        text = f"{name}({', '.join(str(part.token) for part in syntax.parts)})"
        return Term(function.kind, lambda bindings: apply(call, *(a(bindings) for a in arguments)), text, token)

    def argument(self, syntax: TermSyntax, kind: str) -> Callable[[Bindings], Any]:
        token = syntax.token
        if kind == "number":
            if token.type != "INT":
                raise InvalidConstraintError(token, f"wants an integer, got {token}")
            number = int(token)
            return lambda bindings: number
        if syntax.kind != "name" or (kind == "constant" and not token.startswith("@")):
            raise InvalidConstraintError(token, f"wants a {kind} of the match graph, got {token}")
        name = self.bound(token)
        return lambda bindings: bindings[name]

    def arithmetic(self, syntax: TermSyntax) -> Term:
        left, right = (self.term(part) for part in syntax.parts)
        for side in (left, right):
            if side.kind not in ("number", "attribute"):
                hint = f"a function has its arguments in parentheses: {side.text}(%x)" if side.text in FUNCTIONS else ""
                raise InvalidConstraintError(side.token, f"{side.text} is not a number", hint)
        compute, a, b = ARITHMETIC[str(syntax.token)], left.evaluate, right.evaluate
        text, both = f"{left.text} {syntax.token} {right.text}", left.literal and right.literal
        return Term("number", lambda bindings: apply(compute, a(bindings), b(bindings)), text, left.token, literal=both)


def literal(value: Any, token: lark.Token) -> Term:
    """A term that is the same for every match."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    kind = "number" if number else "list" if isinstance(value, tuple) else "literal"
    return Term(kind, lambda bindings: value, attribute_text(value), token, literal=True)


def converted(term: Term, other: Term) -> Term:
    """A literal as a value of what it is compared with.

    Raises:
        InvalidConstraintError: it is no such value.
    """
    convert = other.convert or _CONVERTERS.get(other.kind)
    if not term.literal or convert is None:
        return term
    try:
        value = convert(term.evaluate({}))
    except (ValueError, TypeError) as error:
        message = f"{term.text} cannot be compared with {other.text}: {error}"
        raise InvalidConstraintError(term.token, message) from None
    return attrs.evolve(term, kind=other.kind, evaluate=lambda bindings: value)


def check_comparable(left: Term, sign: str, right: Term) -> None:
    """Check that a comparison can hold for some match.

    Raises:
        InvalidConstraintError: it cannot.
    """
    if left.literal and right.literal:
        raise InvalidConstraintError(left.token, f"{left.text} {sign} {right.text} does not depend on the match")
    kinds = {left.kind, right.kind}
    if sign in _ORDER:
        suits = kinds <= {"number", "attribute"}
    else:
        suits = len(kinds) == 1 or "attribute" in kinds or kinds == {"shape", "list"}
    if not suits or "condition" in kinds:
        raise InvalidConstraintError(left.token, f"{left.text} and {right.text} cannot be compared by {sign}")


def _word(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"wants a word, got {attribute_text(value)}")
    return value
