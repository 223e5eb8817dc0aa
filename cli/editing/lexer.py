"""The Pygments lexer of IR text and pattern files, an entry point of `pygments.lexers`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, ClassVar

from pygments.lexer import RegexLexer  # type: ignore[import-untyped]
from pygments.token import Punctuation, Whitespace, string_to_tokentype  # type: ignore[import-untyped]

from plait.cli.editing.tokens import ATTRIBUTES, ATTRIBUTES_BEGIN, ATTRIBUTES_END, BODY, Rule

_BEGIN = (ATTRIBUTES_BEGIN, Punctuation, "attributes")


def _rules(rules: Sequence[Rule]) -> list[Any]:
    return [(r"\n|[^\S\n]+", Whitespace), _BEGIN, *((r.pattern, string_to_tokentype(r.token)) for r in rules)]


class PlaitLexer(RegexLexer):  # type: ignore[misc]
    """Plait's IR: modules (`*.ir`) and pattern files (`*.pdl`)."""

    name = "Plait IR"
    aliases: ClassVar[list[str]] = ["plait", "plait-ir"]
    filenames: ClassVar[list[str]] = ["*.ir", "*.pdl"]
    mimetypes: ClassVar[list[str]] = ["text/x-plait"]
    version_added = ""
    flags = re.MULTILINE
    tokens: ClassVar[dict[str, list[Any]]] = {
        "root": _rules(BODY),
        "attributes": [(ATTRIBUTES_END, Punctuation, "#pop"), *_rules(ATTRIBUTES)],
    }

    @staticmethod
    def analyse_text(text: str) -> float:
        """How likely a text is IR: its first statement is `ir 1`."""
        return 0.9 if re.match(r"(?:\s|//[^\n]*\n)*ir\s+[0-9]+\s*$", text, re.MULTILINE) else 0.0
