"""A job, a machine and a result that tests of the profile database share."""

from __future__ import annotations

from pathlib import Path

import pytest

from plait.backends.profiling.job import Job, Result
from plait.backends.profiling.machine import Machine
from plait.backends.profiling.session import Session

VERSION_1 = Path(__file__).with_name("data") / "version1.sqlite"


class Facts:
    """Invented, and as in `version1.sqlite`, which the program of the first release made."""

    job = Job("relu(x f32[3]) : f32[3]", "cpu/f32/nchw/vector", "1-abc", 1, "ir 1\n")
    here = Machine("model", "avx2", 4, "L1=32K", "host", "Linux 6")
    ok = Result("ok", (5000, 7000, 6000))

    @property
    def sibling(self) -> Machine:
        """Another machine of the same kind."""
        return self.here._replace(host="other")

    @property
    def stranger(self) -> Machine:
        """A machine of another kind."""
        return self.here._replace(model="another")

    def session(self, name: str = "5e55", *, kernels: str = "k1", machine: Machine | None = None) -> Session:
        return Session(
            name, (machine or self.here).instance, 1e9, "0.2.0", kernels, f"env-{kernels}", "performance", 0.1
        )


@pytest.fixture
def facts() -> Facts:
    return Facts()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a database is to be."""
    return tmp_path / "deep" / "profile.sqlite"


@pytest.fixture
def version_1(tmp_path: Path) -> Path:
    """A copy of the file of version 1."""
    copy = tmp_path / "old.sqlite"
    copy.write_bytes(VERSION_1.read_bytes())
    return copy
