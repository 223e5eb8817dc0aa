"""What is remembered of how much single layers in lower precision disturb a network: a cache beside measurements.

Numbers, no times: they are the same on every machine but for the last digits, belong to no session, and are not
exported or merged. The table is made when it is first written to.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from plait.backends.profiling.database import ProfileDatabase
from plait.backends.profiling.schema import transaction

_TABLE = """
CREATE TABLE IF NOT EXISTS sensitivity (
    context TEXT NOT NULL, layer TEXT NOT NULL, precision TEXT NOT NULL, twin TEXT NOT NULL, loss REAL NOT NULL, local
    REAL NOT NULL, taken REAL NOT NULL, PRIMARY KEY (context, layer, precision, twin)) WITHOUT ROWID
"""
_EXISTS = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'sensitivity'"

Row = tuple[str, str, str, float, float]
"""Layer, precision, fingerprint of the layer in that precision, loss at the outputs and at the result."""


def find_sensitivities(database: ProfileDatabase, context: str) -> dict[tuple[str, str, str], tuple[float, float]]:
    """What is known of a network and samples: two losses by layer, precision and fingerprint of the twin.

    Raises:
        ProfileError: P501.
    """
    with database.connection() as db:
        if db.execute(_EXISTS).fetchone() is None:
            return {}
        query = "SELECT layer, precision, twin, loss, local FROM sensitivity WHERE context = ?"
        return {(layer, p, twin): (loss, local) for layer, p, twin, loss, local in db.execute(query, (context,))}


def add_sensitivities(database: ProfileDatabase, context: str, rows: Iterable[Row]) -> None:
    """Remember losses; those that are known already are replaced.

    Raises:
        ProfileError: P501.
    """
    now = time.time()
    with database.connection() as db, transaction(db):
        db.execute(_TABLE)
        values = [(context, *row, now) for row in rows]
        db.executemany("INSERT OR REPLACE INTO sensitivity VALUES (?, ?, ?, ?, ?, ?, ?)", values)
