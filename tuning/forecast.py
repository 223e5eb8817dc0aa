"""How long measuring will go on: the measurements that are left, as far as one can tell, at the pace of the last ones.

A lazy search does not know what it will measure, only what comes next and what it may come to: before there is a plan
anything, so that is told; of what may matter after that, about half is measured in the end.
"""

from __future__ import annotations

import collections
import math
import time
from collections.abc import Callable

import attrs

from plait.backends.profiling.job import Job
from plait.tuning.lazy import Standing

_RECENT = 50
"""Measurements that tell the pace."""
_FEWEST = 3
"""Before so many the pace is not known; the first one has the start of the worker in it."""
_LIKELY = 0.5
"""Share of the open entries of a search that has a plan that are measured, beside those of the round."""
_TIES = 0.08
"""Share of the measurements of a search that are taken again at its end, because noise alone may decide."""


@attrs.define
class Forecast:
    """A `Progress` and a `Watch` that knows where tuning is and how long it will take.

    Args:
        clock: seconds, as of `time.monotonic`.
    """

    clock: Callable[[], float] = time.monotonic
    done: int = 0
    """Measurements that have ended."""
    standing: Standing | None = None
    """Where the search is; None where everything is measured."""
    _left: int = 0
    _later: float = 0.0
    _begun: collections.deque[float] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._begun = collections.deque(maxlen=_RECENT + 1)

    def __call__(self, done: int, total: int, job: Job) -> None:
        """A measurement begins."""
        if done == 1:
            self._begun.clear()  # the first one took longer
        self.done, self._left = done, total - done
        self._begun.append(self.clock())

    def watch(self, standing: Standing) -> None:
        """A round of measurements begins, or the search ends."""
        self.standing, self._left = standing, standing.wanted
        share = 1.0 if self.at_most else _LIKELY
        self._later = share * max(0, standing.open - standing.wanted)
        if standing.open:
            self._later += _TIES * (standing.measured + standing.wanted + self._later)

    @property
    def at_most(self) -> bool:
        """Whether what is told is the most that there may be, since there is no plan yet that says better."""
        return self.standing is not None and math.isinf(self.standing.best_us)

    @property
    def left(self) -> int:
        """Measurements to come, the present one included: those that are sure, and what is likely beside them."""
        return self._left + round(self._later)

    @property
    def seconds(self) -> float | None:
        """Seconds to go; None before the pace is known."""
        intervals = len(self._begun) - 1
        if intervals < _FEWEST:
            return None
        return (self._begun[-1] - self._begun[0]) / intervals * self.left
