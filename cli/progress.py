"""Progress of measuring, on standard error: one line that is rewritten on a terminal, else a line now and then."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING

import attrs

from plait.cli.output import milliseconds, printable
from plait.ir.diagnostics import display_width

if TYPE_CHECKING:
    from plait.backends.profiling.job import Job
    from plait.tuning.forecast import Forecast
    from plait.tuning.lazy import Standing

_OFTEN_S, _SELDOM_S = 0.1, 10.0
"""How often the line is rewritten, and how often one is printed where it cannot be."""
_CLEAR = "\r\x1b[2K"
Clock = Callable[[], float]


class Show:
    """Writes texts to a stream, no more often than one can read them.

    Args:
        live: the stream is a terminal, where each text takes the place of the one before.
    """

    def __init__(self, stream: IO[str], live: bool, clock: Clock = time.monotonic) -> None:
        self.stream, self.live, self.clock = stream, live, clock
        self._last = -math.inf

    def due(self) -> bool:
        """Whether it is time for the next text."""
        now = self.clock()
        if now - self._last < (_OFTEN_S if self.live else _SELDOM_S):
            return False
        self._last = now
        return True

    def write(self, text: str) -> None:
        """Show a text."""
        text = printable(text)
        if self.live:
            self.stream.write(_CLEAR + _cut(text, shutil.get_terminal_size().columns - 1))
        else:
            self.stream.write(text + "\n")
        self.stream.flush()

    def close(self) -> None:
        """Leave nothing on the line."""
        if self.live and self._last > -math.inf:
            self.stream.write(_CLEAR)
            self.stream.flush()


@attrs.define
class Measuring:
    """What tuning calls before each measurement, and `watch` before each round. `show` None: nothing is shown."""

    forecast: Forecast
    show: Show | None

    def __call__(self, done: int, total: int, job: Job) -> None:
        self.forecast(done, total, job)
        if self.show is not None and self.show.due():
            self.show.write(describe(self.forecast, job.routine if self.show.live else ""))

    def watch(self, standing: Standing) -> None:
        """Remember how far the search is."""
        self.forecast.watch(standing)

    def runs(self, done: int, what: str) -> None:
        """Tell of runs over samples."""
        if self.show is not None and self.show.due():
            self.show.write(f"{what}: {done} runs")


@contextlib.contextmanager
def measuring(shown: bool = True) -> Iterator[Measuring]:
    """A progress callback for tuning; `shown` False: a silent one."""
    from plait.tuning.forecast import Forecast

    live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    show = Show(sys.stderr, live) if shown else None
    try:
        yield Measuring(Forecast(), show)
    finally:
        if show is not None:
            show.close()


def describe(forecast: Forecast, routine: str = "") -> str:
    """Where tuning is, in one line."""
    standing = forecast.standing
    about = "" if standing is None else "at most " if forecast.at_most else "about "
    parts = [f"measured {forecast.done}, {about}{forecast.left} to go"]
    if (seconds := forecast.seconds) is not None:
        parts[0] += f", {about}{duration(seconds)}"
    if standing is not None and math.isfinite(standing.best_us):
        parts.append(f"best plan {milliseconds(standing.best_us)} ms, at most {standing.gap:.1%} to gain")
    if routine:
        parts.append(routine)
    return "; ".join(parts)


def duration(seconds: float) -> str:
    """A time to wait for people: 4 s, 3 min, 1 h 20 min."""
    if seconds < 99.5:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def _cut(text: str, columns: int) -> str:
    if display_width(text) <= columns:
        return text
    while text and display_width(text) >= columns:
        text = text[:-1]
    return text + "…"
