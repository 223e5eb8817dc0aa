"""Collecting the errors of a pattern file."""

from __future__ import annotations

import attrs
import lark

from plait.ir.diagnostics import Diagnostic
from plait.ir.text.records import Fault, Source
from plait.ir.text.syntax import BadLiteral, name_of


@attrs.define
class Report:
    """Errors with their places; nothing stops at the first."""

    source: Source
    errors: list[Diagnostic] = attrs.field(factory=list)

    def error(self, code: str, token: lark.Token, message: str, hint: str = "") -> None:
        """Add an error at a token."""
        self.errors.append(Diagnostic(code, message, self.source.span(token), hint=hint))


def key(token: lark.Token) -> str:
    """The name with its sign (`%x`, `@k`, `$s`), spelled in one way: what bindings are found by.

    Raises:
        BadLiteral: the name is in quotes and malformed.
    """
    try:
        return str(token) if token.startswith("$") else token[0] + name_of(token)
    except BadLiteral as error:
        raise BadLiteral(Fault(token, error.fault.message)) from None
