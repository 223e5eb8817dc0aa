"""Jobs and results: what is to be measured, and what came of it.

Plain records, so that they can travel to a worker as JSON.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import attrs

HOT, STREAMED, COLD, IN_PLACE = "hot", "streamed", "cold", "in_place"
STATES = (HOT, STREAMED, COLD, IN_PLACE)
"""Where data are when a sample begins.

* `hot`: all in cache, as far as it fits: the routine runs again and again.
* `streamed`: images in cache, constants in memory.
* `cold`: nothing in cache.
* `in_place`: wherever a whole network leaves them.
"""
WHOLE = "whole"
"""Runs of a whole plan, end to end: no state of routines, but kept beside them."""
LIMITS = "limits"
"""No state either: what the machine can do at best is measured (`limits_job`)."""


@attrs.frozen
class Job:
    """Measure one routine (variant included) on one layer.

    `module` is the IR text of the layer alone, with formats and routine filled in; constants have no data (the worker
    makes some).
    """

    signature: str
    routine: str
    version: str
    threads: int
    module: str = attrs.field(repr=False, eq=False, hash=False)
    state: str = STREAMED
    check: bool = attrs.field(default=False, eq=False)
    """Whether the result is to have an error as well."""

    @property
    def key(self) -> tuple[str, str, str, int, str]:
        """What identifies the measurement, apart from the machine."""
        return (self.signature, self.routine, self.version, self.threads, self.state)


@attrs.frozen
class Result:
    """Samples in nanoseconds, or why there are none. `status`: ok, crashed, timeout, failed."""

    status: str
    samples: tuple[int, ...] = ()
    message: str = ""
    error: float | None = None
    """How far the routine is from the reference, if it was compared: 2-norm of the difference by that of the
    reference."""

    @property
    def ok(self) -> bool:
        return self.status == "ok" and bool(self.samples)

    @property
    def cost_us(self) -> float:
        """Lower quartile in microseconds: other work on the machine only ever adds to a sample."""
        return sorted(self.samples)[len(self.samples) // 4] / 1e3

    @property
    def spread_us(self) -> float:
        """Median absolute deviation in microseconds."""
        middle = statistics.median(self.samples)
        return statistics.median([abs(s - middle) for s in self.samples]) / 1e3

    def joined(self, later: Result) -> Result:
        """The samples of both measurements of one job; the one that has any if the other failed."""
        if not later.ok:
            return self
        error = self.error if later.error is None else later.error
        return attrs.evolve(self, samples=self.samples + later.samples, error=error)

    def answers(self, job: Job) -> bool:
        """Whether this is all that a job asks for."""
        return not job.check or not self.ok or self.error is not None

    def to_json(self) -> dict[str, Any]:
        data = {"status": self.status, "samples": self.samples, "message": self.message}
        # Not called `error`: answers of a worker have that for what is wrong with a request.
        return data if self.error is None else {**data, "distance": self.error}

    @staticmethod
    def from_json(data: dict[str, Any]) -> Result:
        return Result(data["status"], tuple(data["samples"]), data["message"], data.get("distance"))


def enough(samples: Sequence[int], budget_ns: int, most: int = 40) -> bool:
    """Whether to stop: time or number of samples is used up, or at least 10 agree.

    They agree when their median absolute deviation is under 1 % of the median.
    """
    if sum(samples) >= budget_ns or len(samples) >= most:
        return True
    if len(samples) < 10:
        return False
    middle = statistics.median(samples)
    return statistics.median([abs(s - middle) for s in samples]) < 0.01 * middle
