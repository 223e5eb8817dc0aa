"""Every command and Python block shown in the README and in docs/ runs.

```python``` blocks of a page run one after the other in one namespace. In ```console``` blocks every line that starts with `$ ` is run by a
shell; what follows is example output and is not compared, except that a line `[exit N]` states the exit status. Pages run in a folder that
has `mobilenetv2.onnx` (a small one), `photo.npy`, and a fresh profile database. Blocks marked ```text``` or ```ir``` are only shown, except
that ```ir``` blocks which start with `ir 1` must parse.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from plait.ir.text import parse_module
from plait.testing import networks

ROOT = Path(__file__).parents[2]
PAGES = sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "CONTRIBUTING.md",))
               if p.exists())
BLOCK = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    onnx.save(networks.build("mobilenetv2", image=64), folder / "mobilenetv2.onnx")
    np.save(folder / "photo.npy", np.random.default_rng(0).standard_normal((1, 3, 64, 64)).astype(np.float32))
    return folder


@pytest.mark.parametrize("page", PAGES)
def test_page(page: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in model.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLAIT_PROFILE_DB", str(model / "profile.sqlite"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    namespace: dict[str, object] = {"__name__": "__snippet__"}
    for kind, body in BLOCK.findall((ROOT / page).read_text()):
        if kind == "python":
            exec(compile(body, f"{page} (snippet)", "exec"), namespace)
        elif kind == "console":
            run_console(body, page)
        elif kind == "ir" and body.startswith("ir 1"):
            parse_module(body, page)


def run_console(body: str, page: str) -> None:
    lines = body.splitlines()
    for number, line in enumerate(lines):
        if not line.startswith("$ "):
            continue
        command = line[2:]
        if command.startswith(("make ", "git ", "pip ", "cd ")):
            continue  # set-up commands; CI itself is their test
        shown = next((x for x in lines[number + 1:] if x.startswith(("$ ", "[exit "))), "")
        wanted = int(shown[6:-1]) if shown.startswith("[exit ") else 0
        done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=300)
        assert done.returncode == wanted, f"{page}: {command}\n{done.stdout}\n{done.stderr}"


def test_there_are_pages() -> None:
    assert "README.md" in PAGES and len(PAGES) > 4
