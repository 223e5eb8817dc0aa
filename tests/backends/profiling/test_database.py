"""The profile database: keys, failures, several processes, damage."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest

from plait.backends.profiling.database import _FIND, ProfileDatabase, ProfileError, default_path
from plait.backends.profiling.errors import profile_errors
from plait.backends.profiling.job import Job, Result
from plait.backends.profiling.machine import Machine, this_machine
from plait.backends.profiling.rows import Wanted

JOB = Job("relu(x f32[3]) : f32[3]", "cpu/f32/nchw/vector", "1-abc", 1, "ir 1\n")
HERE = Machine("model", "avx2", 4, "L1=32K", "host", "Linux 6")
OK = Result("ok", (5000, 7000, 6000))


def refused(path: Path) -> str:
    with pytest.raises(ProfileError) as caught:
        ProfileDatabase(path)
    (found,) = caught.value.diagnostics
    assert (found.code, found.where, found.hint) == ("P501", str(path), "give another file with --db")
    return found.message


def test_what_is_added_is_found_again_after_reopening(path: Path) -> None:
    with ProfileDatabase(path) as database:
        assert database.find(JOB, HERE) is None
        database.add(JOB, HERE, OK)
        assert database.find(JOB, HERE) == OK
    with ProfileDatabase(path) as database:
        assert database.find(JOB, HERE) == OK
        assert database.count() == 1


@pytest.mark.parametrize(
    "change",
    [
        {"signature": "other"},
        {"routine": "cpu/f32/nchw/other"},
        {"version": "2-abc"},
        {"threads": 2},
        {"state": "cold"},
    ],
)
def test_every_part_of_the_key_counts(path: Path, change: dict[str, str]) -> None:
    with ProfileDatabase(path) as database:
        database.add(JOB, HERE, OK)
        assert database.find(attrs.evolve(JOB, **change), HERE) is None  # type: ignore[arg-type]


def test_the_text_of_the_module_does_not_count(path: Path) -> None:
    with ProfileDatabase(path) as database:
        database.add(JOB, HERE, OK)
        assert database.find(attrs.evolve(JOB, module="something else"), HERE) == OK


@pytest.mark.parametrize("field", ["model", "isa", "caches", "host", "system"])
def test_machines_are_kept_apart(path: Path, field: str) -> None:
    with ProfileDatabase(path) as database:
        database.add(JOB, HERE, OK)
        assert database.find(JOB, HERE._replace(**{field: "other"})) is None
        assert database.find(JOB, HERE._replace()) == OK


@pytest.mark.parametrize("status", ["crashed", "timeout", "failed"])
def test_failures_are_rows(path: Path, status: str) -> None:
    with ProfileDatabase(path) as database:
        database.add(JOB, HERE, Result(status, (), "why"))
        found = database.find(JOB, HERE)
    assert found == Result(status, (), "why")
    assert found is not None and not found.ok
    with sqlite3.connect(path) as raw:
        assert raw.execute("SELECT status, median_us, message FROM profile").fetchall() == [(status, None, "why")]
    raw.close()


def test_the_newest_measurement_counts_and_the_older_are_kept(path: Path) -> None:
    with ProfileDatabase(path) as database:
        database.add(JOB, HERE, Result("crashed", (), "once"))
        database.add(JOB, HERE, OK)
        assert database.find(JOB, HERE) == OK
        assert database.count() == 2


def test_many_at_once(path: Path) -> None:
    jobs = [attrs.evolve(JOB, threads=n) for n in range(1, 5)]
    with ProfileDatabase(path) as database:
        for job in jobs[1:3]:
            database.add(job, HERE, OK)
        assert database.find_all(jobs, HERE) == {jobs[1]: OK, jobs[2]: OK}


def test_medians_and_samples_are_stored(path: Path) -> None:
    big = Result("ok", (2**40, 1, 3))
    with ProfileDatabase(path) as database:
        database.add(JOB, HERE, big)
        assert database.find(JOB, HERE) == big
    with sqlite3.connect(path) as raw:
        assert raw.execute("SELECT median_us FROM profile").fetchall() == [(0.003,)]
        assert raw.execute("SELECT instance, kind, model, cores FROM machine").fetchall() == [
            (HERE.instance, HERE.kind, "model", 4)
        ]
    raw.close()


def test_other_machines_of_the_kind(path: Path, facts: Any) -> None:
    jobs = [JOB, attrs.evolve(JOB, threads=2), attrs.evolve(JOB, threads=3)]
    third = facts.here._replace(host="third")
    with ProfileDatabase(path) as database:
        database.add(JOB, HERE, Result("ok", (1,)))
        database.add(JOB, facts.sibling, Result("ok", (2,)))
        database.add(JOB, facts.sibling, Result("ok", (3,)))
        database.add(JOB, third, Result("crashed", (), "why"))
        database.add(JOB, facts.stranger, Result("ok", (4,)))
        database.add(jobs[1], facts.stranger, Result("ok", (5,)))
        assert database.others(jobs, HERE) == {
            JOB: {facts.sibling.instance: Result("ok", (3,)), third.instance: Result("crashed", (), "why")}
        }
        assert database.machines() == {m.instance: m for m in (HERE, facts.sibling, third, facts.stranger)}


def test_a_clock_that_goes_backwards(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([2e9, 1e9, 1e9, 3e9])
    monkeypatch.setattr("plait.backends.profiling.database.time.time", lambda: next(times))
    with ProfileDatabase(path) as database:
        for ns in (1, 2, 3, 4):
            database.add(JOB, HERE, Result("ok", (ns,)))
            assert database.find(JOB, HERE) == Result("ok", (ns,))
        rows = list(database.rows())
    assert [r.samples for r in rows] == [(1,), (2,), (3,), (4,)]
    assert [round(r.taken, 3) for r in rows] == [2e9, 2e9, 2e9, 3e9]
    assert len({r.taken for r in rows}) == 4


def test_no_samples(path: Path) -> None:
    """A worker that answers without samples gives no cost, and nothing stumbles over it."""
    with ProfileDatabase(path) as database:
        database.add(JOB, HERE, Result("ok", ()))
        assert database.find(JOB, HERE) == Result("ok", ())
        (row,) = database.rows()
    assert (row.ok, row.median_us, row.cost_us, row.spread_us) == (False, None, None, None)


def test_rows(path: Path, facts: Any) -> None:
    other = attrs.evolve(JOB, signature="add(x f32[3], y f32[3]) : f32[3]", threads=2)
    with ProfileDatabase(path) as database:
        database.add(JOB, HERE, OK)
        database.add(other, facts.sibling, Result("crashed", (), "why"), session=facts.session("abcd"))

        def chosen(**conditions: Any) -> list[str]:
            return [r.op for r in database.rows(Wanted(**conditions))]

        assert [r.op for r in database.rows()] == ["add", "relu"]
        assert chosen(ops=frozenset({"relu"})) == chosen(status="ok") == chosen(threads=1) == ["relu"]
        assert chosen(signatures=frozenset({other.signature})) == ["add"]
        assert chosen(routine=lambda path: path.endswith("vector")) == chosen(state="streamed") == ["add", "relu"]
        assert chosen(machine=HERE.instance[:6]) == chosen(machine="host") == ["relu"]
        assert chosen(machine=HERE.kind) == ["add", "relu"]
        assert chosen(session="ab") == ["add"] and chosen(session="b") == chosen(machine="nobody") == []
        row = next(iter(database.rows()))
        assert (row.cost_us, row.message, len(row.entry)) == (None, "why", 8)
        row = list(database.rows())[1]
        assert (row.result, row.median_us, row.cost_us, row.spread_us) == (OK, 6.0, 5.0, 1.0)


def test_a_thousand_jobs_take_one_query_each(path: Path) -> None:
    """... by the index, without sorting: what keeps it quick in a large file."""
    with ProfileDatabase(path) as database, database.connection() as raw:
        plan = raw.execute(f"EXPLAIN QUERY PLAN {_FIND} LIMIT 1", (*JOB.key, HERE.instance)).fetchall()
    (step,) = plan
    assert "USING INDEX profile_key (signature=? AND routine=? AND version=? AND threads=? AND state=?" in step[-1]


# --- several processes ---

WRITER = """
import sys
import attrs
sys.path.insert(0, sys.argv[3])
from test_database import HERE, JOB, OK
from plait.backends.profiling.database import _FIND, ProfileDatabase
sys.stdin.readline()
with ProfileDatabase(sys.argv[1]) as database:
    for n in range(150):
        database.add(attrs.evolve(JOB, signature=f"{sys.argv[2]} {n}"), HERE, OK)
