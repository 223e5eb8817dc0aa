"""What a routine cannot do without, so that nobody has to measure it to know that it is slow."""

from __future__ import annotations

import attrs


@attrs.frozen
class Effort:
    """The least that any variant of a routine does on a layer.

    `flops` counts a multiply-add as two. `loaded` and `stored` are bytes that go through the nearest cache while it
    computes. `passes` are (bytes read, bytes written) of whole arrays, one after the other, before or after that.
    """

    flops: float
    loaded: float = 0.0
    stored: float = 0.0
    passes: tuple[tuple[float, float], ...] = ()
