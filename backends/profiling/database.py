"""The profile database: every sample ever taken, in one SQLite file.

Rows are keyed by layer signature, routine with version, machine, threads and state, and are never updated: a repeated
measurement is another row, failures are rows too. The write-ahead log lets several processes use one file.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from plait.backends.profiling.errors import ProfileError, profile_errors
from plait.backends.profiling.freshness import Fresh
from plait.backends.profiling.job import Job, Result
from plait.backends.profiling.machine import Machine
from plait.backends.profiling.rows import Row, Wanted, make_row, median_us
from plait.backends.profiling.samples import pack, unpack
from plait.backends.profiling.schema import COLUMNS, KEY, prepare, transaction
from plait.backends.profiling.session import Reference, Session, SessionRecord

__all__ = ["ProfileDatabase", "ProfileError", "default_path"]
_PATIENCE_S = 30
"""How long one process waits for another's write."""
_TICK_S = 1e-6
"""By how much a time stamp is later than the one before, where the clock says otherwise."""
_JOB = " AND ".join(f"{column} = ?" for column in KEY[:-1])
_FIND = (
    f"SELECT status, samples, message, error, environment, session, taken FROM profile WHERE {_JOB} AND machine = ?"
    " ORDER BY taken DESC, id DESC"
)
_OTHERS = (
    "SELECT profile.machine, status, samples, message FROM profile JOIN machine ON instance = profile.machine"
    f" WHERE {_JOB} AND kind = ? AND instance != ? ORDER BY taken, profile.id"
)


def default_path() -> Path:
    """`profile.sqlite` in the user's cache directory, or where `PLAIT_PROFILE_DB` says."""
    if chosen := os.environ.get("PLAIT_PROFILE_DB"):
        return Path(chosen)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "plait" / "profile.sqlite"