"""


def test_two_writers_that_begin_together(path: Path) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), name, str(Path(__file__).parent)],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for name in "ab"
    ]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write(b"go\n")
        writer.stdin.flush()
    errors = [writer.communicate(timeout=100)[1] for writer in writers]
    assert [w.returncode for w in writers] == [0, 0], errors
    with ProfileDatabase(path) as database:
        assert database.count() == 300
        assert all(
            database.find(attrs.evolve(JOB, signature=f"{name} {n}"), HERE) == OK for name in "ab" for n in range(150)
        )


def test_creation_by_many_at_once(path: Path) -> None:
    """Creating the file takes locks for which SQLite does not wait by itself."""
    code = (
        "import sys; from plait.backends.profiling.database import _FIND, ProfileDatabase as D; "
        "sys.stdin.readline(); D(sys.argv[1]).close()"
    )
    makers = [
        subprocess.Popen([sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    outcomes = [(m.communicate(b"go\n", timeout=100)[1], m.returncode) for m in makers]
    assert [code for _, code in outcomes] == [0] * 4, outcomes


def test_a_reader_sees_what_a_writer_adds(path: Path) -> None:
    with ProfileDatabase(path) as reader, ProfileDatabase(path) as writer:
        writer.add(JOB, HERE, OK)
        assert reader.find(JOB, HERE) == OK


# --- damage ---


def test_not_a_database(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"this is no database" * 100)
    assert refused(tmp_path / "x") == "cannot use the profile database: file is not a database"


def test_a_folder(tmp_path: Path) -> None:
    assert refused(tmp_path).startswith("cannot use the profile database: ")


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"")
    assert refused(tmp_path / "x" / "profile.sqlite").startswith("cannot use the profile database: ")


def test_another_version(path: Path) -> None:
    ProfileDatabase(path).close()
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA user_version = 7")
    raw.close()
    with pytest.raises(ProfileError) as caught:
        ProfileDatabase(path)
    (found,) = caught.value.diagnostics
    assert (found.code, found.where) == ("P501", str(path))
    assert found.message == "the profile database has version 7, and this plait knows versions up to 2"
    assert found.hint.startswith("use the newer plait")


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    raw = sqlite3.connect(path)
    raw.execute("CREATE TABLE songs (title TEXT)")
    raw.close()
    before = path.read_bytes()
    assert refused(path) == "this is another kind of database: it has a table 'songs'"
    assert path.read_bytes() == before


def test_damage_that_shows_late(path: Path) -> None:
    with ProfileDatabase(path) as database:
        for n in range(200):
            database.add(attrs.evolve(JOB, signature=f"s{n}"), HERE, OK)
        raw = sqlite3.connect(path)
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        raw.close()
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    path.write_bytes(data)
    with ProfileDatabase(path) as database, pytest.raises(ProfileError, match="cannot use the profile database"):
        database.find(JOB, HERE)
    with ProfileDatabase(path) as database, pytest.raises(ProfileError, match="cannot use the profile database"):
        database.add(JOB, HERE, OK)


def test_a_full_disk(path: Path) -> None:
    long = Result("ok", tuple(range(2000)))
    with ProfileDatabase(path) as database:
        database.add(JOB, HERE, OK)
        with database.connection() as raw:
            (pages,) = raw.execute("PRAGMA page_count").fetchone()
            raw.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(ProfileError) as caught:
            database.add(JOB, HERE, long)
        (found,) = caught.value.diagnostics
        assert found.message == "cannot use the profile database: the disk is full; what was measured before is kept"
        assert database.find(JOB, HERE) == OK
        with database.connection() as raw:
            raw.execute(f"PRAGMA max_page_count = {pages + 100}")
        database.add(JOB, HERE, long)
        assert database.find(JOB, HERE) == long


def test_a_file_that_may_not_be_written_to(path: Path) -> None:
    with ProfileDatabase(path) as database:
        database.add(JOB, HERE, OK)
        with database.connection() as raw:
            raw.execute("PRAGMA query_only = 1")
        with pytest.raises(ProfileError) as caught:
            database.add(JOB, HERE, OK)
        (found,) = caught.value.diagnostics
        assert found.message == "cannot use the profile database: the file may not be written to"
        assert database.find(JOB, HERE) == OK


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("SQLITE_IOERR_WRITE", "reading or writing it failed; is the disk, a quota or"),
        ("SQLITE_READONLY_DBMOVED", "the file may not be written to"),
        ("SQLITE_CANTOPEN_ISDIR", "the file, or its folder, cannot be opened"),
        ("SQLITE_TOOBIG", "the words of SQLite"),
    ],
)
def test_errors_in_words(tmp_path: Path, name: str, words: str) -> None:
    error = sqlite3.OperationalError("the words of SQLite")
    error.sqlite_errorname = name
    with pytest.raises(ProfileError) as caught, profile_errors(tmp_path / "x"):
        raise error
    (found,) = caught.value.diagnostics
    assert found.message.startswith(f"cannot use the profile database: {words}")


def test_a_file_that_another_process_keeps_locked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plait.backends.profiling.database._PATIENCE_S", 0.01)
    with ProfileDatabase(path) as one, ProfileDatabase(path) as two, one.connection() as raw:
        raw.execute("BEGIN IMMEDIATE")
        with pytest.raises(ProfileError, match="another process keeps it locked"):
            two.add(JOB, HERE, OK)
        raw.execute("ROLLBACK")
        two.add(JOB, HERE, OK)


# --- where and what ---


def test_default_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PLAIT_PROFILE_DB", str(tmp_path / "a.sqlite"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert default_path() == tmp_path / "a.sqlite"
    monkeypatch.delenv("PLAIT_PROFILE_DB")
    assert default_path() == tmp_path / "cache" / "plait" / "profile.sqlite"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_path() == Path.home() / ".cache" / "plait" / "profile.sqlite"


def test_this_machine_names_itself_readably() -> None:
    from plait.kernels_pyx import isa_level

    machine = this_machine()
    assert machine == this_machine() and machine.cores >= 1
    assert machine.device_key(3) == f"cpu-{isa_level()}-{machine.kind[:8]}-t3"
    assert len({machine.kind, machine._replace(isa="other").kind, machine._replace(caches="other").kind}) == 3
    assert machine._replace(host="other").kind == machine.kind
    assert machine._replace(host="other").instance != machine.instance
