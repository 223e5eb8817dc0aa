"""Progress of measuring, on standard error: a bar with the remaining time on a terminal, else a line now and then."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import attrs
import click

from plait.cli.output import colour, milliseconds

if TYPE_CHECKING:
    from plait.backends.profiling.job import Job
    from plait.tuning.lazy import Standing

_EVERY_S = 10.0


@attrs.define
class Measuring:
    """What tuning calls before each measurement, and `watch` after each round."""

    show: Callable[[int, int, str, str], None]
    """(done, known to be needed, routine, how good the best plan is)."""
    best: str = ""

    def __call__(self, done: int, total: int, job: Job) -> None:
        self.show(done, total, job.routine, self.best)

    def watch(self, standing: Standing) -> None:
        """Remember how far the search is."""
        if math.isfinite(standing.best_us):
            self.best = f"best plan {milliseconds(standing.best_us)} ms, at most {standing.gap:.1%} above the optimum"


@contextlib.contextmanager
def measuring() -> Iterator[Measuring]:
    """A progress callback for tuning."""
    if not sys.stderr.isatty():
        yield Measuring(_lines())
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True, no_color=not colour(sys.stderr))
    columns = (
        TextColumn("measuring"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", start=False, visible=False)

        def update(done: int, total: int, routine: str, best: str) -> None:
            if not bar.tasks[0].started:
                bar.start_task(task)
            text = f"{routine}; {best}" if best else routine
            bar.update(task, completed=done, total=total, description=text, visible=True)

        yield Measuring(update)


def _lines() -> Callable[[int, int, str, str], None]:
    started = last = time.monotonic()

    def update(done: int, total: int, routine: str, best: str) -> None:
        nonlocal started, last
        now = time.monotonic()
        if done == 0:
            started = last = now
            click.echo(f"measuring {total} entries", err=True)
        elif now - last >= _EVERY_S:
            last = now
            left = (now - started) / done * (total - done)
            text = f"measured {done}, {total - done} to go for now, about {left:.0f} s"
            click.echo(f"{text}; {best}" if best else text, err=True)

    return update
