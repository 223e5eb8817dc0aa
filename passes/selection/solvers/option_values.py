"""Validators of solver options: each says what it wants of a value that is not right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import attrs

Validator: TypeAlias = Callable[[Any, "attrs.Attribute[Any]", Any], None]


def whole(least: int) -> Validator:
    """An integer of at least ``least``."""

    def check(_: Any, field: attrs.Attribute[Any], value: Any) -> None:
        if type(value) is not int or value < least:
            raise ValueError(f"wants an integer of at least {least}, got {value!r}")

    return check


def number(least: float, most: float = float("inf")) -> Validator:
    """A number from ``least`` to ``most``."""

    def check(_: Any, field: attrs.Attribute[Any], value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
            limits = f"of at least {least:g}" if most == float("inf") else f"from {least:g} to {most:g}"
            raise ValueError(f"wants a number {limits}, got {value!r}")

    return check


def one_of(*words: str) -> Validator:
    """One of some words."""

    def check(_: Any, field: attrs.Attribute[Any], value: Any) -> None:
        if value not in words:
            raise ValueError(f"wants {' or '.join(words)}, got {value!r}")

    return check


def yes_or_no(_: Any, field: attrs.Attribute[Any], value: Any) -> None:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError(f"wants true or false, got {value!r}")


def text(_: Any, field: attrs.Attribute[Any], value: Any) -> None:
    """Text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"wants text, got {value!r}")
