"""The TextMate grammar of IR text, for editors and sites that take those; `python -m plait.cli.editing.textmate` prints
it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from plait.cli.editing.tokens import ATTRIBUTES, ATTRIBUTES_BEGIN, ATTRIBUTES_END, BODY, Rule


def grammar() -> dict[str, Any]:
    """The grammar as TextMate's JSON has it."""
    return {
        "name": "Plait IR",
        "scopeName": "source.plait",
        "fileTypes": ["ir", "pdl"],
        "patterns": [{"include": "#attributes"}, *_patterns(BODY)],
        "repository": {
            "attributes": {
                "name": "meta.attributes.plait",
                "begin": ATTRIBUTES_BEGIN,
                "end": ATTRIBUTES_END,
                "beginCaptures": {"0": {"name": "punctuation.section.attributes.begin.plait"}},
                "endCaptures": {"0": {"name": "punctuation.section.attributes.end.plait"}},
                "patterns": [{"include": "#attributes"}, *_patterns(ATTRIBUTES)],
            }
        },
    }


def grammar_text() -> str:
    """The file `docs/editors/plait.tmLanguage.json`."""
    return json.dumps(grammar(), indent=2, ensure_ascii=False) + "\n"


def _patterns(rules: Sequence[Rule]) -> list[dict[str, str]]:
    return [{"name": f"{rule.scope}.plait", "match": rule.pattern} for rule in rules]


if __name__ == "__main__":
    print(grammar_text(), end="")
