"""`plait profile ls`: what has been measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plait.cli.common import DATABASE, JSON, Count
from plait.cli.output import Table, print_json, size
from plait.cli.profile.choice import choice_options, moment, wanted

if TYPE_CHECKING:
    from plait.backends.profiling.entries import Entry

_SHOWN = 40
_LAYER_WIDTH = 60
_ORDERS: dict[str, Callable[[Entry], Any]] = {
    "layer": lambda e: e.newest.key,
    "newest": lambda e: -e.newest.taken,
    "median": lambda e: -(e.newest.median_us or 0.0),
    "spread": lambda e: -_relative_spread(e),
    "count": lambda e: -e.measurements,
}


@click.command("ls")
@choice_options
@click.option(
    "--sort",
    type=click.Choice(list(_ORDERS)),
    default="layer",
    show_default=True,
    help="Order: by layer and routine, or the newest, slowest, widest spread, or most often measured first.",
)
@click.option("--limit", type=Count(min=1), default=_SHOWN, show_default=True, help="Show so many entries at most.")
@click.option("--all", "show_all", is_flag=True, help="Show all entries, and layers in full.")
@DATABASE
@JSON
def command(db: Path | None, sort: str, limit: int, show_all: bool, as_json: bool, **choice: Any) -> None:
    """Show where the database is and what has been measured.

    An entry is one routine on one layer on one machine; `plait profile show` takes the name that stands first. Times
    are those of its newest measurement, in microseconds: median, and median absolute deviation in percent of it.
    """
    from plait.backends.profiling.database import ProfileDatabase, default_path
    from plait.backends.profiling.entries import entries

    path = db or default_path()
    count, found, hosts = 0, list[Any](), dict[str, str]()
    if path.exists():
        with ProfileDatabase(path) as database:
            count = database.count()
            found = sorted(entries(database.rows(wanted(choice))), key=_ORDERS[sort])
            hosts = {instance: machine.host for instance, machine in database.machines().items()}
    if as_json:
        _print(path, count, found)
        return
    table = Table(("database", ">measurements", ">size"))
    table.add(path if path.exists() else f"{path} (not there yet)", count, size(_bytes(path)))
    table.show()
    if found:
        click.echo()
        _show(found if show_all else found[:limit], hosts, in_full=show_all)
    if len(found) > limit and not show_all:
        click.echo(f"... and {len(found) - limit} more (--all shows them)")


def _print(path: Path, count: int, found: list[Entry]) -> None:
    about = {"file": str(path), "exists": path.exists(), "measurements": count, "bytes": _bytes(path)}
    print_json({"schema": "profile/2", **about, "entries": [entry.to_json() for entry in found]})


def _show(found: list[Entry], hosts: dict[str, str], *, in_full: bool) -> None:
    table = Table(
        (
            "entry",
            "routine",
            ">threads",
            "state",
            "machine",
            "status",
            ">count",
            ">median us",
            ">spread",
            "newest",
            "layer",
        )
    )
    for entry in found:
        row = entry.newest
        table.add(
            row.entry,
            row.routine,
            row.threads,
            row.state,
            hosts.get(row.machine) or row.machine,
            row.status,
            entry.measurements,
            "" if row.median_us is None else f"{row.median_us:.2f}",
            "" if row.median_us is None else f"{100 * _relative_spread(entry):.1f}%",
            moment(row.taken),
            row.signature if in_full else _shortened(row.signature),
            dim=row.status != "ok",
        )
    table.show()


def _relative_spread(entry: Entry) -> float:
    row = entry.newest
    return row.spread_us / row.median_us if row.spread_us is not None and row.median_us else 0.0


def _shortened(text: str) -> str:
    return text if len(text) <= _LAYER_WIDTH else f"{text[: _LAYER_WIDTH - 1]}…"


def _bytes(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
