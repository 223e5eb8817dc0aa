"""Progress of measuring, on standard error: a bar with the remaining time on a terminal, else a line now and then."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from plait.cli.output import colour

if TYPE_CHECKING:
    from plait.backends.profiling.job import Job
    from plait.backends.profiling.profiler import Progress

_EVERY_S = 10.0


@contextlib.contextmanager
def measuring() -> Iterator[Progress]:
    """A progress callback for tuning."""
    if not sys.stderr.isatty():
        yield _lines()
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

        def update(done: int, total: int, job: Job) -> None:
            if not bar.tasks[0].started:
                bar.start_task(task)
            bar.update(task, completed=done, total=total, description=job.routine, visible=True)

        yield update


def _lines() -> Progress:
    started = last = time.monotonic()

    def update(done: int, total: int, job: Job) -> None:
        nonlocal started, last
        now = time.monotonic()
        if done == 0:
            started = last = now
            click.echo(f"measuring {total} entries", err=True)
        elif now - last >= _EVERY_S:
            last = now
            left = (now - started) / done * (total - done)
            click.echo(f"measuring {done} of {total}, about {left:.0f} s left", err=True)

    return update
