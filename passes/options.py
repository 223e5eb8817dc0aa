"""Converters for options of passes. They raise TypeError or ValueError, which becomes a P201 at the option."""

from __future__ import annotations

from collections.abc import Sequence


def words(value: str | Sequence[str]) -> tuple[str, ...]:
    """One word or text, or a list of them."""
    found = (value,) if isinstance(value, str) else tuple(value)
    if not all(isinstance(word, str) for word in found):
        raise TypeError(f"wants words, got {value!r}")
    return found
