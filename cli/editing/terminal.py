"""IR text in colour on a terminal."""

from __future__ import annotations

import sys

import click

from plait.cli.output import colour


def show(text: str, when: str = "auto") -> None:
    """Print IR text on standard output; `when` "auto" colours it where that is a terminal which wants colour."""
    if when == "always" or (when == "auto" and colour(sys.stdout)):
        click.echo(coloured(text), nl=False, color=True)
    else:
        click.echo(text, nl=False)


def coloured(text: str) -> str:
    """The text with the colours of a terminal around its tokens."""
    from pygments import highlight  # type: ignore[import-untyped]
    from pygments.formatters import TerminalFormatter  # type: ignore[import-untyped]

    from plait.cli.editing.lexer import PlaitLexer

    # Nothing is added or taken away at the ends.
    return str(highlight(text, PlaitLexer(stripnl=False, ensurenl=False), TerminalFormatter()))
