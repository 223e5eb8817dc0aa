"""Options of `plait opt` that watch the passes, and what they show."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
import click

from plait.cli.common import FILE, check_output
from plait.cli.complete import complete_pass
from plait.cli.output import colour, print_json, printable

if TYPE_CHECKING:
    from plait.passes.manager.instrumentation import Timing
    from plait.passes.manager.observer import Observer, PassRun
    from plait.passes.manager.statistics import Statistics
    from plait.passes.pipeline import Pipeline

F = TypeVar("F", bound=Callable[..., Any])

_PRINTS = [
    ("before", "before this pass"),
    ("before-all", "before each pass"),
    ("before-change", "before each pass that changes it"),
    ("after", "after this pass"),
    ("after-all", "after each pass"),
    ("after-change", "after each pass that changed it"),
]
_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def _print_options() -> list[Callable[[F], F]]:
    made = []
    for word, when in _PRINTS:
        text = f"Print the IR to standard error {when}."
        if "-" in word:
            made.append(click.option(f"--print-ir-{word}", is_flag=True, help=text))
        else:
            made.append(
                click.option(
                    f"--print-ir-{word}",
                    multiple=True,
                    metavar="PASS",
                    shell_complete=complete_pass,
                    help=f"{text} May be repeated.",
                )
            )
    return made


_OPTIONS: list[Callable[[Any], Any]] = [
    *_print_options(),
    click.option(
        "--print-ir-dir",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="DIR",
        help="Write what is printed into this folder instead, a numbered file each (after each pass, if no "
        "--print-ir option says when).",
    ),
    click.option(
        "--diff", is_flag=True, help="Print what each pass changed, as a unified difference, to standard error."
    ),
    click.option("--timing", is_flag=True, help="Print the time of each pass, and of the verifier, to standard error."),
    click.option(
        "--stats",
        is_flag=True,
        help="Print what each pass changed in numbers: rewrites by rule, layers by kind, constants, memory.",
    ),
    click.option(
        "--verify-each/--no-verify-each",
        default=True,
        show_default=True,
        help="Check the module after each pass, not only at the start and at the end.",
    ),
    click.option(
        "--reproducer",
        "reproducer",
        type=FILE,
        metavar="FILE",
        help="Where to write the IR and the rest of the pipeline if a pass fails (default: a temporary file).",
    ),
    click.option("--no-reproducer", is_flag=True, help="Write no such file."),
]


def watching_options(command: F) -> F:
    """Decorator: the options of `Watching`, to be taken as keywords."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@attrs.define
class Watching:
    """What the options ask to see, and the observers that see it."""

    flags: dict[str, Any]
    timing: Timing | None = None
    statistics: Statistics | None = None

    @classmethod
    def of(cls, flags: dict[str, Any], pipeline: Pipeline) -> Watching:
        """Check the options.

        Raises:
            click.UsageError: an option names a pass that the pipeline has not, or two options exclude each other.
            OSError: the reproducer could not be written.
        """
        names = {p.name for p in pipeline.walk()}
        for option in ("before", "after"):
            for name in flags[f"print_ir_{option}"]:
                if name not in names:
                    message = f"the pipeline has no pass {name!r}"
                    raise click.BadParameter(message, param_hint=f"--print-ir-{option}")
        if flags["reproducer"] is not None:
            if flags["no_reproducer"]:
                raise click.UsageError("--reproducer and --no-reproducer exclude each other")
            check_output(flags["reproducer"])
        return cls(flags)

    @property
    def asks(self) -> bool:
        """Whether anything is to be shown of the passes."""
        words = [f"print_ir_{word.replace('-', '_')}" for word, _ in _PRINTS]
        return any(self.flags[word] for word in (*words, "print_ir_dir", "diff", "timing", "stats"))

    def observers(self) -> list[Observer]:
        """Observers for the manager; call once."""
        from plait.passes.manager.instrumentation import Diff, Timing
        from plait.passes.manager.reproducer import Reproducer
        from plait.passes.manager.statistics import Statistics

        found: list[Observer] = [*self._printers()]
        if self.flags["diff"]:
            found.append(Diff(lambda _, lines: show_diff(lines, err=True)))
        if self.flags["timing"]:
            found.append(timing := Timing())
            self.timing = timing
        if self.flags["stats"]:
            found.append(statistics := Statistics())
            self.statistics = statistics
        if not self.flags["no_reproducer"]:
            found.append(Reproducer(self.flags["reproducer"] or _temporary()))
        return found

    def _printers(self) -> list[Observer]:
        from plait.passes.manager.instrumentation import PrintIR, into_folder

        wanted = {word.replace("-", "_"): self.flags[f"print_ir_{word.replace('-', '_')}"] for word, _ in _PRINTS}
        folder = self.flags["print_ir_dir"]
        if not any(wanted.values()):
            if folder is None:
                return []
            wanted["after_all"] = True
        return [PrintIR(_show_ir if folder is None else into_folder(folder), **wanted)]

    def report(self, as_json: bool) -> None:
        """Print the tables to standard error, or as one JSON object to standard output."""
        from plait.cli import pass_tables

        if as_json:
            print_json(pass_tables.as_json(self.timing, self.statistics))
            return
        if self.timing is not None:
            pass_tables.show_timing(self.timing)
        if self.statistics is not None:
            pass_tables.show_statistics(self.statistics)


def _temporary() -> Path:
    # Written only if a pass fails.
    return Path(tempfile.gettempdir()) / f"plait-reproducer-{os.getpid()}-{time.time_ns() % 10**9}.ir"


def _show_ir(run: PassRun, when: str, text: str) -> None:
    click.echo(f"// {when} {run.pass_text}\n{text}", err=True)


def show_diff(lines: list[str], *, err: bool) -> None:
    """Print a unified difference, coloured on a terminal."""
    coloured = colour(sys.stderr if err else sys.stdout)
    for i, line in enumerate(lines):
        style = {"bold": True} if i < 2 else {"fg": _COLOURS.get(line[:1])}
        shown = printable(line)
        click.echo(click.style(shown, **style) if coloured else shown, err=err)
