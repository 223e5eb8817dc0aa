"""Which database and which measurements: options that the subcommands share."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from plait.cli.common import MODEL, THREADS, is_package_file, load_static, open_runner

if TYPE_CHECKING:
    from plait.backends.profiling.rows import Wanted

Command = TypeVar("Command", bound=Callable[..., Any])
_OPTIONS = (
    click.option("--op", "ops", multiple=True, metavar="KIND", help="Kind of layer, such as conv2d. May be repeated."),
    click.option("--model", type=MODEL, help="Layers of this model, as the default passes leave them, or a package."),
    click.option("--routine", metavar="PATTERN", help="Routines, such as cpu/f32/nchw16c or '*/gemm'."),
    click.option(
        "--machine",
        metavar="NAME",
        help="Machines by fingerprint (or its beginning), kind or host name; `here` is this one.",
    ),
    click.option("--threads", type=THREADS, help="Measured with so many threads."),
    click.option("--state", metavar="NAME", help="Measured in this state, such as streamed."),
    click.option("--status", metavar="NAME", help="How it went: ok, crashed, timeout, failed."),
    click.option("--session", metavar="ID", help="Taken in this session, by the beginning of its name."),
)
NAMES = ("ops", "model", "routine", "machine", "threads", "state", "status", "session")
"""The parameters that `choice_options` adds."""


def choice_options(command: Command) -> Command:
    """Add the options that choose measurements."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def wanted(choice: dict[str, Any]) -> Wanted:
    """What the options of `choice_options` choose.

    Raises:
        DescriptorError: P404, the pattern is malformed.
    """
    from plait.backends.profiling.machine import this_machine
    from plait.backends.profiling.rows import Wanted

    machine = choice["machine"]
    return Wanted(
        ops=frozenset(choice["ops"]) or None,
        signatures=None if choice["model"] is None else _signatures(choice["model"]),
        routine=None if choice["routine"] is None else _matcher(choice["routine"]),
        machine=this_machine().instance if machine == "here" else machine,
        threads=choice["threads"],
        state=choice["state"],
        status=choice["status"],
        session=choice["session"],
    )


def existing(db: Path | None) -> Path:
    """The path of a database that is there.

    Raises:
        ProfileError: P501, there is none.
    """
    from plait.backends.profiling.database import default_path
    from plait.backends.profiling.errors import profile_error

    path = db or default_path()
    if not path.exists():
        raise profile_error(
            path, "there is no profile database yet", "`plait tune` makes one, or give another with --db"
        )
    return path


def moment(seconds: float) -> str:
    """A time stamp for people: UTC, to the minute."""
    try:
        return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        # Of a file that somebody made by hand.
        return f"{seconds:g} s"


def _signatures(path: Path) -> frozenset[str]:
    from plait.ir.isolate import signature
    from plait.tuning.api import optimized

    if is_package_file(path):
        module = open_runner(path, None, False).module
    else:
        module = optimized(load_static(path, ()), "default")
    return frozenset(signature(layer) for layer in module.main)


def _matcher(text: str) -> Callable[[str], bool]:
    from functools import cache

    from plait.backends.descriptor import RoutinePath, RoutinePattern
    from plait.backends.errors import DescriptorError

    pattern = RoutinePattern.parse(text)

    @cache
    def matches(routine: str) -> bool:
        try:
            return pattern.matches(RoutinePath.parse(routine))
        except DescriptorError:
            return False

    return matches
