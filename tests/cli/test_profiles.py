"""`plait profile`."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from plait.backends.profiling.database import ProfileDatabase
from plait.backends.profiling.job import Job, Result
from plait.backends.profiling.machine import Machine, this_machine
from plait.backends.profiling.session import COPY, GEMM, Reference, Session

Plait = Callable[..., Any]
RELU = Job("relu(x f32[3]) : f32[3]", "cpu/f32/nchw/vector", "1-abc", 1, "")
CONV = attrs.evolve(RELU, signature="conv2d(x f32[1x3x8x8])", routine="cpu/f32/nchw16c/direct[tile=0x1]", threads=2)
BOARD = Machine("model", "avx2", 4, "L1=32K", "board", "Linux 6")


@pytest.fixture
def db() -> Path:
    """A database of three entries, the first measured in two sessions."""
    path = Path(os.environ["PLAIT_PROFILE_DB"])
    here = this_machine()
    with ProfileDatabase(path) as database:
        for name, gemm in (("5e55a", 100.0), ("5e55b", 100.0), ("5e55c", 130.0)):
            session = Session(name, here.instance, time.time(), "0.2.0", "k", "e", "", 0.0)
            database.begin(here, session)
            database.add_reference(session, Reference(gemm, 50.0))
            if name != "5e55b":
                database.add(RELU, here, Result("ok", (1000, 3000, 2000)))
        database.add(attrs.evolve(RELU, state="cold"), here, Result("crashed", (), "SIGSEGV"))
        database.add(CONV, BOARD, Result("ok", (9000,) * 5, error=0.25))
    return path


def listed(plait: Plait, *options: Any) -> list[str]:
    outcome = plait("profile", "ls", "--json", *options)
    assert outcome.code == 0, outcome.err
    return [f"{e['op']} {e['state']}" for e in json.loads(outcome.out)["entries"]]


def name_of(plait: Plait, *options: Any) -> str:
    (entry,) = json.loads(plait("profile", "ls", "--json", *options).out)["entries"]
    return str(entry["entry"])


# --- ls ---


def test_ls(plait: Plait, db: Path) -> None:
    lines = plait("profile", "ls").out.splitlines()
    assert lines[1].split()[:2] == [str(db), "4"]
    assert [line.split()[1] for line in lines[4:]] == [CONV.routine, RELU.routine, RELU.routine]
    assert lines[4].split()[2:9] == ["2", "streamed", "board", "ok", "1", "9.00", "0.0%"]
    assert lines[6].split()[2:4] == ["1", "streamed"] and lines[6].split()[6:9] == ["2", "2.00", "50.0%"]


def test_ls_as_json(plait: Plait, db: Path) -> None:
    data = json.loads(plait("profile", "ls", "--json", "--state", "streamed", "--op", "relu").out)
    assert (data["schema"], data["file"], data["measurements"]) == ("profile/2", str(db), 4)
    (entry,) = data["entries"]
    assert (entry["signature"], entry["measurements"], entry["samples"]) == (RELU.signature, 2, 3)
    assert (entry["median_us"], entry["spread_us"], entry["machine"]) == (2.0, 1.0, this_machine().instance)


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--op", "conv2d"], ["conv2d streamed"]),
        (["--op", "conv2d", "--op", "relu", "--status", "ok"], ["conv2d streamed", "relu streamed"]),
        (["--routine", "cpu/f32/nchw16c"], ["conv2d streamed"]),
        (["--routine", "*/vector", "--state", "cold"], ["relu cold"]),
        (["--machine", "here"], ["relu cold", "relu streamed"]),
        (["--machine", "board"], ["conv2d streamed"]),
        (["--machine", BOARD.instance[:5]], ["conv2d streamed"]),
        (["--threads", 2], ["conv2d streamed"]),
        (["--status", "crashed"], ["relu cold"]),
        (["--session", "5e55a"], ["relu streamed"]),
        (["--session", "nothing"], []),
        (["--sort", "median"], ["conv2d streamed", "relu streamed", "relu cold"]),
        (["--sort", "newest"], ["conv2d streamed", "relu cold", "relu streamed"]),
        (["--sort", "spread"], ["relu streamed", "conv2d streamed", "relu cold"]),
        (["--sort", "count"], ["relu streamed", "conv2d streamed", "relu cold"]),
    ],
)
def test_choice_and_order(plait: Plait, db: Path, options: list[Any], found: list[str]) -> None:
    assert listed(plait, *options) == found


def test_ls_of_a_model(plait: Plait, package: Path, tiny: Path) -> None:
    with ProfileDatabase() as database:
        database.add(RELU, this_machine(), Result("ok", (1,)))
    everything, of_model, of_package = (
        set(listed(plait, *options)) for options in ([], ["--model", tiny], ["--model", package])
    )
    assert "relu streamed" in everything
    # The two layers of the model are one after the default passes.
    assert of_model == {"conv2d streamed"} and of_model <= of_package < everything


def test_ls_is_short(plait: Plait, db: Path) -> None:
    assert "... and 2 more (--all shows them)" in plait("profile", "ls", "--limit", 1).out
    assert "more" not in plait("profile", "ls", "--limit", 1, "--all").out
    long = attrs.evolve(RELU, signature=f"relu({'x' * 100})")
    with ProfileDatabase() as database:
        database.add(long, this_machine(), Result("ok", (1,)))
    assert long.signature not in plait("profile", "ls").out
    assert long.signature in plait("profile", "ls", "--all").out


def test_a_pattern_that_is_malformed(plait: Plait, db: Path) -> None:
    outcome = plait("profile", "ls", "--routine", "cpu/@")
    assert outcome.code != 0 and "P404" in outcome.err


# --- show ---


def test_show(plait: Plait, db: Path) -> None:
    name = name_of(plait, "--state", "streamed", "--op", "relu")
    out = plait("profile", "show", name).out
    assert RELU.signature in out and this_machine().host in out
    lines = [line.split() for line in out.splitlines() if " ok " in line]
    assert [line[2:8] for line in lines] == [
        ["ok", "3", "1.00", "2.00", "1.00", "5e55a"],
        ["ok", "3", "1.00", "2.00", "1.00", "5e55c"],
    ]
    assert [line[8] for line in lines] == ["+0.0%", "+30.0%"]
    bars = [line.split() for line in out.partition("from us")[2].splitlines()[1:]]
    assert sum(int(bar[1]) for bar in bars) == 3 and bars[0] == ["1.00", "1", "█" * 40]
    assert plait("profile", "show", name[:5]).out == out


def test_show_of_a_failure_has_no_histogram(plait: Plait, db: Path) -> None:
    out = plait("profile", "show", name_of(plait, "--status", "crashed")).out
    assert "SIGSEGV" in out and "from us" not in out


def test_show_tells_errors(plait: Plait, db: Path) -> None:
    assert "error 2.50e-01" in plait("profile", "show", name_of(plait, "--op", "conv2d")).out


def test_show_as_json(plait: Plait, db: Path) -> None:
    data = json.loads(plait("profile", "show", name_of(plait, "--state", "streamed", "--op", "relu"), "--json").out)
    assert data["schema"] == "profile-entry/1" and data["machine"]["host"] == this_machine().host
    assert [m["samples"] for m in data["measurements"]] == [[1000, 3000, 2000]] * 2
    assert [(s["id"], round(s["slowdown"], 3)) for s in data["sessions"]] == [("5e55a", 1.0), ("5e55c", 1.3)]


def test_names_of_no_one_entry(plait: Plait, db: Path) -> None:
    outcome = plait("profile", "show", "")
    assert outcome.code == 2 and "3 entries begin so: " in outcome.err
    outcome = plait("profile", "show", "xyz")
    assert outcome.code == 2 and "`plait profile ls` lists them" in outcome.err


# --- failures are tried again on request ---


def test_retry_failed(plait: Plait, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def broken(self: object, job: Job, *_: object) -> Result:
        if job.signature in (GEMM.signature, COPY.signature):
            return Result("ok", (1000,) * 10)
        asked.append(job.routine)
        ns = 10**6 if "reference" in job.routine else 1000
        return Result("crashed", (), "SIGSEGV") if "/gemm" in job.routine else Result("ok", (ns,) * 10)

    def tune(*options: str) -> set[str]:
        asked.clear()
        outcome = plait("tune", tiny, "-o", "t.plait", "--exhaustive", *options)
        assert outcome.code == 0, outcome.err
        return set(asked)

    monkeypatch.setattr("plait.backends.profiling.worker_client.WorkerProcess.run", broken)
    failed = {routine for routine in tune() if "/gemm" in routine}
    assert failed and tune() == set()
    assert tune("--retry-failed") == failed


# --- merge, export, import ---


def test_merge(plait: Plait, db: Path, workplace: Path) -> None:
    shutil.copy(db, workplace / "a.sqlite")
    with ProfileDatabase(workplace / "b.sqlite") as database:
        database.add(RELU, BOARD, Result("ok", (5,)))
    outcome = plait("profile", "merge", "a.sqlite", "b.sqlite", "-o", "c.sqlite")
    assert outcome.code == 0, outcome.err
    assert [line.split() for line in outcome.out.splitlines()[1:]] == [
        ["a.sqlite", "4", "3", "2"],
        ["b.sqlite", "1", "0", "0"],
    ]
    assert sorted(p.name for p in workplace.iterdir()) == ["a.sqlite", "b.sqlite", "c.sqlite"]
    again = plait("profile", "merge", "c.sqlite", "--json")
    assert json.loads(again.out)["added"]["c.sqlite"]["profile"] == 1
    assert json.loads(plait("profile", "ls", "--json").out)["measurements"] == 5


def test_merge_makes_nothing_of_a_source_that_is_none(plait: Plait, db: Path, workplace: Path) -> None:
    (workplace / "x.sqlite").write_bytes(b"no database" * 100)
    outcome = plait("profile", "merge", db, "x.sqlite", "-o", "c.sqlite")
    assert outcome.code == 1 and outcome.err.startswith("x.sqlite: error[P501]: ")
    assert [p.name for p in workplace.iterdir()] == ["x.sqlite"]


def test_merge_overwrites_nothing(plait: Plait, db: Path, workplace: Path) -> None:
    outcome = plait("profile", "merge", db, "-o", db)
    assert outcome.code == 2 and f"to add to it, use --db {db}" in outcome.err.replace("\n", " ")
    assert plait("profile", "merge", db, "-o", "new.sqlite", "--db", db).code == 2
    assert plait("profile", "merge").code == 2


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl", "x.parquet"])
def test_export_and_import(plait: Plait, db: Path, name: str) -> None:
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow")
    outcome = plait("profile", "export", name, "--op", "relu")
    assert (outcome.code, outcome.out, outcome.err) == (0, "", f"wrote {name}: 3 measurements\n")
    outcome = plait("profile", "import", name, name, "--db", "copy.sqlite", "--json")
    data = json.loads(outcome.out)
    assert (data["schema"], data["file"]) == ("profile-merge/1", "copy.sqlite")
    assert data["added"][name]["profile"] == 0  # the second time
    assert listed(plait, "--db", "copy.sqlite") == ["relu cold", "relu streamed"]


def test_files_that_cannot_be_written_or_read(plait: Plait, db: Path, workplace: Path) -> None:
    outcome = plait("profile", "export", "x.txt")
    assert outcome.code == 1 and "x.txt: error[P502]: the name ends in none of" in outcome.err
    assert plait("profile", "export", "missing/x.csv").code == 1
    (workplace / "x.csv").write_text("a,b\n")
    outcome = plait("profile", "import", "x.csv")
    assert outcome.code == 1 and "x.csv: error[P502]: this is no file of measurements" in outcome.err
    assert plait("profile", "import", "missing.csv").code == 2


# --- prune ---


@pytest.mark.parametrize(
    ("options", "gone"),
    [
        (["--superseded"], 1),
        (["--failed"], 1),
        (["--other-machines"], 1),
        (["--other-versions"], 4),
        (["--older-than", 1], 0),
        (["--superseded", "--failed"], 2),
    ],
)
def test_prune(plait: Plait, db: Path, options: list[Any], gone: int) -> None:
    dry = plait("profile", "prune", *options, "--dry-run")
    assert dry.out.splitlines()[-1].split() == ["any", str(gone), "of", "4"] and "nothing was removed" in dry.err
    assert json.loads(plait("profile", "ls", "--json").out)["measurements"] == 4
    data = json.loads(plait("profile", "prune", *options, "--json").out)
    assert (data["measurements"], data["of"], data["dry_run"]) == (gone, 4, False)
    assert json.loads(plait("profile", "ls", "--json").out)["measurements"] == 4 - gone


def test_installed_versions_stay(plait: Plait, package: Path) -> None:
    assert json.loads(plait("profile", "prune", "--other-versions", "--json").out)["measurements"] == 0


def test_prune_wants_a_condition(plait: Plait, db: Path) -> None:
    outcome = plait("profile", "prune")
    assert outcome.code == 2 and "give a condition" in outcome.err


@pytest.mark.parametrize("words", [["show", "x"], ["export", "x.csv"], ["prune", "--failed"]])
def test_without_a_database(plait: Plait, words: list[str]) -> None:
    outcome = plait("profile", *words, "--db", "none.sqlite")
    assert outcome.code == 1 and "none.sqlite: error[P501]: there is no profile database yet" in outcome.err
    assert not Path("none.sqlite").exists()
