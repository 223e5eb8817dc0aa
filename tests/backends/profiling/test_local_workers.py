"""Workers of this machine: cores are given out once."""

from __future__ import annotations

from pathlib import Path

import pytest

from plait.backends.errors import WorkerError
from plait.backends.profiling.local_workers import local_commands, physical_cores


def given(jobs: int, threads: int, cores: range) -> list[str]:
    return [command[command.index("--cores") + 1] for command in local_commands(jobs, threads, cores)]


@pytest.fixture
def separate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is known of hardware threads."""
    monkeypatch.setattr("plait.backends.profiling.local_workers._siblings", lambda core, topology: str(core))


@pytest.mark.usefixtures("separate")
def test_no_two_jobs_share_a_core() -> None:
    assert given(3, 1, range(4)) == ["0", "1", "2"]
    assert given(2, 2, range(2, 7)) == ["2,3", "4,5"]
    assert given(0, 4, range(2)) == []


@pytest.mark.usefixtures("separate")
@pytest.mark.parametrize("jobs, threads", [(5, 1), (3, 2), (1, 5)])
def test_jobs_that_would_have_to_share_are_refused(jobs: int, threads: int) -> None:
    with pytest.raises(WorkerError, match=rf"P510.*need {jobs * threads} cores, there are 4"):
        local_commands(jobs, threads, range(4))


@pytest.mark.parametrize("name", ["core_cpus_list", "thread_siblings_list"])
def test_hardware_threads_of_a_core_are_one(tmp_path: Path, name: str) -> None:
    for core in range(6):
        folder = tmp_path / f"cpu{core}" / "topology"
        folder.mkdir(parents=True)
        (folder / name).write_text(f"{core % 3},{core % 3 + 3}\n")
    assert physical_cores(range(6), tmp_path) == [0, 1, 2]
    assert physical_cores([1, 4, 5], tmp_path) == [1, 5]


def test_cores_that_nothing_is_known_of_count_each(tmp_path: Path) -> None:
    assert physical_cores([3, 1], tmp_path) == [1, 3]
