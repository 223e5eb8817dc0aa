"""Samples as they lie in the profile database: signed 64-bit little-endian integers, nanoseconds."""

from __future__ import annotations

import array
import sys
from collections.abc import Iterable


def pack(samples: Iterable[int]) -> bytes:
    """8 bytes a sample."""
    return _ordered(array.array("q", samples)).tobytes()


def unpack(data: bytes) -> tuple[int, ...]:
    """The samples of `pack`.

    Raises:
        ValueError: the length is no multiple of 8.
    """
    numbers = array.array("q")
    numbers.frombytes(data)
    return tuple(_ordered(numbers))


def _ordered(numbers: array.array[int]) -> array.array[int]:
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
