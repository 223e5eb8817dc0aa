"""From exceptions to messages and exit codes."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import traceback
from collections.abc import Sequence

import click

from plait.cli.output import printable
from plait.ir.diagnostics import PlaitError

INTERNAL = 70


def report(error: Exception, arguments: Sequence[str]) -> int:
    """Tell of an error on standard error; returns the exit code."""
    if isinstance(error, PlaitError):
        for diagnostic in error.diagnostics:
            click.echo(printable(diagnostic.render()), err=True)
        return error.exit_code
    if isinstance(error, OSError):
        click.echo(f"error: {os_error_text(error)}", err=True)
        return 1
    if isinstance(error, MemoryError):
        click.echo(printable(f"error: not enough memory: {error}".removesuffix(": ")), err=True)
        return 1
    click.echo(printable(f"internal error: {_summary(error)}"), err=True)
    reproducer = getattr(error, "reproducer", None)
    if reproducer:
        click.echo(f"  the IR and the pipeline that repeat it were written to {reproducer}", err=True)
    path = write_traceback(error, arguments)
    if path:
        click.echo(
            f"  details were written to {path}; this is a defect of {_culprit(error)}, please report it", err=True
        )
    return INTERNAL


def os_error_text(error: OSError) -> str:
    """One line: the file and what is wrong with it."""
    reason = error.strerror or str(error) or type(error).__name__
    return printable(f"{error.filename}: {reason}" if error.filename else reason)


def write_traceback(error: BaseException, arguments: Sequence[str]) -> str | None:
    """Write the traceback, command line and versions to a file in the temporary folder; returns its path."""
    from plait import __version__

    lines = [
        f"plait {__version__}, Python {sys.version.split()[0]}, {platform.platform()}",
        f"arguments: {list(arguments)}",
        "",
    ]
    text = "\n".join(lines) + "".join(traceback.format_exception(error))
    try:
        descriptor, path = tempfile.mkstemp(prefix="plait-error-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError:
        return None
    return path


def _culprit(error: BaseException) -> str:
    """Whose code raised: the plug-in or loaded file that is nearest to the error, else plait."""
    from plait.ir.plugins import is_plugin, owner

    found = "plait"
    cause: BaseException | None = error
    while cause is not None:
        for frame, _ in traceback.walk_tb(cause.__traceback__):
            if is_plugin(module := frame.f_globals.get("__name__", "")):
                found = owner(f"{module}:")
        cause = cause.__cause__
    from plait.passes.base import PassFailed
    from plait.passes.registry import known_passes, pass_owner

    if found == "plait" and isinstance(error, PassFailed):
        # What the manager found wrong with a pass: no code of the pass was running then.
        name = error.pass_text.partition("{")[0]
        # At the end of a pipeline the text is that of all passes, and no one of them can be named.
        found = pass_owner(name) if name in known_passes() else found
    return found


def _summary(error: Exception) -> str:
    text = str(error).splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
