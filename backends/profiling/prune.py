"""Removing measurements that nobody needs any more."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping

import attrs

from plait.backends.profiling.database import ProfileDatabase
from plait.backends.profiling.schema import KEY, transaction

_DAY_S = 86400.0
_SAME_ENTRY = " AND ".join(f"newer.{c} = profile.{c}" for c in KEY)
_SUPERSEDED = (
    f"EXISTS (SELECT 1 FROM profile AS newer WHERE {_SAME_ENTRY} AND (newer.taken, newer.id) >"
    " (profile.taken, profile.id))"
)


@attrs.frozen
class Unneeded:
    """What to remove: measurements that meet any of the conditions that are given."""

    older_than_days: float | None = None
    superseded: bool = False
    """There is a newer measurement of the entry."""
    failed: bool = False
    versions: Mapping[str, str] | None = None
    """Those of other versions of a routine than these, by its path without variant. Routines that are not named stay:
    they may belong to a plug-in that is not installed here."""
    machine: str | None = None
    """Those of other machines than this one."""

    def conditions(self) -> dict[str, tuple[str, list[object]]]:
        """SQL conditions with their parameters, by the words for what they remove."""
        found: dict[str, tuple[str, list[object]]] = {}
        if self.older_than_days is not None:
            since = time.time() - self.older_than_days * _DAY_S
            found["old"] = ("taken < ?", [since])
        if self.superseded:
            found["superseded"] = (_SUPERSEDED, [])
        if self.failed:
            found["failed"] = ("status != 'ok'", [])
        if self.versions is not None:
            found["other versions"] = ("is_other_version(routine, version)", [])
        if self.machine is not None:
            found["other machines"] = ("machine != ?", [self.machine])
        return found

    def is_other_version(self, routine: str, version: str) -> bool:
        assert self.versions is not None
        return self.versions.get(routine.partition("[")[0], version) != version


def prune(database: ProfileDatabase, unneeded: Unneeded, *, dry_run: bool = False) -> dict[str, int]:
    """Remove measurements, then sessions and machines that have none left, and give the space back to the system.

    Args:
        dry_run: only count.

    Returns:
        How many measurements meet each condition, and under `measurements` how many any of them. One may meet several.

    Raises:
        ProfileError: P501.
    """
    conditions = unneeded.conditions()
    with database.connection() as db:
        db.create_function("is_other_version", 2, unneeded.is_other_version, deterministic=True)
        any_of = " OR ".join(f"({sql})" for sql, _ in conditions.values()) or "0"
        parameters = [p for _, some in conditions.values() for p in some]
        with transaction(db):
            counts = {name: _count(db, *condition) for name, condition in conditions.items()}
            counts["measurements"] = _count(db, any_of, parameters)
            if not dry_run:
                # Which of an entry is the newest is decided before any is gone.
                db.execute("CREATE TEMP TABLE gone AS SELECT id FROM profile WHERE " + any_of, parameters)
                db.execute("DELETE FROM profile WHERE id IN (SELECT id FROM gone)")
                db.execute("DROP TABLE gone")
                if unneeded.machine is not None:
                    db.execute("DELETE FROM limits WHERE machine != ?", (unneeded.machine,))
                _remove_unused(db)
        if not dry_run:
            db.execute("VACUUM")
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return counts


def _count(db: sqlite3.Connection, condition: str, parameters: list[object]) -> int:
    return int(db.execute(f"SELECT count(*) FROM profile WHERE {condition}", parameters).fetchone()[0])


def _remove_unused(db: sqlite3.Connection) -> None:
    # A session that began lately may be about to measure.
    lately = time.time() - _DAY_S
    db.execute("DELETE FROM session WHERE started < ? AND id NOT IN (SELECT session FROM profile)", (lately,))
    db.execute("DELETE FROM reference WHERE session NOT IN (SELECT id FROM session)")
    used = " UNION ".join(f"SELECT machine FROM {table}" for table in ("profile", "session", "limits"))
    db.execute(f"DELETE FROM machine WHERE instance NOT IN ({used})")
