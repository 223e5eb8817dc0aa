"""Who may import whom, and how little the first import costs."""

from __future__ import annotations

import ast
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROW = re.compile(r"\| (?P<who>`\w+/`[^|]*) \|[^|]*\| (?P<may>[^|]+) \|")
KNOWN: set[str] = set()
"""Breaches of the table that are known. The test fails when one is mended and still stands here."""
HEAVY = {"numpy", "onnx", "lark", "click", "attrs"}


def directions() -> dict[str, set[str] | None]:
    """Folder -> folders that it may import, None for all; from the table in the architecture document."""
    found: dict[str, set[str] | None] = {}
    for line in (ROOT / "docs/design/architecture.md").read_text(encoding="utf-8").splitlines():
        if match := ROW.match(line):
            may = match["may"].strip()
            allowed = None if may == "all" else set(re.findall(r"`(\w+)`", may))
            assert may in ("all", "nothing") or allowed, line
            for folder in re.findall(r"`(\w+)/`", match["who"]):
                found[folder] = allowed
    return found


ALLOWED = directions()


def files(folder: str) -> list[Path]:
    return sorted(p for p in (ROOT / folder).rglob("*.py") if "__pycache__" not in p.parts)


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """(line, module) of every import in a file, those in functions included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            yield node.lineno, node.module or ""
            if node.module == "plait":
                yield from ((node.lineno, f"plait.{alias.name}") for alias in node.names)


def test_the_table_names_every_folder() -> None:
    folders = {p.parent.name for p in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}
    assert folders == set(ALLOWED)


@pytest.mark.parametrize("folder", sorted(ALLOWED))
def test_import_directions(folder: str) -> None:
    allowed = ALLOWED[folder]
    wrong = {}
    for path in files(folder):
        for line, name in imported(path):
            parts = name.split(".")
            target = parts[1] if parts[0] == "plait" and len(parts) > 1 else None
            if allowed is None or target not in ALLOWED or target == folder or target in allowed:
                continue
            wrong[f"{path.relative_to(ROOT)}: {folder} imports plait.{target}"] = line
    assert set(wrong) == {k for k in KNOWN if k.startswith(f"{folder}/")}, wrong


@pytest.mark.parametrize("folder", sorted(set(ALLOWED) - {"cli", "testing"}))
def test_nothing_below_imports_the_face(folder: str) -> None:
    wrong = [f"{path}:{line}" for path in files(folder) for line, name in imported(path) if name == "plait"]
    assert not wrong, "\n".join(wrong)


def test_folders_are_never_imported_by_their_bare_names() -> None:
    everything = [p for folder in (*ALLOWED, "tests") for p in files(folder)] + [ROOT / "__init__.py"]
    bare = [
        f"{p.relative_to(ROOT)}:{line}: import {name}"
        for p in everything
        for line, name in imported(p)
        if name.split(".")[0] in ALLOWED
    ]
    assert not bare, "\n".join(bare)


def loaded(code: str) -> set[str]:
    """Top-level names of the modules that a fresh interpreter has after running `code`."""
    report = "print(*sorted({m.split('.')[0] for m in set(sys.modules) - before}))"
    script = f"import sys; before = set(sys.modules)\n{code}\n{report}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_importing_the_face_loads_nothing_else() -> None:
    assert loaded("import plait") & HEAVY == set()


def test_listing_commands_loads_no_command() -> None:
    code = "from plait.cli.main import main; assert main(['--help']) == 0"
    assert loaded(code) & (HEAVY - {"click"}) == set()


SLOW = HEAVY - {"numpy"} | {"attr", "ml_dtypes", "zipfile", "hashlib", "pathlib", "sqlite3", "subprocess", "threading"}
"""What takes milliseconds to load, on a way that is to take ten."""


def test_opening_a_package_loads_nothing_slow(tmp_path: Path) -> None:
    from plait.backends.build import build
    from plait.backends.package_writer import Plan, save_package
    from plait.backends.profiling.machine import this_machine
    from plait.backends.stored import store
    from plait.ir.text.parser import parse_module

    module = parse_module("ir 1\nnet @main(%x: f32[2]) -> (%y: f32[2]) {\n  %y = relu(%x) via cpu/f32/nchw/vector\n}\n")
    plan, machine = Plan(module, {}, store(build(module))), this_machine()
    machines = {machine.kind[:8]: machine.description}
    save_package(tmp_path / "x.plait", {machine.device_key(1): plan}, producer="test", machines=machines)
    path = repr(str(tmp_path / "x.plait"))
    found = loaded(f"import numpy as np; before |= set(sys.modules)\nimport plait\nplait.open({path})(np.ones(2, 'f'))")
    assert found & SLOW == set()


def processor_seconds(arguments: list[str]) -> float:
    """Least processor time of a few runs: wall time means little on a busy machine."""
    found = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(found)


def test_start_is_quick() -> None:
    assert processor_seconds(["-c", "import plait"]) < 0.3
    assert processor_seconds(["-m", "plait.cli.main", "--help"]) < 0.2
