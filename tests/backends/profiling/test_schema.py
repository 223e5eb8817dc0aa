"""Files of version 1 are brought to the present version in place, whole or not at all."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest

from plait.backends.profiling import schema
from plait.backends.profiling.database import ProfileDatabase, ProfileError
from plait.backends.profiling.job import Result
from plait.backends.profiling.rows import Row


def layout(path: Path) -> dict[str, set[tuple[Any, ...]]]:
    """Name, type, nullability and default of the columns of each table, and those of the indexes."""
    raw = sqlite3.connect(path)
    names = [name for (name,) in raw.execute("SELECT name FROM sqlite_master")]
    found = {name: {row[1:] for row in raw.execute(f"PRAGMA table_info({name})")} for name in names}
    found |= {f"{name} index": {row[2:] for row in raw.execute(f"PRAGMA index_info({name})")} for name in names}
    raw.close()
    return found


def test_what_a_file_of_version_1_holds_is_found(version_1: Path, facts: Any) -> None:
    two = attrs.evolve(facts.job, threads=2)
    with ProfileDatabase(version_1) as database:
        assert database.find_all([facts.job, two], facts.here) == {
            facts.job: facts.ok,
            two: Result("timeout", (), "no answer after 60 s"),
        }
        assert database.find(facts.job, facts.sibling) == Result("ok", (2**40, 1, 3))
        assert database.find_limits(facts.here, 1) == '{"old": true}'
        rows = list(database.rows())
        assert [r.status for r in rows].count("crashed") == 1 and len(rows) == 4
        assert {(r.session, r.environment, r.error) for r in rows} == {("", "", None)}
        assert database.sessions() == []


def test_it_gets_the_tables_of_a_new_file(version_1: Path, path: Path) -> None:
    ProfileDatabase(version_1).close()
    ProfileDatabase(path).close()
    assert layout(version_1) == layout(path)
    raw = sqlite3.connect(version_1)
    assert raw.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)
    assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    raw.close()


def test_it_can_be_added_to(version_1: Path, facts: Any) -> None:
    with ProfileDatabase(version_1) as database:
        database.begin(facts.here, facts.session())
        database.add(facts.job, facts.here, Result("ok", (4,), error=1e-7))
        assert database.find(facts.job, facts.here) == Result("ok", (4,), error=1e-7)
        assert database.count() == 5


def test_a_step_that_fails_leaves_the_file_as_it_was(version_1: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = layout(version_1)
    monkeypatch.setitem(schema._STEPS, 1, (*schema._FROM_1, "CREATE TABLE machine (x)"))
    with pytest.raises(ProfileError, match="table machine already exists"):
        ProfileDatabase(version_1)
    assert layout(version_1) == before
    monkeypatch.undo()
    with ProfileDatabase(version_1) as database:
        assert database.count() == 4


def test_two_processes_that_bring_it_up_together(version_1: Path) -> None:
    code = (
        "import sys; from plait.backends.profiling.database import ProfileDatabase as D; "
        "sys.stdin.readline(); print(D(sys.argv[1]).count())"
    )
    command = [sys.executable, "-c", code, str(version_1)]
    both = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)]
    for process in both:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    assert [process.communicate(timeout=100)[0] for process in both] == [b"4\n"] * 2


def test_columns_are_those_of_the_records(path: Path) -> None:
    assert schema.COLUMNS["profile"] == tuple(a.name for a in attrs.fields(Row))
    ProfileDatabase(path).close()
    found = layout(path)
    for table, columns in schema.COLUMNS.items():
        assert {row[0] for row in found[table]} - {"id"} == set(columns) - {"id"}, table
