"""The fuzzing harnesses run, find what is planted, and repeat a run; `make fuzz` runs them for longer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).parents[1] / "fuzz"
HARNESSES = sorted(p.stem for p in FUZZ.glob("fuzz_*.py"))
PLANTED = """
import sys
from pathlib import Path
sys.path.insert(0, {folder!r})
import engine

engine.OUTPUT = Path({output!r})

def target(text):
    if "]]" in text:
        raise KeyError("planted")

sys.argv = ["planted", *{arguments!r}]
engine.fuzz("planted", target, ["[1] [2]"], ["a", "b"])
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True)


def plant(output: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run("-c", PLANTED.format(folder=str(FUZZ), output=str(output), arguments=list(arguments)))


@pytest.mark.parametrize("name", HARNESSES)
def test_harness_finds_nothing(name: str) -> None:
    done = run(str(FUZZ / f"{name}.py"), "-engine=mutation", "-runs=300", "-seed=7")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "engine random mutation" in done.stdout and "300 inputs, no finding" in done.stdout


def test_there_are_harnesses() -> None:
    assert {"fuzz_generic", "fuzz_parser", "fuzz_pattern", "fuzz_pipeline"} <= set(HARNESSES)


def test_mutation_finds_what_is_planted_and_repeats_it(tmp_path: Path) -> None:
    done = plant(tmp_path, "-engine=mutation", "-runs=2000")
    assert done.returncode == 1 and "KeyError: 'planted'" in done.stderr, done.stdout + done.stderr
    (found,) = (tmp_path / "planted").iterdir()
    assert "]]" in found.read_text() and str(found) in done.stdout
    assert plant(tmp_path, "-engine=mutation", "-runs=2000").stdout == done.stdout
    again = plant(tmp_path, str(found))
    assert again.returncode == 1 and "KeyError: 'planted'" in again.stderr


def test_atheris_finds_what_is_planted(tmp_path: Path) -> None:
    pytest.importorskip("atheris")
    done = plant(tmp_path, "-runs=5000")
    assert done.returncode != 0 and "planted: engine atheris" in done.stdout
    assert "KeyError: 'planted'" in done.stdout + done.stderr
    assert [p for p in (tmp_path / "planted").glob("crash-*") if "]]" in p.read_text()]
