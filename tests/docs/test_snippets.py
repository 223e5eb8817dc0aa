"""Every command and Python block shown in the README and in docs/ runs, each page in a process and folder of its own.

```python``` blocks of a page run one after the other in one namespace; a `text` or `ir` block directly after one shows
what it prints. In ```console``` blocks every line that starts with `$ ` is run by a shell. What is shown after it, if
anything, must be what it prints, on either stream: a line `...` stands for any number of lines, `…` in a line for any
text, and a line `[exit N]` states the exit status. In ```console measured``` blocks, which show times and what follows
from them, only the exit status is compared. The folder has `mobilenetv2.onnx` (for small images), `photo.npy`,
`benchmarks` as in the repository, and a profile database of its own. Blocks of other kinds are only shown, except that
```ir``` blocks which start with `ir 1` must parse. A block of any kind with `file=PATH` after its
kind becomes that file instead.
"""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from plait.testing import networks

ROOT = Path(__file__).parents[2]
RUN_PAGE = Path(__file__).with_name("run_page.py")
matches = runpy.run_path(str(RUN_PAGE))["matches"]
PAGES = sorted(
    p.relative_to(ROOT).as_posix()
    for p in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
    # The former are written by a program and hold no commands, the latter shows errors: both have tests of their own.
    if p.parent != ROOT / "docs/layers" and p.name != "diagnostics.md"
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    onnx.save(networks.build("mobilenetv2", image=64), folder / "mobilenetv2.onnx")
    np.save(folder / "photo.npy", np.random.default_rng(0).standard_normal((1, 3, 64, 64)).astype(np.float32))
    return folder


@pytest.mark.parametrize("page", PAGES)
def test_page(page: str, model: Path, tmp_path: Path) -> None:
    for file in ("mobilenetv2.onnx", "photo.npy"):
        (tmp_path / file).write_bytes((model / file).read_bytes())
    (tmp_path / "benchmarks").symlink_to(ROOT / "benchmarks")
    environment = {
        **os.environ,
        "PLAIT_PROFILE_DB": str(model / "profile.sqlite"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    done = subprocess.run(
        [sys.executable, str(RUN_PAGE), str(ROOT / page)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{page}:\n{done.stdout}{done.stderr}"


def test_there_are_pages() -> None:
    assert {"README.md", "docs/cli.md", "docs/language.md", "docs/passes.md", "docs/routines.md"} <= set(PAGES)


@pytest.mark.parametrize(
    ("shown", "printed", "equal"),
    [
        (["a", "b"], ["a", "b"], True),
        (["a", "b"], ["a", "c"], False),
        (["a"], ["a", "b"], False),
        (["a", "..."], ["a", "b", "c"], True),
        (["...", "c"], ["a", "b", "c"], True),
        (["a", "…", "c"], ["a", "c"], True),
        (["took … s"], ["took 0.1 s"], True),
        (["took … s"], ["took 0.1 ms or so"], False),
        (["a.b"], ["axb"], False),
    ],
)
def test_what_is_shown(shown: list[str], printed: list[str], equal: bool) -> None:
    assert matches(shown, printed) is equal


def test_a_page_that_shows_something_else_fails(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    for text, good in (
        ("$ echo 1\n1\n", True),
        ("$ echo 1\n2\n", False),
        ("$ false\n[exit 1]\n", True),
        ("$ false\n", False),
    ):
        page.write_text(f"```console\n{text}```\n")
        command = [sys.executable, str(RUN_PAGE), str(page)]
        assert (subprocess.run(command, capture_output=True, cwd=tmp_path).returncode == 0) is good, text
