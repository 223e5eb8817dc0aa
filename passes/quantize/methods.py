"""Which part of the observed numbers 8 bits shall cover: beyond it numbers are cut off, within it steps become finer.

minmax      all of it
percentile  without the tails that hold too few numbers to matter
entropy     what loses the least information, by the Kullback-Leibler divergence (Migacz 2017, 8-bit inference with
            TensorRT)
mse         what has the least mean squared error
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from plait.ir.dtypes import Array
from plait.passes.quantize.observers import BINS, Histogram
from plait.passes.quantize.ranges import LEVELS, Range

PERCENTILE = 99.999
_SHARES = np.linspace(0.05, 1.0, 96)
"""Which parts of a range the searches try."""


def minmax(histogram: Histogram) -> Range:
    """The whole range."""
    return histogram.range


def percentile(histogram: Histogram, percent: float = PERCENTILE) -> Range:
    """The range without the lowest and highest `(100 - percent) / 2` percent of all numbers."""
    counts = histogram.counts
    total = int(counts.sum())
    if not total:
        return histogram.range
    tail = (100 - percent) / 200 * total
    before, behind = np.cumsum(counts), np.cumsum(counts[::-1])
    # Bins that lie in the tail as a whole are left out.
    first, last = int(np.searchsorted(before, tail, "right")), int(np.searchsorted(behind, tail, "right"))
    edges = histogram.edges
    return Range(edges[min(first, BINS - 1)], edges[max(BINS - last, 1)])


def mse(histogram: Histogram) -> Range:
    """The range with the least mean squared error: the upper end is searched for, then the lower one, twice."""
    whole = histogram.range
    if whole.width == 0 or not histogram.counts.any():
        return whole
    found = whole
    for _ in range(2):
        found = _best(histogram, [Range(found.low, whole.high * s) for s in _SHARES])
        found = _best(histogram, [Range(whole.low * s, found.high) for s in _SHARES])
    return found


def squared_error(histogram: Histogram, range: Range) -> float:
    """The mean squared error of all numbers if 8 bits cover a range: of those inside that of rounding, the rest is cut
    off."""
    step = range.width / LEVELS
    if step == 0:
        errors = histogram.centres**2
    else:
        beyond = histogram.centres - np.clip(histogram.centres, range.low, range.high)
        errors = np.where((beyond != 0) | _is_exact(histogram, range), beyond**2, step**2 / 12)
    return float(errors @ histogram.counts / max(1, histogram.counts.sum()))


def _is_exact(histogram: Histogram, range: Range) -> Array:
    """The bin that holds 0, where it begins or ends there: what is there is mostly what a relu has cut off, and 0 is
    exact."""
    exact = np.zeros(BINS, bool)
    if range.low == 0:
        exact[0] = True
    if range.high == 0:
        exact[-1] = True
    return exact


def _best(histogram: Histogram, candidates: list[Range]) -> Range:
    errors = [squared_error(histogram, candidate) for candidate in candidates]
    # Of equal ones the widest, which stands last.
    return candidates[len(errors) - 1 - int(np.argmin(errors[::-1]))]


def entropy(histogram: Histogram) -> Range:
    """The range `[max(low, -t), min(high, t)]` whose 256 levels tell the most of how numbers are distributed."""
    whole = histogram.range
    if whole.width == 0 or not histogram.counts.any():
        return whole
    reach = max(-whole.low, whole.high)
    candidates = [Range(max(whole.low, -reach * s), min(whole.high, reach * s)) for s in _SHARES]
    losses = [_divergence(histogram, candidate) for candidate in candidates]
    return candidates[len(losses) - 1 - int(np.argmin(losses[::-1]))]


def _divergence(histogram: Histogram, range: Range) -> float:
    """How much a distribution with its tails at the ends of a range differs from what 256 levels make of it."""
    edges = histogram.edges
    first = int(np.searchsorted(edges, range.low, "right")) - 1
    last = int(np.searchsorted(edges, range.high, "left"))
    inside = histogram.counts[first:last].astype(np.float64)
    wanted = inside.copy()
    wanted[0] += histogram.counts[:first].sum()
    wanted[-1] += histogram.counts[last:].sum()
    # Each level spreads what it stands for over the bins in it that hold anything.
    level = np.minimum(np.arange(len(inside)) * (LEVELS + 1) // len(inside), LEVELS)
    held = inside > 0
    mass = np.bincount(level, inside, LEVELS + 1)
    members = np.bincount(level, held, LEVELS + 1)
    given = np.where(held, mass[level] / np.maximum(members[level], 1), 0.0)
    p, q = wanted / wanted.sum(), given / max(given.sum(), 1.0)
    # Where nothing is told of what is there, as little as one number is.
    least = 1 / max(1.0, float(histogram.counts.sum()))
    some = p > 0
    return float(np.sum(p[some] * np.log(p[some] / np.maximum(q[some], least))))


METHODS: dict[str, Callable[[Histogram], Range]] = {
    "minmax": minmax,
    "percentile": percentile,
    "entropy": entropy,
    "mse": mse,
}
"""Ways to choose a range, by name."""
