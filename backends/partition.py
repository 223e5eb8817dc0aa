"""How the work of a routine is cut among threads, and so which core holds which part of its operands and results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs

_WORD = "split="

Splits = tuple[str, ...]
"""A split (`plait.ir.layout.SPLITS`, `ANY_SPLIT` or empty) for each of several values."""


@attrs.frozen
class Partition:
    """The ways in which a routine can cut its work.

    `offers(layer, threads)` gives those that are worth measuring, of `rows` and `channels`; where it gives none, the
    kernel decides. `splits(layer, way)` says what a way reads and leaves behind: the splits of the operands that are
    not constants, and of the results.
    """

    offers: Callable[[Any, int], Sequence[str]]
    splits: Callable[[Any, str], tuple[Splits, Splits]]


def with_split(variant: str, split: str) -> str:
    """A variant that cuts its work in this way: `tile=0x2,split=rows`."""
    return ",".join(part for part in (variant, split and _WORD + split) if part)


def parse_variant(variant: str) -> tuple[str, str]:
    """A variant without its split, and the split (or nothing)."""
    parts = variant.split(",")
    if not parts[-1].startswith(_WORD):
        return variant, ""
    return ",".join(parts[:-1]), parts[-1].removeprefix(_WORD)
