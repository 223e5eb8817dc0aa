"""`plait profile merge|export|import|prune`: databases and files as a whole."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from plait.cli.common import DATABASE, FILE, JSON, check_output
from plait.cli.output import Table, note, print_json
from plait.cli.profile.choice import choice_options, existing, wanted

_SOURCE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("merge")
@click.argument("sources", nargs=-1, required=True, type=_SOURCE, metavar="SOURCE...")
@click.option("-o", "--output", type=FILE, help="Make this new database of the sources alone.")
@DATABASE
@JSON
def merge(sources: tuple[Path, ...], output: Path | None, db: Path | None, as_json: bool) -> None:
    """Add the measurements of other databases to the profile database (or to the one that --db or -o names).

    What is there already is not added again. The sources stay as they are.
    """
    from plait.backends.profiling.database import ProfileDatabase, default_path
    from plait.backends.profiling.merge import merge as add_all

    if output is not None and db is not None:
        raise click.UsageError("--db adds to a database, -o makes a new one: give one of them")
    if output is not None and output.exists():
        raise click.UsageError(f"{output} exists already; to add to it, use --db {output}")
    target = output or db or default_path()
    place = _new(output) if output is not None else contextlib.nullcontext(target)
    with place as path, ProfileDatabase(path) as database:
        added = {str(source): add_all(database, source) for source in sources}
    _tell(target, added, as_json)


@contextlib.contextmanager
def _new(path: Path) -> Iterator[Path]:
    """A path beside a file that becomes it in the end, if all goes well."""
    check_output(path)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        yield Path(folder) / path.name
        (Path(folder) / path.name).replace(path)


@click.command("export")
@click.argument("file", type=FILE)
@choice_options
@DATABASE
def export(file: Path, db: Path | None, **choice: Any) -> None:
    """Write measurements to FILE, whose ending is .parquet (with the extra `profile`), .csv or .jsonl.

    `plait profile import` reads all three back without loss.
    """
    from plait.backends.profiling.database import ProfileDatabase
    from plait.backends.profiling.exchange import export_file

    check_output(file)
    with ProfileDatabase(existing(db)) as database:
        count = export_file(database, file, wanted(choice))
    click.echo(f"wrote {file}: {count} measurements", err=True)


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=_SOURCE, metavar="FILE...")
@DATABASE
@JSON
def import_(files: tuple[Path, ...], db: Path | None, as_json: bool) -> None:
    """Add the measurements of files that `plait profile export` wrote."""
    from plait.backends.profiling.database import ProfileDatabase, default_path
    from plait.backends.profiling.exchange import import_file

    with ProfileDatabase(db) as database:
        added = {str(file): import_file(database, file) for file in files}
    _tell(db or default_path(), added, as_json)


@click.command("prune")
@click.option("--older-than", type=click.FloatRange(min=0), metavar="DAYS", help="Older than so many days.")
@click.option("--superseded", is_flag=True, help="There is a newer one of the same entry.")
@click.option("--failed", is_flag=True, help="Crashed, timed out or failed: `plait tune` tries these again then.")
@click.option("--other-versions", is_flag=True, help="Of other versions of a routine than is installed.")
@click.option("--other-machines", is_flag=True, help="Of other machines than this.")
@click.option("--dry-run", is_flag=True, help="Only tell how many.")
@DATABASE
@JSON
def prune(
    older_than: float | None,
    superseded: bool,
    failed: bool,
    other_versions: bool,
    other_machines: bool,
    dry_run: bool,
    db: Path | None,
    as_json: bool,
) -> None:
    """Remove the measurements that meet any of the given conditions, and give the space back.

    There is no way back: `plait profile export` first what you may want to see again.
    """
    from plait.backends.profiling.database import ProfileDatabase
    from plait.backends.profiling.machine import this_machine
    from plait.backends.profiling.prune import Unneeded
    from plait.backends.profiling.prune import prune as remove

    unneeded = Unneeded(
        older_than_days=older_than,
        superseded=superseded,
        failed=failed,
        versions=_installed() if other_versions else None,
        machine=this_machine().instance if other_machines else None,
    )
    if not unneeded.conditions():
        raise click.UsageError("give a condition, such as --superseded; without one nothing would be removed")
    with ProfileDatabase(existing(db)) as database:
        before = database.count()
        counts = remove(database, unneeded, dry_run=dry_run)
    total = counts.pop("measurements")
    if as_json:
        counted = {"conditions": counts, "measurements": total, "of": before, "dry_run": dry_run}
        print_json({"schema": "profile-prune/1", **counted})
        return
    table = Table(("condition", ">measurements"))
    for name, count in counts.items():
        table.add(name, count)
    table.add("any", f"{total} of {before}")
    table.show()
    if dry_run:
        note("nothing was removed: --dry-run")


def _installed() -> dict[str, str]:
    from plait.backends.routine import known_routines

    return {routine.path.base: routine.full_version for routine in known_routines()}


def _tell(target: Path, added: dict[str, dict[str, int]], as_json: bool) -> None:
    if as_json:
        print_json({"schema": "profile-merge/1", "file": str(target), "added": added})
        return
    table = Table(("from", ">measurements", ">sessions", ">machines"))
    for source, counts in added.items():
        table.add(source, counts["profile"], counts["session"], counts["machine"])
    table.show()
    click.echo(f"added to {target}", err=True)
