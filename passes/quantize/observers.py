"""What calibration remembers of the numbers that a value takes: bounded memory, whatever the number of samples.

Each observer takes arrays one after the other; the order does not matter to what it says, up to the rounding of sums
in float64.
"""

from __future__ import annotations

import attrs
import numpy as np

from plait.ir.dtypes import Array
from plait.passes.quantize.ranges import Range

BINS = 2048
"""Bins of a histogram: eight for each level of 8 bits."""


@attrs.define(eq=False)
class Channels:
    """The least and the greatest number of each channel (axis 1 of images, the last axis of rows), and its mean."""

    low: Array | None = None
    """f64[C]"""
    high: Array | None = None
    """f64[C]"""
    total: Array | None = None
    count: int = 0

    def add(self, data: Array) -> None:
        """Take the elements of an array."""
        flat = by_channel(data)
        if not flat.size:
            return
        # NaN stays NaN in all of them, and so does infinity in the range: callers refuse what is not finite.
        low, high = flat.min(axis=1).astype(np.float64), flat.max(axis=1).astype(np.float64)
        total = flat.sum(axis=1, dtype=np.float64)
        self.low = low if self.low is None else np.minimum(self.low, low)
        self.high = high if self.high is None else np.maximum(self.high, high)
        self.total = total if self.total is None else self.total + total
        self.count += flat.shape[1]

    @property
    def mean(self) -> Array:
        """f64[C]."""
        assert self.total is not None, "nothing was observed"
        return np.asarray(self.total / self.count)

    @property
    def largest(self) -> Array:
        """f64[C]: the largest magnitude of each channel."""
        assert self.low is not None and self.high is not None, "nothing was observed"
        return np.maximum(np.abs(self.low), np.abs(self.high))

    @property
    def range(self) -> Range:
        """Of all channels together."""
        if self.low is None or self.high is None:
            return Range()
        return Range(float(self.low.min()), float(self.high.max()))

    def divided(self, by: Array) -> Channels:
        """What would have been observed with each channel divided by a positive number, f64[C]."""
        if self.low is None or self.high is None or self.total is None:
            return self
        return Channels(self.low / by, self.high / by, self.total / by, self.count)


def by_channel(data: Array) -> Array:
    """Elements as [channels, everything else]: axis 1 of images, the last axis of rows."""
    if data.ndim == 0:
        return data.reshape(1, 1)
    axis = 1 if data.ndim == 4 else data.ndim - 1
    return np.moveaxis(data, axis, 0).reshape(data.shape[axis], -1)


@attrs.define(eq=False)
class Histogram:
    """How often numbers fall into each of `BINS` bins of equal width of a range that is known before."""

    range: Range
    counts: Array = attrs.field(factory=lambda: np.zeros(BINS, np.int64))

    def add(self, data: Array) -> None:
        """Take the elements of an array; those outside of the range count as its ends, NaN not at all."""
        if self.range.width == 0:
            self.counts[0] += data.size
            return
        place = data.reshape(-1).astype(np.float64)
        place -= self.range.low
        place *= BINS / self.range.width
        place = place[~np.isnan(place)]
        np.clip(place, 0, BINS - 1, out=place)
        self.counts += np.bincount(place.astype(np.intp), minlength=BINS)

    @property
    def edges(self) -> Array:
        """f64[BINS + 1]: where the bins begin and end."""
        return np.linspace(self.range.low, self.range.high, BINS + 1)

    @property
    def centres(self) -> Array:
        """f64[BINS]."""
        edges = self.edges
        return np.asarray((edges[1:] + edges[:-1]) / 2)
