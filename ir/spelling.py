"""How the text form spells numbers, strings and names; shared by everything that has a text."""

from __future__ import annotations

import json
import math
import re

PLAIN_NAME = re.compile(r"[A-Za-z0-9_.$\-]+\Z")
"""Names that need no quotes after `%` or `@`."""


def float_text(value: float) -> str:
    """Shortest text that reads back as the same float64, never mistaken for an integer."""
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return repr(float(value))


def quote(text: str) -> str:
    """A double-quoted string with escapes."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # a lone half of a surrogate pair, which no file can hold as it is
        return json.dumps(text)
    return json.dumps(text, ensure_ascii=False)


def unquote(text: str) -> str:
    """The content of a quoted string.

    Raises:
        ValueError: malformed escapes.
    """
    return str(json.loads(text))


def name_text(name: str) -> str:
    """A name as it stands after `%` or `@`: in quotes if it needs them."""
    return name if PLAIN_NAME.match(name) else quote(name)
