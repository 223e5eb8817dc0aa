"""Files of measurements: what is written is read back without loss, and what is damaged is refused whole."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest

from plait.backends.profiling.database import ProfileDatabase, ProfileError
from plait.backends.profiling.exchange import FORMATS, export_file, import_file
from plait.backends.profiling.job import Result
from plait.backends.profiling.rows import Wanted
from plait.backends.profiling.session import Reference


@pytest.fixture
def full(path: Path, facts: Any) -> Path:
    """A database with something in every table, and awkward texts."""
    with ProfileDatabase(path) as database:
        session = database.begin(facts.here, facts.session())
        database.add_reference(session, Reference(0.1, 1 / 3))
        database.add(facts.job, facts.here, Result("ok", (2**62, 0, -1), error=1e-300))
        database.add(facts.job, facts.sibling, Result("failed", (), 'a "quoted"\r\n, line\t; ü ∑ \x00 end'))
        strange = attrs.evolve(facts.job, signature="", state="cold", threads=64)
        database.add(strange, facts.here, Result("ok", ()))
        database.add_limits(facts.here, 2, json.dumps({"a": 'b\n,"'}))
    return path


def dump(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All tables without numbers of rows."""
    from plait.backends.profiling.schema import COLUMNS

    with ProfileDatabase(path) as database, database.connection() as db:
        return {t: sorted(db.execute(f"SELECT {', '.join(c)} FROM {t}"), key=str) for t, c in COLUMNS.items()}


@pytest.fixture(params=list(FORMATS))
def ending(request: pytest.FixtureRequest) -> str:
    if request.param == ".parquet":
        pytest.importorskip("pyarrow")
    return str(request.param)


def test_round_trip(full: Path, tmp_path: Path, ending: str) -> None:
    file, copy = tmp_path / f"x{ending}", tmp_path / "copy.sqlite"
    with ProfileDatabase(full) as database:
        assert export_file(database, file) == 3
    with ProfileDatabase(copy) as database:
        added = import_file(database, file)
        assert added == {"machine": 2, "session": 1, "reference": 1, "limits": 1, "profile": 3}
        assert not any(import_file(database, file).values())
    assert dump(copy) == dump(full)
    with ProfileDatabase(copy) as database:
        export_file(database, tmp_path / f"y{ending}")
    if ending != ".parquet":
        assert file.read_bytes() == (tmp_path / f"y{ending}").read_bytes()


def test_an_empty_database(path: Path, tmp_path: Path, ending: str) -> None:
    with ProfileDatabase(path) as database:
        assert export_file(database, tmp_path / f"x{ending}") == 0
        assert not any(import_file(database, tmp_path / f"x{ending}").values())


def test_a_choice(full: Path, tmp_path: Path, ending: str, facts: Any) -> None:
    with ProfileDatabase(full) as database:
        assert export_file(database, tmp_path / f"x{ending}", Wanted(status="failed")) == 1
    with ProfileDatabase(tmp_path / "copy.sqlite") as database:
        import_file(database, tmp_path / f"x{ending}")
        assert [r.machine for r in database.rows()] == [facts.sibling.instance]


def test_parquet_is_read_by_others(full: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    with ProfileDatabase(full) as database:
        export_file(database, tmp_path / "x.parquet")
    table = parquet.read_table(tmp_path / "x.parquet")
    assert table.num_rows == 3 and [2**62, 0, -1] in table.column("samples").to_pylist()


def refused(path: Path, file: Path) -> str:
    """The message of an import that adds nothing."""
    with ProfileDatabase(path) as database:
        before = database.count()
        with pytest.raises(ProfileError) as caught:
            import_file(database, file)
        assert database.count() == before
    (found,) = caught.value.diagnostics
    assert found.code == "P502" and found.where.startswith(str(file))
    return found.where.removeprefix(str(file)) + " " + found.message


def test_endings(full: Path, tmp_path: Path) -> None:
    assert "ends in none of .parquet, .csv, .jsonl" in refused(full, tmp_path / "x.txt")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\n", b"{}\n", b"[[[", b"PAR1" + b"\0" * 100, b"record,a\n"])
def test_files_of_another_kind(full: Path, tmp_path: Path, ending: str, content: bytes) -> None:
    (tmp_path / f"x{ending}").write_bytes(content)
    assert "this is no file of measurements: " in refused(full, tmp_path / f"x{ending}")


def test_a_parquet_file_of_something_else(full: Path, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pa.table({"a": [1]}), tmp_path / "x.parquet")
    assert "a Parquet file, but not one of measurements" in refused(full, tmp_path / "x.parquet")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"samples": None}, "samples is not a list of integers"),
        ({"samples": [1.5]}, "samples is not a list of integers"),
        ({"samples": [2**64]}, "a sample has more than 64 bits"),
        ({"threads": "1"}, "threads is '1', which is not of its type"),
        ({"threads": True}, "threads is True"),
        ({"threads": 2**70}, "too large"),
        ({"error": "x"}, "error is 'x'"),
        ({"status": None}, "status is None"),
        ({"record": "song"}, "'song' is no kind of record"),
        ({"record": 3}, "the line is not an object with a field 'record'"),
    ],
)
def test_fields_of_the_wrong_type(full: Path, tmp_path: Path, change: dict[str, Any], message: str) -> None:
    file = tmp_path / "x.jsonl"
    with ProfileDatabase(full) as database:
        export_file(database, file)
    *before, last = file.read_text().splitlines()
    file.write_text("\n".join([*before, json.dumps(json.loads(last) | change)]))
    assert message in refused(full, file)


def test_a_line_that_is_cut_is_named(full: Path, tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    with ProfileDatabase(full) as database:
        export_file(database, file)
    lines = file.read_text().splitlines()
    del (fields := json.loads(lines[-1]))["version"]
    file.write_text("\n".join([*lines[:-1], json.dumps(fields)]))
    assert (
        refused(full, file)
        == f":{len(lines)} this is no file of measurements: a record of kind profile lacks 'version'"
    )


def test_a_machine_that_is_not_described(full: Path, tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    with ProfileDatabase(full) as database:
        export_file(database, file)
    file.write_text("\n".join(x for x in file.read_text().splitlines() if '"record": "machine"' not in x))
    assert "is not described" in refused(full, file)


def test_a_file_that_is_not_there(full: Path, tmp_path: Path, ending: str) -> None:
    with ProfileDatabase(full) as database, pytest.raises(FileNotFoundError, match=f"x{ending}"):
        import_file(database, tmp_path / f"x{ending}")


def test_a_machine_that_is_another_here(full: Path, tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    with ProfileDatabase(full) as database:
        export_file(database, file)
        file.write_text(file.read_text().replace('"model": "model"', '"model": "forged"'))
        with pytest.raises(ProfileError, match=r"has another model here: 'forged', not 'model'") as caught:
            import_file(database, file)
    assert caught.value.diagnostics[0].where == str(file)


def test_without_pyarrow(full: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with ProfileDatabase(full) as database, pytest.raises(ProfileError, match=r"pip install 'plait\[profile\]'"):
        export_file(database, tmp_path / "x.parquet")
    assert not (tmp_path / "x.parquet").exists()


def test_a_failed_export_leaves_what_was_there(full: Path, tmp_path: Path, ending: str) -> None:
    (tmp_path / f"x{ending}").write_text("before")

    def fail(path: str) -> bool:
        raise KeyError("stop")

    with ProfileDatabase(full) as database, pytest.raises(KeyError):
        export_file(database, tmp_path / f"x{ending}", Wanted(routine=fail))
    assert (tmp_path / f"x{ending}").read_text() == "before"
