"""Delta debugging: a smallest list of things that still shows a failure.

Source: Zeller & Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", IEEE Transactions on Software
Engineering 28(2), 2002, algorithm `ddmin`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def ddmin(items: Sequence[T], fails: Callable[[list[T]], bool]) -> list[T]:
    """A 1-minimal sublist of `items` for which `fails` holds: without any one of its members it no longer does.

    `fails` holds for `items` itself, and is asked for non-empty proper sublists only, in their order.
    """
    kept, parts = list(items), 2
    while len(kept) >= 2:
        chunks = list(_split(kept, parts))
        smaller = _first(chunks, fails)
        if smaller is not None:
            kept, parts = smaller, 2
            continue
        # With two parts, a complement is the other part, which has failed to fail.
        rest = _first([_without(chunks, i) for i in range(len(chunks))], fails) if parts > 2 else None
        if rest is not None:
            kept, parts = rest, max(parts - 1, 2)
        elif parts < len(kept):
            parts = min(2 * parts, len(kept))
        else:
            break
    return kept


def chunks_of(count: int) -> Iterator[int]:
    """Sizes of the pieces in which to try `count` things: all, halves, quarters, ..., one."""
    while count > 1:
        yield count
        count = (count + 1) // 2
    yield 1


def _split(items: list[T], parts: int) -> Iterator[list[T]]:
    for i in range(parts):
        yield items[len(items) * i // parts : len(items) * (i + 1) // parts]


def _without(chunks: list[list[T]], absent: int) -> list[T]:
    return [item for i, chunk in enumerate(chunks) if i != absent for item in chunk]


def _first(lists: list[list[T]], fails: Callable[[list[T]], bool]) -> list[T] | None:
    return next((candidate for candidate in lists if fails(candidate)), None)
