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


@attrs.define
class Extremes:
    """The least and the greatest number."""

    low: float = 0.0
    high: float = 0.0
    finite: bool = True
    """Whether all numbers were; others do not count."""

    def add(self, data: Array) -> None:
        """Take the elements of an array."""
        if not data.size:
            return
        low, high = float(data.min()), float(data.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            self.finite = False
            data = data[np.isfinite(data)]
            low, high = float(data.min(initial=0)), float(data.max(initial=0))
        self.low, self.high = min(self.low, low), max(self.high, high)

    @property
    def range(self) -> Range:
        return Range(self.low, self.high)


@attrs.define(eq=False)
class Channels:
    """For each channel (axis 1, of rows of features the last axis) the largest magnitude and the mean."""

    largest: Array | None = None
    total: Array | None = None
    count: int = 0

    def add(self, data: Array) -> None:
        """Take the elements of an array of at least two dimensions."""
        flat = by_channel(data)
        largest = np.abs(flat).max(axis=1, initial=0).astype(np.float64)
        total = flat.sum(axis=1, dtype=np.float64)
        self.largest = largest if self.largest is None else np.maximum(self.largest, largest)
        self.total = total if self.total is None else self.total + total
        self.count += flat.shape[1]

    @property
    def mean(self) -> Array:
        """f64[C]."""
        assert self.total is not None, "nothing was observed"
        return np.asarray(self.total / max(self.count, 1))


def by_channel(data: Array) -> Array:
    """Elements as [channels, everything else]: axis 1 of images, the last axis of rows."""
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
