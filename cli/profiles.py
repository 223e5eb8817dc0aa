"""`plait profile`: the profile database."""

from __future__ import annotations

from pathlib import Path

import click

from plait.cli.common import DATABASE, JSON
from plait.cli.output import Table, print_json, size


@click.group("profile")
def group() -> None:
    """Look into the profile database."""


@group.command("ls")
@DATABASE
@JSON
def command(db: Path | None, as_json: bool) -> None:
    """Show where the database is and how many measurements it has."""
    from plait.backends.profiling.database import ProfileDatabase, default_path

    path = db or default_path()
    count = 0
    if path.exists():
        with ProfileDatabase(path) as database:
            count = database.count()
    data = {
        "schema": "profile/1",
        "file": str(path),
        "exists": path.exists(),
        "measurements": count,
        "bytes": path.stat().st_size if path.exists() else 0,
    }
    if as_json:
        print_json(data)
        return
    table = Table(("database", ">measurements", ">size"))
    table.add(path if path.exists() else f"{path} (not there yet)", count, size(int(str(data["bytes"]))))
    table.show()
