"""The union of profile databases. Measurements are never changed, so it is the union of their rows; to merge a second
time adds nothing."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path

import attrs

from plait.backends.profiling.database import ProfileDatabase
from plait.backends.profiling.errors import ProfileError, profile_error, profile_errors
from plait.backends.profiling.schema import COLUMNS, transaction

_NAMED = {"machine": "instance", "session": "id"}
"""Tables whose rows have a name, which must mean the same in all files."""


def merge(into: ProfileDatabase, source: str | Path, *, called: Path | None = None) -> dict[str, int]:
    """Add all rows of another database that are not there yet. The source is left as it is, also if it is of an older
    version.

    Args:
        called: what messages call the source (default: its path).

    Returns:
        How many rows were added, by table: machine, session, reference, limits, profile.

    Raises:
        ProfileError: P501, the source is no profile database, or a machine or session is described differently there.
            Nothing is added then.
    """
    source = Path(source)
    called = called or source
    with tempfile.TemporaryDirectory(prefix="plait-merge-") as folder:
        copy = Path(folder) / "source.sqlite"
        _copy(source, copy)
        _bring_up(copy, called)
        with into.connection() as db:
            db.execute("ATTACH ? AS source", (str(copy),))
            try:
                with transaction(db):
                    for table, name in _NAMED.items():
                        _check_same(db, table, name, called)
                    return {table: _add_missing(db, table) for table in COLUMNS}
            finally:
                db.execute("DETACH source")


def _copy(source: Path, target: Path) -> None:
    """A consistent copy, also of a file that is being written to."""
    with profile_errors(source):
        # An address, since only that can say: do not create. To write is allowed, so that no log is left beside it.
        original = sqlite3.connect(f"{source.resolve().as_uri()}?mode=rw", uri=True)
        copy = sqlite3.connect(target)
        try:
            original.backup(copy)
        finally:
            original.close()
            copy.close()


def _bring_up(copy: Path, source: Path) -> None:
    try:
        ProfileDatabase(copy).close()
    except ProfileError as error:
        # The copy is nothing that the user knows of.
        raise ProfileError([attrs.evolve(d, where=str(source)) for d in error.diagnostics]) from None


def _check_same(db: sqlite3.Connection, table: str, name: str, source: Path) -> None:
    columns = COLUMNS[table]
    pairs = ", ".join(f"a.{c}, b.{c}" for c in columns)
    query = f"SELECT {pairs} FROM main.{table} AS a JOIN source.{table} AS b ON a.{name} = b.{name}"
    for values in db.execute(query):
        for column, ours, theirs in zip(columns, values[::2], values[1::2], strict=True):
            if ours != theirs:
                what = f"{table} {values[columns.index(name) * 2]} has another {column} here"
                message = f"{what}: {theirs!r}, not {ours!r}; times of the two cannot be told apart"
                raise profile_error(source, message, "nothing was merged")


def _add_missing(db: sqlite3.Connection, table: str) -> int:
    columns = COLUMNS[table]
    names = ", ".join(columns)
    same = " AND ".join(f"mine.{c} IS source.{table}.{c}" for c in columns)
    cursor = db.execute(
        f"INSERT INTO main.{table} ({names}) SELECT DISTINCT {names} FROM source.{table}"
        f" WHERE NOT EXISTS (SELECT 1 FROM main.{table} AS mine WHERE {same})"
    )
    return cursor.rowcount
