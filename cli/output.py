"""What commands print: tables, JSON, notes."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence
from typing import Any

import attrs
import click

from plait.ir.diagnostics import display_width

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def printable(text: object) -> str:
    """Text without control characters: names come from model files, and a terminal obeys them."""
    return _CONTROL.sub(lambda m: f"\\x{ord(m.group()):02x}", str(text))


def note(text: str) -> None:
    """A line on standard error that is not an error."""
    click.echo(f"note: {printable(text)}", err=True)


def warn(text: str) -> None:
    """A warning on standard error."""
    click.echo(f"{_styled('warning:', sys.stderr, fg='yellow')} {printable(text)}", err=True)


def print_json(data: Any) -> None:
    """JSON on standard output. Numbers that JSON lacks become null."""
    click.echo(json.dumps(_finite(data), indent=1, ensure_ascii=True))


def colour(stream: Any) -> bool:
    """Whether colour is welcome on a stream: a terminal, and `NO_COLOR` is not set."""
    return bool(stream.isatty()) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


@attrs.define
class Table:
    """Aligned columns. Titles that start with `>` stand over columns aligned to the right."""

    titles: Sequence[str]
    rows: list[tuple[tuple[str, ...], bool]] = attrs.field(factory=list)

    def add(self, *cells: object, dim: bool = False) -> None:
        """Add a row; `dim` takes it back a little where there is colour."""
        assert len(cells) == len(self.titles)
        self.rows.append((tuple(printable(c).replace("\n", " ").replace("\t", " ") for c in cells), dim))

    @property
    def width(self) -> int:
        """Columns of a terminal that the table takes."""
        widths = self._widths()
        return sum(widths) + 2 * (len(widths) - 1)

    def show(self, *, err: bool = False) -> None:
        """Print on standard output, or on standard error."""
        stream = sys.stderr if err else sys.stdout
        titles, widths = self._plain_titles(), self._widths()
        click.echo(_styled(self._line(titles, widths), stream, bold=True), err=err)
        for cells, dim in self.rows:
            line = self._line(cells, widths)
            click.echo(_styled(line, stream, dim=True) if dim else line, err=err)

    def _plain_titles(self) -> list[str]:
        return [t.removeprefix(">") for t in self.titles]

    def _widths(self) -> list[int]:
        columns = zip(self._plain_titles(), *(cells for cells, _ in self.rows), strict=True)
        return [max(map(display_width, column)) for column in columns]

    def _line(self, cells: Sequence[str], widths: Sequence[int]) -> str:
        shown = [
            _padding(c, w) + c if t.startswith(">") else c + _padding(c, w)
            for t, c, w in zip(self.titles, cells, widths, strict=True)
        ]
        return "  ".join(shown).rstrip()


def _padding(text: str, width: int) -> str:
    return " " * (width - display_width(text))


def milliseconds(us: float) -> str:
    """A time in milliseconds, short ones with more digits: 12.345, 0.0012."""
    return f"{us / 1e3:.3f}" if us >= 100 else f"{us / 1e3:.4f}"


def size(count: int) -> str:
    """Bytes for people: 812 B, 3.4 MB."""
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.2f} GB"


def _styled(text: str, stream: Any, **style: Any) -> str:
    return click.style(text, **style) if colour(stream) else text


def _finite(data: Any) -> Any:
    if isinstance(data, dict):
        return {k: _finite(v) for k, v in data.items()}
    if isinstance(data, (list, tuple)):
        return [_finite(v) for v in data]
    return None if isinstance(data, float) and (data != data or data in (float("inf"), float("-inf"))) else data
