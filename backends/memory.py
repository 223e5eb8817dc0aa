"""The arena: offsets for buffers such as no two that are alive at one time overlap.

Greedy by size (Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020): largest first,
each into the lowest gap among the placed buffers it lives together with.
"""

from __future__ import annotations

from collections.abc import Sequence

from plait.backends.lowering import Buffer, KernelCall, Place, PythonCall, Step

ALIGNMENT = 64


def set_live_ranges(steps: Sequence[Step], kept: Sequence[Buffer] = ()) -> None:
    """Fill `first` and `last` of each root buffer from the steps that mention it; `kept` live until the end."""
    for index, step in enumerate(steps):
        for place in _places(step):
            root = place.buffer.root()
            root.first = index if root.first < 0 else root.first
            root.last = index
    for buffer in kept:
        buffer.root().last = len(steps)


def assign_offsets(buffers: Sequence[Buffer]) -> int:
    """Give each root buffer of the arena an offset; returns the size of the arena in bytes."""
    placed: list[Buffer] = []
    size = 0
    # Ties in creation order: the plan is the same every time.
    for buffer in sorted(
        (b for b in buffers if b.alias is None and b.in_arena and b.first >= 0), key=lambda b: -_extent(b)
    ):
        offset = 0
        for other in sorted(
            (p for p in placed if p.first <= buffer.last and buffer.first <= p.last), key=lambda p: p.offset
        ):
            if offset + _extent(buffer) <= other.offset:
                break
            offset = max(offset, other.offset + _extent(other))
        buffer.offset = offset
        placed.append(buffer)
        size = max(size, offset + _extent(buffer))
    return size


def overlaps(buffers: Sequence[Buffer]) -> list[tuple[Buffer, Buffer]]:
    """Pairs of buffers that share memory while both are alive; empty for a correct plan (checked in tests)."""
    roots = [b for b in buffers if b.alias is None and b.in_arena and b.first >= 0]
    return [
        (a, b)
        for i, a in enumerate(roots)
        for b in roots[i + 1 :]
        if a.first <= b.last and b.first <= a.last and a.offset < b.offset + b.nbytes and b.offset < a.offset + a.nbytes
    ]


def _extent(buffer: Buffer) -> int:
    return -(-buffer.nbytes // ALIGNMENT) * ALIGNMENT


def _places(step: Step) -> list[Place]:
    if isinstance(step, KernelCall):
        return [f for f in step.fields.values() if isinstance(f, Place)]
    assert isinstance(step, PythonCall)
    return [p for _, p in (*step.operands, *step.results) if p is not None]