class ProfileDatabase:
    """Samples by key. Use as a context manager, or `close` it. A file of an older version is brought to the present
    one.

    Raises:
        ProfileError: P501, the file is not a profile database, or of a newer version.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = Path(path) if path is not None else default_path()
        self._current: dict[str, Session] = {}
        with self._errors():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self.path, timeout=_PATIENCE_S, isolation_level=None)
        try:
            with self._errors():
                prepare(self._db, self.path)
        except ProfileError:
            self._db.close()
            raise

    def _errors(self) -> contextlib.AbstractContextManager[None]:
        return profile_errors(self.path)

    def __enter__(self) -> ProfileDatabase:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the file."""
        self._db.close()

    @contextlib.contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """The connection below, for what works on whole tables; its errors become P501."""
        with self._errors():
            yield self._db

    # --- adding ---

    def add(
        self,
        job: Job,
        machine: Machine,
        result: Result,
        *,
        session: Session | None = None,
    ) -> None:
        """Append one measurement; when the call returns, the death of this process cannot undo it.

        Args:
            session: in which it was taken (default: the one that this object began last for the machine, if any).
        """
        session = session or self._current.get(machine.instance)
        key = (*job.key, machine.instance)
        with self._errors(), transaction(self._db):
            self._add_machine(machine)
            if session is not None:
                self._add_session(session)
            newest = self._db.execute(f"SELECT max(taken) FROM profile WHERE {_JOB} AND machine = ?", key).fetchone()[0]
            row = Row(
                *key,
                session=session.id if session else "",
                environment=session.environment if session else "",
                status=result.status,
                samples=result.samples,
                median_us=median_us(result.samples) if result.ok else None,
                message=result.message,
                error=result.error,
                # The clock may have been set back; the order of measurements is kept.
                taken=max(time.time(), (newest or 0.0) + _TICK_S),
            )
            insert_row(self._db, row)

    def begin(self, machine: Machine, session: Session | None = None) -> Session:
        """Start a session (default: one that begins now), in which `add` puts what follows on this machine."""
        session = session or Session.start(machine)
        with self._errors(), transaction(self._db):
            self._add_machine(machine)
            self._add_session(session)
        self._current[machine.instance] = session
        return session

    def add_reference(self, session: Session, reference: Reference | None) -> None:
        """Append times of the reference jobs, taken before, during or after a session; None is passed over."""
        if reference is None:
            return
        with self._errors():
            insert(self._db, "reference", (session.id, time.time(), reference.gemm_us, reference.copy_us))

    def _add_machine(self, machine: Machine) -> None:
        insert(self._db, "machine", (machine.instance, machine.kind, *machine), ignore=True)

    def _add_session(self, session: Session) -> None:
        values = [getattr(session, column) for column in COLUMNS["session"]]
        insert(self._db, "session", values, ignore=True)

    def add_limits(self, machine: Machine, threads: int, data: str) -> None:
        """Append the limits of a machine for a number of threads, as text; see `plait.backends.profiling.limits`."""
        with self._errors(), transaction(self._db):
            self._add_machine(machine)
            insert(self._db, "limits", (machine.instance, threads, data, time.time()))

    # --- finding ---

    def find_limits(self, machine: Machine, threads: int) -> str | None:
        """The newest limits of this machine for that many threads, or None."""
        with self._errors():
            row = self._db.execute(
                "SELECT data FROM limits WHERE machine = ? AND threads = ? ORDER BY taken DESC, id DESC LIMIT 1",
                (machine.instance, threads),
            ).fetchone()
        return None if row is None else str(row[0])

    def find(self, job: Job, machine: Machine, fresh: Fresh | None = None) -> Result | None:
        """The newest measurement of a job on this machine, or None."""
        return self.find_all([job], machine, fresh).get(job)

    def find_all(self, jobs: Iterable[Job], machine: Machine, fresh: Fresh | None = None) -> dict[Job, Result]:
        """The newest measurement of each job that has one.

        Args:
            fresh: what measurements must be; others are passed over, as if they were not there.
        """
        doubtful = frozenset[str]()
        if fresh is not None and fresh.drift is not None:
            doubtful = fresh.doubtful(self.sessions(machine.instance))
        instance, found = machine.instance, {}
        query = _FIND if fresh is not None else f"{_FIND} LIMIT 1"
        with self._errors():
            for job in jobs:
                for status, samples, message, error, environment, session, taken in self._db.execute(
                    query, (*job.key, instance)
                ):
                    if fresh is None or fresh.accepts(status, environment, session, taken, doubtful):
                        found[job] = Result(status, unpack(samples), message, error)
                        break
        return found

    def others(self, jobs: Iterable[Job], machine: Machine) -> dict[Job, dict[str, Result]]:
        """What other machines of the same kind have measured: for each job that they know, the newest result by
        `Machine.instance`. Times of other machines are hints, such as for lower bounds, and never results.
        """
        found: dict[Job, dict[str, Result]] = {}
        about = (machine.kind, machine.instance)
        with self._errors():
            for job in jobs:
                for instance, status, samples, message in self._db.execute(_OTHERS, (*job.key, *about)):
                    found.setdefault(job, {})[instance] = Result(status, unpack(samples), message)
        return found

    def count(self) -> int:
        """Number of measurements."""
        with self._errors():
            (rows,) = self._db.execute("SELECT count(*) FROM profile").fetchone()
        return int(rows)

    def rows(self, wanted: Wanted | None = None) -> Iterator[Row]:
        """Measurements as plain records, the oldest of each entry first and entries together."""
        wanted = wanted or Wanted()
        condition, parameters = wanted.sql()
        columns = ", ".join(COLUMNS["profile"])
        query = f"SELECT {columns} FROM profile WHERE {condition} ORDER BY {', '.join(KEY)}, taken, id"
        with self._errors():
            for values in self._db.execute(query, parameters):
                row = make_row(values)
                if wanted.keeps(row):
                    yield row

    def machines(self) -> dict[str, Machine]:
        """All machines by `Machine.instance`."""
        columns = ", ".join(COLUMNS["machine"])
        with self._errors():
            known = self._db.execute(f"SELECT {columns} FROM machine ORDER BY instance").fetchall()
        return {instance: Machine(*rest) for instance, _, *rest in known}

    def sessions(self, instance: str | None = None) -> list[SessionRecord]:
        """All sessions, or those of one machine, in the order of time."""
        columns = ", ".join(COLUMNS["session"])
        with self._errors():
            known = self._db.execute(f"SELECT {columns} FROM session ORDER BY started, id").fetchall()
            timed = self._db.execute("SELECT session, gemm_us, copy_us FROM reference ORDER BY taken, id").fetchall()
        references: dict[str, list[Reference]] = {}
        for session, gemm_us, copy_us in timed:
            references.setdefault(session, []).append(Reference(gemm_us, copy_us))
        sessions = [Session(*values) for values in known]
        return [SessionRecord(s, tuple(references.get(s.id, ()))) for s in sessions if instance in (None, s.machine)]


def insert_row(db: sqlite3.Connection, row: Row) -> None:
    """Append a measurement as it is."""
    packed = {"samples": pack(row.samples)}
    insert(db, "profile", [packed.get(c, getattr(row, c)) for c in COLUMNS["profile"]])


def insert(db: sqlite3.Connection, table: str, values: Iterable[object], *, ignore: bool = False) -> None:
    """Append a row of any table; `ignore` leaves one of the same primary key as it is."""
    columns, parameters = COLUMNS[table], tuple(values)
    places = ", ".join("?" * len(columns))
    what = "INSERT OR IGNORE" if ignore else "INSERT"
    db.execute(f"{what} INTO {table} ({', '.join(columns)}) VALUES ({places})", parameters)
