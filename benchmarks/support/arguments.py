"""Values of command-line options."""

from __future__ import annotations

from pathlib import Path


def words(text: str) -> list[str]:
    """Words separated by commas."""
    return [word for word in text.split(",") if word]


def numbers(text: str) -> list[int]:
    """Numbers separated by commas."""
    return [int(word) for word in words(text)]


def assignment(text: str) -> tuple[str, Path]:
    """`NAME=PATH`."""
    name, _, path = text.partition("=")
    return name, Path(path)
