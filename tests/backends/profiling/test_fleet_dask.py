"""Workers on Dask clusters, with resource labels. Without the extra `fleet` there is nothing to test."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

distributed = pytest.importorskip("distributed")

from plait.backends.profiling.database import ProfileDatabase  # noqa: E402
from plait.backends.profiling.fleet import FleetProfiler  # noqa: E402
from plait.backends.profiling.fleet_workers import ExecutorWorker  # noqa: E402
from plait.backends.profiling.job import Job, Result  # noqa: E402
from plait.backends.profiling.machine import Machine  # noqa: E402
from plait.backends.profiling.worker_hello import this_hello  # noqa: E402

FAKE = str(Path(__file__).parent / "data" / "fake_worker.py")
JOBS = [Job(f"ok {n}", f"cpu/f32/nchw/{r}", "1", 1, "") for n in (50, 60, 70) for r in "ab"]
pytestmark = pytest.mark.filterwarnings("default")  # what Dask warns of is not ours to mend


def machine(host: str) -> Machine:
    return Machine(f"model {host[0]}", "avx2", 2, "", host, "Linux")


def command(host: str, folder: Path) -> tuple[str, ...]:
    greeting = attrs.evolve(this_hello(), machine=machine(host)).to_json()
    return (sys.executable, "-S", FAKE, json.dumps(greeting), str(folder / "log"))


@contextmanager
def client(workers: dict[str, Any]) -> Iterator[Any]:
    """A client of a cluster with these workers."""
    scheduler = {"cls": distributed.Scheduler, "options": {"dashboard": False, "port": 0}}
    with (
        distributed.SpecCluster(workers=workers, scheduler=scheduler, silence_logs=50) as cluster,
        distributed.Client(cluster) as found,
    ):
        yield found


def test_a_cluster_of_one(tmp_path: Path) -> None:
    options = {"nthreads": 1, "resources": {"board": 1}, "dashboard": False}
    with (
        client({"w": {"cls": distributed.Worker, "options": options}}) as found,
        ProfileDatabase(tmp_path / "p.sqlite") as database,
    ):
        executor = found.get_executor(pure=False, resources={"board": 1})
        with FleetProfiler(database, [ExecutorWorker(executor, command("b1", tmp_path))]) as one:
            results = one.measure(JOBS)
    assert {j: r.samples[0] for j, r in results.items()} == {j: int(j.signature.split()[1]) for j in JOBS}
    # Near ties are measured twice, for real: Dask takes no function of the same arguments for done.
    assert all(len(r.samples) == 2 for r in results.values())


@pytest.mark.slow
def test_labels_and_a_worker_that_is_killed(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    trap.touch()
    lost = Job(f"orphan-once {trap}", "cpu/f32/nchw/a", "1", 1, "")
    workers = {
        name: {"cls": distributed.Nanny, "options": {"nthreads": 1, "resources": {label: 1}, "dashboard": False}}
        for name, label in (("one", "board"), ("two", "board"), ("three", "phone"))
    }
    with client(workers) as found, ProfileDatabase(tmp_path / "p.sqlite") as database:
        found.wait_for_workers(3)
        boards = found.get_executor(pure=False, resources={"board": 1})
        phones = found.get_executor(pure=False, resources={"phone": 1})
        fleet = [ExecutorWorker(boards, command("b1", tmp_path)) for _ in range(2)]
        fleet.append(ExecutorWorker(phones, command("c1", tmp_path)))
        with FleetProfiler(database, fleet, kind=machine("b1").kind) as several:
            results = several.measure_all([*JOBS, lost])
    assert not trap.exists()
    for kind in (machine("b1").kind, machine("c1").kind):
        assert results[kind][lost] == Result("ok", (7,))
        assert all(results[kind][j].ok for j in JOBS)
    assert set(database_rows(tmp_path, "b1")) == set(database_rows(tmp_path, "c1")) == {*JOBS, lost}


def database_rows(folder: Path, host: str) -> dict[Job, Result]:
    with ProfileDatabase(folder / "p.sqlite") as database:
        lost = Job(f"orphan-once {folder / 'trap'}", "cpu/f32/nchw/a", "1", 1, "")
        return database.find_all([*JOBS, lost], machine(host))
