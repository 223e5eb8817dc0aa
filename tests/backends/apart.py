"""A memory plan for sanitizers: every buffer of the arena by itself, so that the bytes between two can be poisoned."""

from __future__ import annotations

from collections.abc import Sequence

from plait.backends.lowering import Buffer
from plait.backends.memory import ALIGNMENT

gaps: list[tuple[int, int]] = []
"""The bytes [begin, end) that belong to no buffer of the plan made last."""


def assign_offsets(buffers: Sequence[Buffer]) -> int:
    """In the place of `plait.backends.memory.assign_offsets`: no bytes are used twice."""
    gaps.clear()
    at = ALIGNMENT
    gaps.append((0, at))
    for buffer in buffers:
        if buffer.alias is None and buffer.in_arena and buffer.first >= 0:
            buffer.offset = at
            after = (at + buffer.nbytes + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT + ALIGNMENT
            gaps.append((at + buffer.nbytes, after))
            at = after
    return at
