"""Makes `benchmarks` importable, which is not installed, and runs benchmarks as their users do."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., "subprocess.CompletedProcess[str]"]

# Other distributions have a package of this name. Once imported, ours stays.
sys.path.insert(0, str(ROOT))
importlib.import_module("benchmarks")
sys.path.remove(str(ROOT))


@pytest.fixture
def run_benchmark(tmp_path: Path) -> Run:
    """`python benchmarks/NAME ARGUMENTS` in a folder with a profile database of its own; it has to succeed."""

    def run(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, ROOT / "benchmarks" / name, *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, "PLAIT_PROFILE_DB": str(tmp_path / "profile.sqlite")},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done

    return run
