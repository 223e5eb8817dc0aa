"""The union of databases, and removing what nobody needs."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

import attrs
import pytest

from plait.backends.profiling import database as database_module
from plait.backends.profiling.database import ProfileDatabase, ProfileError
from plait.backends.profiling.job import Result
from plait.backends.profiling.merge import merge
from plait.backends.profiling.prune import Unneeded, prune
from plait.backends.profiling.session import Reference

NOTHING = {"machine": 0, "session": 0, "reference": 0, "limits": 0, "profile": 0}


def contents(path: Path) -> tuple[Any, ...]:
    """All that is in a file."""
    with ProfileDatabase(path) as database:
        return list(database.rows()), database.machines(), database.sessions()


@pytest.fixture
def two(tmp_path: Path, facts: Any) -> tuple[Path, Path]:
    """Files of two machines, with one session each."""
    paths = (tmp_path / "a.sqlite", tmp_path / "b.sqlite")
    for path, machine in zip(paths, (facts.here, facts.sibling), strict=True):
        with ProfileDatabase(path) as database:
            session = database.begin(machine, facts.session(f"on {machine.host}", machine=machine))
            database.add_reference(session, Reference(1.0, 2.0))
            database.add_limits(machine, 1, "{}")
            database.add(facts.job, machine, facts.ok)
            database.add(facts.job, machine, Result("crashed", (), machine.host, 0.5))
    return paths


def test_union(two: tuple[Path, Path], path: Path) -> None:
    with ProfileDatabase(path) as into:
        for source in two:
            added = merge(into, source)
            assert added == {"machine": 1, "session": 1, "reference": 1, "limits": 1, "profile": 2}
    rows, machines, sessions = contents(path)
    parts = [contents(source) for source in two]
    assert sorted(rows, key=str) == sorted(parts[0][0] + parts[1][0], key=str)
    assert machines == parts[0][1] | parts[1][1]
    assert sorted(sessions, key=str) == sorted(parts[0][2] + parts[1][2], key=str)


def test_a_second_time_adds_nothing(two: tuple[Path, Path]) -> None:
    with ProfileDatabase(two[0]) as into:
        merge(into, two[1])
        before = contents(two[0])
        assert merge(into, two[1]) == merge(into, two[0]) == NOTHING
    assert contents(two[0]) == before
    with ProfileDatabase(two[1]) as into:
        assert merge(into, two[0]) == {"machine": 1, "session": 1, "reference": 1, "limits": 1, "profile": 2}
        assert merge(into, two[0]) == NOTHING


def test_the_order_of_merging_does_not_matter(two: tuple[Path, Path], version_1: Path, tmp_path: Path) -> None:
    found = []
    for number, order in enumerate(itertools.permutations((*two, version_1))):
        with ProfileDatabase(tmp_path / f"{number}.sqlite") as into:
            for source in order:
                merge(into, source)
        found.append(contents(tmp_path / f"{number}.sqlite"))
    assert all(one == found[0] for one in found)


def test_the_newest_is_the_newest_after_merging(
    path: Path, tmp_path: Path, facts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, stamp in (("new", 2e9), ("old", 1e9)):
        monkeypatch.setattr(database_module.time, "time", lambda stamp=stamp: stamp)
        with ProfileDatabase(tmp_path / name) as database:
            database.add(facts.job, facts.here, Result("ok", (int(stamp),)))
    with ProfileDatabase(path) as into:
        merge(into, tmp_path / "new")
        merge(into, tmp_path / "old")
        assert into.find(facts.job, facts.here) == Result("ok", (int(2e9),))


def test_the_source_is_left_as_it_is(version_1: Path, path: Path) -> None:
    before = version_1.read_bytes()
    with ProfileDatabase(path) as into:
        assert merge(into, version_1)["profile"] == 4
        assert merge(into, version_1) == NOTHING
    assert version_1.read_bytes() == before


def test_a_copy_that_was_brought_up_to_date_adds_nothing(version_1: Path, path: Path) -> None:
    with ProfileDatabase(path) as into:
        merge(into, version_1)
        ProfileDatabase(version_1).close()
        assert merge(into, version_1) == NOTHING


def test_a_source_that_is_being_written_to(two: tuple[Path, Path], path: Path, facts: Any) -> None:
    with ProfileDatabase(path) as into, ProfileDatabase(two[0]) as writer:
        merge(into, two[0])
        writer.add(facts.job, facts.here, facts.ok)
        assert merge(into, two[0]) == {**NOTHING, "profile": 1}


@pytest.mark.parametrize(("table", "column"), [("machine", "model"), ("session", "kernels")])
def test_what_has_one_name_and_two_meanings(two: tuple[Path, Path], table: str, column: str, tmp_path: Path) -> None:
    other = tmp_path / "other.sqlite"
    other.write_bytes(two[0].read_bytes())
    with ProfileDatabase(other) as database, database.connection() as db:
        db.execute(f"UPDATE {table} SET {column} = 'forged'")
        db.execute("UPDATE profile SET message = 'new'")
    before = contents(two[0])
    with ProfileDatabase(two[0]) as into, pytest.raises(ProfileError) as caught:
        merge(into, other)
    (found,) = caught.value.diagnostics
    assert (found.code, found.where, found.hint) == ("P501", str(other), "nothing was merged")
    assert f"has another {column} here: 'forged', not " in found.message
    assert contents(two[0]) == before


def test_sources_that_are_none(path: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"no database" * 100)
    newer = tmp_path / "newer.sqlite"
    with ProfileDatabase(newer) as database, database.connection() as db:
        db.execute("PRAGMA user_version = 9")
    with ProfileDatabase(path) as into:
        for source, message in (
            (tmp_path / "text", "not a database"),
            (tmp_path / "missing", "cannot be opened"),
            (newer, "has version 9"),
        ):
            with pytest.raises(ProfileError, match=message) as caught:
                merge(into, source)
            assert caught.value.diagnostics[0].where == str(source)
        assert into.count() == 0
    assert not (tmp_path / "missing").exists()


# --- removing ---


@pytest.fixture
def mixed(path: Path, facts: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six measurements: see `add`."""
    now = time.time()

    def add(age_days: float, result: Result, **change: Any) -> None:
        monkeypatch.setattr(database_module.time, "time", lambda: now - age_days * 86400)
        machine = change.pop("machine", facts.here)
        session = attrs.evolve(facts.session(f"{result.samples}", machine=machine), started=now - age_days * 86400)
        database.add(attrs.evolve(facts.job, **change), machine, result, session=session)

    with ProfileDatabase(path) as database:
        add(30, Result("ok", (1,)))
        add(20, Result("ok", (2,)))
        add(0, Result("crashed", ()), threads=2)
        add(0, Result("ok", (3,)), version="0-abc")
        add(0, Result("ok", (4,)), routine="cpu/f32/nchw/plugin[x]")
        add(40, Result("ok", (5,)), machine=facts.sibling)
        database.add_limits(facts.sibling, 1, "{}")
    monkeypatch.undo()
    return path


