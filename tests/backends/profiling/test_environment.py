"""What surrounds measurements, and what spoils them."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import attrs
import pytest

from plait.backends.profiling import environment
from plait.backends.profiling.environment import shared_cores, spoilers, this_environment
from plait.backends.profiling.limits import Limits
from plait.kernels_pyx import available_isas, version_hash

QUIET = attrs.evolve(
    this_environment(),
    cores=4,
    allowed_cores=(0, 1, 2, 3),
    quota=None,
    governor="performance",
    load=0.1,
    huge_pages="madvise",
)


def test_this_environment() -> None:
    here = this_environment()
    assert here.isas == tuple(available_isas()) and here.kernels == version_hash()
    assert set(here.allowed_cores) == os.sched_getaffinity(0)
    assert 0 < here.available_memory <= here.memory
    assert json.loads(json.dumps(here.to_json()))["python"] == here.python


def test_nothing_spoils_a_quiet_machine() -> None:
    assert spoilers(QUIET, 4) == ()


@pytest.mark.parametrize(
    ("change", "threads", "text"),
    [
        ({"load": 3.25}, 1, "the load average is 3.2: other programs take time"),
        ({"governor": "powersave"}, 1, "the frequency governor is 'powersave', not 'performance'"),
        ({"allowed_cores": (1,)}, 2, r"2 threads share 1 allowed cores \(of 4\)"),
        ({"quota": 1.5}, 2, "the control group allows 1.5 cores' worth of time for 2 threads"),
        ({"huge_pages": "never"}, 1, "huge pages are off"),
    ],
)
def test_what_spoils_measurements(change: dict[str, object], threads: int, text: str) -> None:
    (found,) = spoilers(attrs.evolve(QUIET, **change), threads)  # type: ignore[arg-type]
    assert re.match(text, found)


def test_what_is_unknown_spoils_nothing() -> None:
    assert spoilers(attrs.evolve(QUIET, governor="", huge_pages=""), 4) == ()


@pytest.mark.parametrize("field", ["kernels", "governor", "huge_pages"])
def test_times_of_another_fingerprint_are_stale(field: str) -> None:
    assert attrs.evolve(QUIET, **{field: "other"}).fingerprint != QUIET.fingerprint  # type: ignore[arg-type]
    assert attrs.evolve(QUIET, load=7.0, allowed_cores=(1,)).fingerprint == QUIET.fingerprint


def test_cores_that_are_shared() -> None:
    one, two = (Limits(n, "avx2", {"avx2": x}, (), 3.0, 0.0, "", "") for n, x in ((1, 100.0), (2, 130.0)))
    assert shared_cores((one, two)) == ("2 threads reach 1.30 times the peak of one: cores are shared",)
    assert shared_cores((one, attrs.evolve(two, gflops={"avx2": 190.0}))) == ()
    assert shared_cores((two,)) == ()


@pytest.mark.parametrize(("text", "cores"), [("max 100000", None), ("150000 100000", 1.5), ("", None), ("x y", None)])
def test_quota(text: str, cores: float | None) -> None:
    assert environment._quota(text) == cores


@pytest.mark.parametrize(("text", "choice"), [("always [madvise] never", "madvise"), ("", "")])
def test_the_choice_in_brackets(text: str, choice: str) -> None:
    assert environment._chosen(text) == choice


def test_files_that_are_not_there(tmp_path: Path) -> None:
    assert environment._read(tmp_path / "none") == ""
    assert environment.memory("NoSuchField") == 0
