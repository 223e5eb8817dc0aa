"""How the text form spells numbers, strings and names; shared by everything that has a text."""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal

KEYWORDS = frozenset({"ir", "weights", "const", "net", "on", "via", "loc"})
"""Words with a meaning of their own where they stand bare."""
WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_\-]*\Z")
"""Names of layers, devices and regions that need no quotes; those of layers cannot have any."""
_ROUTINE = re.compile(r"[A-Za-z0-9_.]+(/[A-Za-z0-9_.]+)+(\[[^\]\n]*\])?\Z")
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


def word_text(word: str) -> str:
    """A device or the name of a region: in quotes if it needs them."""
    return word if WORD.match(word) and word not in KEYWORDS else quote(word)


def routine_text(path: str) -> str:
    """The path of a routine as it stands after `via`: in quotes if it needs them."""
    return path if _ROUTINE.match(path) else quote(path)


def cost_text(microseconds: float) -> str:
    """A time as it stands after `!`: two decimals if that is the exact number, else as many as it has."""
    rounded = f"{microseconds:.2f}"
    return rounded if float(rounded) == microseconds else format(Decimal(repr(float(microseconds))), "f")


def name_text(name: str) -> str:
    """A name as it stands after `%` or `@`: in quotes if it needs them."""
    return name if PLAIN_NAME.match(name) else quote(name)
