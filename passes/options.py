"""Options of passes: converters, which raise TypeError or ValueError (a P201 at the option), and patterns of names."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase


def words(value: str | Sequence[str]) -> tuple[str, ...]:
    """One word or text, or a list of them."""
    found = (value,) if isinstance(value, str) else tuple(value)
    if not all(isinstance(word, str) for word in found):
        raise TypeError(f"wants words, got {value!r}")
    return found


def matches(patterns: Sequence[str], *names: str) -> bool:
    """Whether one of the names is one of the patterns (`*`, `?`), which may have the `%` or `@` of the text form."""
    return any(fnmatchcase(name, p) or fnmatchcase(name, p.lstrip("%@")) for name in names for p in patterns)
