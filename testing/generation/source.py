"""Where choices come from. All are made by `integer`, and the simplest one comes first, for the sake of shrinking."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Source:
    """Makes choices."""

    def integer(self, low: int, high: int) -> int:
        """An integer from `low` to `high`, both included."""
        raise NotImplementedError(type(self).__name__)

    def choice(self, items: Sequence[T]) -> T:
        """One of the items."""
        return items[self.integer(0, len(items) - 1)] if len(items) > 1 else items[0]

    def chance(self, percent: int) -> bool:
        """True in so many of a hundred cases."""
        return percent > 0 and self.integer(0, 99) >= 100 - percent

    def several(self, items: Sequence[T], low: int, high: int) -> list[T]:
        """From `low` to `high` items, which may repeat."""
        return [self.choice(items) for _ in range(self.integer(low, high))]

    def permutation(self, count: int) -> list[int]:
        """The numbers below `count` in some order."""
        rest = list(range(count))
        return [rest.pop(self.integer(0, len(rest) - 1)) if len(rest) > 1 else rest.pop() for _ in range(count)]


class Seeded(Source):
    """Choices that a seed determines."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def integer(self, low: int, high: int) -> int:
        return self._random.randint(low, high)
