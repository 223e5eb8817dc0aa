"""What goes wrong with a profile database, in words."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from plait.ir.diagnostics import Diagnostic, PlaitError

_HINT = "give another file with --db"
_REASONS = {
    "SQLITE_FULL": "the disk is full; what was measured before is kept",
    "SQLITE_READONLY": "the file may not be written to",
    "SQLITE_CANTOPEN": "the file, or its folder, cannot be opened",
    "SQLITE_IOERR": "reading or writing it failed; is the disk, a quota or a limit on the size of files used up?",
    "SQLITE_BUSY": "another process keeps it locked",
}
"""SQLite's own words for other errors are plain enough."""


class ProfileError(PlaitError):
    """The profile database cannot be used, or a file of measurements cannot be read."""


def profile_error(path: Path, message: str, hint: str = _HINT) -> ProfileError:
    """P501 for a database file."""
    return ProfileError(Diagnostic("P501", message, where=str(path), hint=hint))


@contextlib.contextmanager
def profile_errors(path: Path) -> Iterator[None]:
    """Turn what SQLite and the system raise into P501."""
    try:
        yield
    except sqlite3.Error as error:
        raise profile_error(path, f"cannot use the profile database: {_reason(error)}") from None
    except OSError as error:
        raise profile_error(path, f"cannot use the profile database: {error.strerror or error}") from None


def _reason(error: sqlite3.Error) -> str:
    # SQLITE_READONLY_DBMOVED is a kind of SQLITE_READONLY.
    name = "_".join(getattr(error, "sqlite_errorname", "").split("_")[:2])
    return _REASONS.get(name, str(error))