def kept(path: Path) -> list[tuple[int, ...]]:
    with ProfileDatabase(path) as database:
        return sorted(r.samples for r in database.rows())


EVERYTHING: list[tuple[int, ...]] = [(), (1,), (2,), (3,), (4,), (5,)]
CASES = [
    ({"older_than_days": 25}, {"old": 2}, {(1,), (5,)}),
    ({"superseded": True}, {"superseded": 1}, {(1,)}),
    ({"failed": True}, {"failed": 1}, {()}),
    ({"versions": {"cpu/f32/nchw/vector": "1-abc"}}, {"other versions": 1}, {(3,)}),
    ({"older_than_days": 25, "superseded": True}, {"old": 2, "superseded": 1}, {(1,), (5,)}),
    ({}, {}, set()),
]


@pytest.mark.parametrize(("conditions", "counts", "gone"), CASES)
def test_what_is_removed(mixed: Path, conditions: Any, counts: dict[str, int], gone: set[tuple[int, ...]]) -> None:
    wanted = {**counts, "measurements": len(gone)}
    with ProfileDatabase(mixed) as database:
        assert prune(database, Unneeded(**conditions), dry_run=True) == wanted
        assert kept(mixed) == EVERYTHING
        assert prune(database, Unneeded(**conditions)) == wanted
        assert kept(mixed) == [x for x in EVERYTHING if x not in gone]
        assert prune(database, Unneeded(**conditions))["measurements"] == 0


def test_what_only_removed_measurements_used_goes_with_them(mixed: Path, facts: Any) -> None:
    with ProfileDatabase(mixed) as database:
        fresh = database.begin(facts.here)
        assert prune(database, Unneeded(machine=facts.here.instance))["other machines"] == 1
        assert database.machines() == {facts.here.instance: facts.here}
        assert database.find_limits(facts.sibling, 1) is None
        prune(database, Unneeded(older_than_days=10))
        assert [s.session.id for s in database.sessions()] == ["()", "(3,)", "(4,)", fresh.id]


def test_the_file_gets_smaller(path: Path, facts: Any) -> None:
    with ProfileDatabase(path) as database:
        for number in range(200):
            database.add(facts.job, facts.here, Result("ok", (number,) * 40))
        with database.connection() as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        before = path.stat().st_size
        prune(database, Unneeded(superseded=True))
        assert path.stat().st_size < before / 2
        assert database.find(facts.job, facts.here) == Result("ok", (199,) * 40)
