"""The tables of a profile database, and the way to them from the tables of older versions.

Rows are only ever added (and pruned): nothing that was measured is changed later.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from plait.backends.profiling.errors import profile_error

VERSION = 2
KEY = ("signature", "routine", "version", "threads", "state", "machine")
"""What identifies an entry, of which there may be several measurements."""
COLUMNS = {
    "machine": ("instance", "kind", "model", "isa", "cores", "caches", "host", "system"),
    "session": ("id", "machine", "started", "plait", "kernels", "environment", "governor", "load"),
    "reference": ("session", "taken", "gemm_us", "copy_us"),
    "limits": ("machine", "threads", "data", "taken"),
    "profile": (*KEY, "session", "environment", "status", "samples", "median_us", "message", "error", "taken"),
}
"""The columns of each table, apart from the numbers of rows."""
_MACHINE = """
CREATE TABLE machine (
    instance TEXT PRIMARY KEY, kind TEXT NOT NULL, model TEXT, isa TEXT, cores INTEGER, caches TEXT, host TEXT, system
    TEXT)
"""
_PROFILE = """
CREATE TABLE profile (
    id INTEGER PRIMARY KEY, signature TEXT NOT NULL, routine TEXT NOT NULL, version TEXT NOT NULL, threads INTEGER NOT
    NULL, state TEXT NOT NULL, machine TEXT NOT NULL REFERENCES machine(instance), status TEXT NOT NULL, samples BLOB
    NOT NULL, median_us REAL, message TEXT NOT NULL, taken REAL NOT NULL, session TEXT NOT NULL DEFAULT '', environment
    TEXT NOT NULL DEFAULT '', error REAL)
"""
_LIMITS = """
CREATE TABLE IF NOT EXISTS limits (
    id INTEGER PRIMARY KEY, machine TEXT NOT NULL REFERENCES machine(instance), threads INTEGER NOT NULL, data TEXT NOT
    NULL, taken REAL NOT NULL)
"""
"""Files of version 1 may have it."""
_SESSIONS = (
    """
CREATE TABLE session (
    id TEXT PRIMARY KEY, machine TEXT NOT NULL REFERENCES machine(instance), started REAL NOT NULL, plait TEXT NOT NULL,
    kernels TEXT NOT NULL, environment TEXT NOT NULL, governor TEXT NOT NULL, load REAL NOT NULL)
""",
    """
CREATE TABLE reference (
    id INTEGER PRIMARY KEY, session TEXT NOT NULL REFERENCES session(id), taken REAL NOT NULL, gemm_us REAL NOT NULL,
    copy_us REAL NOT NULL)
""",
    "CREATE INDEX reference_session ON reference (session)",
)
_INDEX = f"CREATE INDEX profile_key ON profile ({', '.join(KEY)}, taken)"
"""The newest measurement of an entry stands last in its stretch of the index."""
_CREATE = (_MACHINE, _PROFILE, _LIMITS, *_SESSIONS, _INDEX)
_FROM_1 = (
    "ALTER TABLE profile ADD COLUMN session TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE profile ADD COLUMN environment TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE profile ADD COLUMN error REAL",
    _LIMITS,
    *_SESSIONS,
    "DROP INDEX profile_key",
    _INDEX,
)
_STEPS = {0: _CREATE, 1: _FROM_1}
"""What brings a file of each version to the present one."""


def prepare(db: sqlite3.Connection, path: Path) -> None:
    """Make the tables of a new file, or bring those of an older version to the present one in one transaction.

    Raises:
        ProfileError: P501, the file is of a newer version or of another program.
        sqlite3.Error: the file cannot be used.
    """
    version = _version(db)
    if version == 0:
        _check_empty(db, path)
        _switch_to_wal(db)
    db.execute("PRAGMA synchronous = NORMAL")
    if version == VERSION:
        return
    with transaction(db):
        # Another process may have done it meanwhile. Whoever sees the version sees the tables.
        version = _version(db)
        if version != VERSION:
            if version not in _STEPS:
                raise profile_error(
                    path,
                    f"the profile database has version {version}, and this plait knows versions up to {VERSION}",
                    "use the newer plait that wrote it, or give another file with --db",
                )
            for statement in _STEPS[version]:
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {VERSION}")


@contextlib.contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All of the block is written, or nothing; other writers wait."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        # SQLite may have rolled back by itself, as when the disk is full.
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _check_empty(db: sqlite3.Connection, path: Path) -> None:
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    # Another process may be making the same file.
    if strange := sorted(tables - set(COLUMNS)):
        raise profile_error(path, f"this is another kind of database: it has a table {strange[0]!r}")


def _switch_to_wal(db: sqlite3.Connection) -> None:
    # SQLite does not wait for the locks of this switch: another process may be making the same file.
    for attempt in range(100):
        try:
            db.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if attempt == 99:
                raise
            time.sleep(0.05)
