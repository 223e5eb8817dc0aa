"""Writing measurements to a file, and reading them back, by the ending of its name."""

from __future__ import annotations

import csv
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from plait.backends.profiling.database import ProfileDatabase, insert
from plait.backends.profiling.errors import ProfileError
from plait.backends.profiling.exchange.parquet import read_parquet, write_parquet
from plait.backends.profiling.exchange.records import (
    FACTS,
    SCHEMA,
    Facts,
    Record,
    malformed,
    not_measurements,
    values_of,
)
from plait.backends.profiling.exchange.text import read_csv, read_jsonl, write_csv, write_jsonl
from plait.backends.profiling.merge import merge
from plait.backends.profiling.rows import Row, Wanted
from plait.backends.profiling.schema import COLUMNS, transaction
from plait.ir.files import atomic_write

Write = Callable[[BinaryIO, Facts, Iterable[Row]], int]
Read = Callable[[Path], Iterator[Record]]
FORMATS: dict[str, tuple[Write, Read]] = {
    ".parquet": (write_parquet, read_parquet),
    ".csv": (write_csv, read_csv),
    ".jsonl": (write_jsonl, read_jsonl),
}
"""Writer and reader by the ending of the name."""


def export_file(database: ProfileDatabase, path: Path, wanted: Wanted | None = None) -> int:
    """Write measurements, and all machines, sessions and limits; returns the number of measurements.

    Raises:
        ProfileError: P501 of the database; P502, the ending is not known, or pyarrow is missing.
        OSError: the file cannot be written.
    """
    write, _ = _format(path)
    facts = _facts(database)
    with atomic_write(path) as file:
        return write(file, facts, database.rows(wanted))


def import_file(database: ProfileDatabase, path: Path) -> dict[str, int]:
    """Add what a file of `export_file` has and the database has not; returns how many rows, by table.

    Raises:
        ProfileError: P501 of the database; P502, the file is not as `export_file` writes it. Nothing is added then.
        OSError: the file cannot be read.
    """
    _, read = _format(path)
    path.open("rb").close()
    with tempfile.TemporaryDirectory(prefix="plait-import-") as folder:
        whole = Path(folder) / "import.sqlite"
        with ProfileDatabase(whole) as temporary:
            _fill(temporary, _checked(read(path), path), path)
        return merge(database, whole, called=path)


def _format(path: Path) -> tuple[Write, Read]:
    if path.suffix not in FORMATS:
        endings = ", ".join(FORMATS)
        raise ProfileError(malformed(str(path), f"the name ends in none of {endings}, which tell the format"))
    return FORMATS[path.suffix]


def _facts(database: ProfileDatabase) -> Facts:
    found: Facts = {}
    with database.connection() as db:
        for table in FACTS:
            columns = COLUMNS[table]
            rows = db.execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY {', '.join(columns)}")
            found[table] = [dict(zip(columns, row, strict=True)) for row in rows]
    return found


def _checked(records: Iterator[Record], path: Path) -> Iterator[Record]:
    """The records after the header. What readers raise becomes P502."""
    try:
        first = next(records, None)
        if first is None or first.table != "header" or first.fields.get("schema") != SCHEMA:
            raise ValueError(f"it does not start with the words {SCHEMA}")
        yield from records
    except ProfileError:
        raise
    except (ValueError, csv.Error, RecursionError) as error:
        raise not_measurements(str(path), error) from None


def _fill(database: ProfileDatabase, records: Iterator[Record], path: Path) -> None:
    with database.connection() as db, transaction(db):
        for record in records:
            try:
                insert(db, record.table, values_of(record))
            except (ValueError, OverflowError, sqlite3.IntegrityError) as error:
                raise not_measurements(record.where, error) from None
        query = "SELECT machine FROM profile WHERE machine NOT IN (SELECT instance FROM machine) LIMIT 1"
        if missing := db.execute(query).fetchone():
            message = f"there are measurements of machine {missing[0]}, but it is not described"
            raise ProfileError(malformed(str(path), message))
