"""The profile database: every sample ever taken, in one SQLite file.

Rows are keyed by layer signature, routine with version, machine, threads and state, and are never updated: a repeated
measurement is another row, failures are rows too. The write-ahead log lets several processes use one file.
"""

from __future__ import annotations

import array
import contextlib
import os
import sqlite3
import statistics
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from plait.backends.profiling.job import Job, Result
from plait.backends.profiling.machine import Machine
from plait.ir.diagnostics import Diagnostic, PlaitError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS machine (
    instance TEXT PRIMARY KEY, kind TEXT NOT NULL, model TEXT, isa TEXT, cores INTEGER, caches TEXT, host TEXT, system
    TEXT);
CREATE TABLE IF NOT EXISTS profile (
    id INTEGER PRIMARY KEY, signature TEXT NOT NULL, routine TEXT NOT NULL, version TEXT NOT NULL, threads INTEGER NOT
    NULL, state TEXT NOT NULL, machine TEXT NOT NULL REFERENCES machine(instance), status TEXT NOT NULL, samples BLOB
    NOT NULL, median_us REAL, message TEXT NOT NULL, taken REAL NOT NULL);
CREATE INDEX IF NOT EXISTS profile_key ON profile (signature, routine, version, threads, state, machine);
"""
_LIMITS_SCHEMA = """
CREATE TABLE IF NOT EXISTS limits (
    id INTEGER PRIMARY KEY, machine TEXT NOT NULL REFERENCES machine(instance), threads INTEGER NOT NULL, data TEXT NOT
    NULL, taken REAL NOT NULL);
"""
"""Made when it is first needed: files of version 1 may lack it."""
_VERSION = 1
_PATIENCE_S = 30
"""How long one process waits for another's write."""


class ProfileError(PlaitError):
    """The profile database cannot be used."""


def default_path() -> Path:
    """`profile.sqlite` in the user's cache directory, or where `PLAIT_PROFILE_DB` says."""
    if chosen := os.environ.get("PLAIT_PROFILE_DB"):
        return Path(chosen)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "plait" / "profile.sqlite"


class ProfileDatabase:
    """Samples by key. Use as a context manager, or `close` it.

    Raises:
        ProfileError: the file is not a profile database, or of another version.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = Path(path) if path is not None else default_path()
        with self._errors():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self.path, timeout=_PATIENCE_S, isolation_level=None)
        try:
            with self._errors():
                self._prepare()
        except ProfileError:
            self._db.close()
            raise

    def _prepare(self) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version == _VERSION:
            self._db.execute("PRAGMA synchronous = NORMAL")
            return
        if version:
            raise self._error(f"the profile database has version {version}, not {_VERSION}")
        tables = {name for (name,) in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if strange := sorted(tables - {"machine", "profile"}):
            raise self._error(f"this is another kind of database: it has a table {strange[0]!r}")
        self._switch_to_wal()
        self._db.execute("PRAGMA synchronous = NORMAL")
        # In one transaction: whoever sees the version sees the tables.
        self._db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")

    def _switch_to_wal(self) -> None:
        # SQLite does not wait for the locks of this switch: another process may be making the same file.
        for attempt in range(100):
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError:
                if attempt == 99:
                    raise
                time.sleep(0.05)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise self._error(f"cannot use the profile database: {error}") from None

    def _error(self, message: str) -> ProfileError:
        return ProfileError(Diagnostic("P501", message, where=str(self.path), hint="give another file with --db"))

    def __enter__(self) -> ProfileDatabase:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the file."""
        self._db.close()

    def add(self, job: Job, machine: Machine, result: Result) -> None:
        """Append one measurement; durable against a crash of this process when the call returns."""
        with self._errors():
            self._add_machine(machine)
            self._db.execute(
                "INSERT INTO profile (signature, routine, version, threads, state, machine, status, samples, median_us,"
                " message, taken) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *job.key,
                    machine.instance,
                    result.status,
                    array.array("q", result.samples).tobytes(),
                    statistics.median(result.samples) / 1e3 if result.ok else None,
                    result.message,
                    time.time(),
                ),
            )

    def _add_machine(self, machine: Machine) -> None:
        self._db.execute(
            "INSERT OR IGNORE INTO machine VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                machine.instance,
                machine.kind,
                machine.model,
                machine.isa,
                machine.cores,
                machine.caches,
                machine.host,
                machine.system,
            ),
        )

    def add_limits(self, machine: Machine, threads: int, data: str) -> None:
        """Append the limits of a machine for a number of threads, as text; see `plait.backends.profiling.limits`."""
        with self._errors():
            self._db.execute(_LIMITS_SCHEMA)
            self._add_machine(machine)
            self._db.execute(
                "INSERT INTO limits (machine, threads, data, taken) VALUES (?, ?, ?, ?)",
                (machine.instance, threads, data, time.time()),
            )

    def find_limits(self, machine: Machine, threads: int) -> str | None:
        """The newest limits of this machine for that many threads, or None."""
        with self._errors():
            if not self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'limits'").fetchone():
                return None
            row = self._db.execute(
                "SELECT data FROM limits WHERE machine = ? AND threads = ? ORDER BY id DESC LIMIT 1",
                (machine.instance, threads),
            ).fetchone()
        return None if row is None else str(row[0])

    def find(self, job: Job, machine: Machine) -> Result | None:
        """The newest measurement of a job on this machine, or None."""
        with self._errors():
            row = self._db.execute(
                "SELECT status, samples, message FROM profile WHERE signature = ? AND routine = ?"
                " AND version = ? AND threads = ?"
                " AND state = ? AND machine = ? ORDER BY id DESC LIMIT 1",
                (*job.key, machine.instance),
            ).fetchone()
        return None if row is None else _result(*row)

    def find_all(self, jobs: Iterable[Job], machine: Machine) -> dict[Job, Result]:
        """What is known of many jobs."""
        return {job: found for job in jobs if (found := self.find(job, machine)) is not None}

    def count(self) -> int:
        """Number of measurements."""
        with self._errors():
            (rows,) = self._db.execute("SELECT count(*) FROM profile").fetchone()
        return int(rows)


def _result(status: str, samples: bytes, message: str) -> Result:
    unpacked = array.array("q")
    unpacked.frombytes(samples)
    return Result(status, tuple(unpacked), message)
