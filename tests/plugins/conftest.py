"""Command lines in processes of their own, where distributions made of a few lines of text are installed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import attrs
import pytest

TINY = """ir 1
net @main(%x: f32[2x3]) -> (%y: f32[2x3]) {
  %a = relu(%x)
  %b = relu(%x)
  %y = add(%a, %b)
}
"""


@attrs.frozen
class Outcome:
    """What a command line gave."""

    code: int
    out: str
    err: str


@attrs.frozen
class Site:
    """A folder that stands for site-packages, and a folder to work in."""

    site: Path
    work: Path

    def install(
        self, name: str, modules: Mapping[str, str], entry_points: Mapping[str, Mapping[str, str]], version: str = "1.0"
    ) -> None:
        """Make a distribution: text of modules by file name, and entry points by group and name."""
        for file, text in modules.items():
            (self.site / file).write_text(text)
        info = self.site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        sections = (
            f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in points.items())
            for group, points in entry_points.items()
        )
        (info / "entry_points.txt").write_text("\n".join(sections))

    def write(self, name: str, text: str) -> Path:
        """A file in the folder to work in."""
        (self.work / name).write_text(text)
        return self.work / name

    def python(self, *arguments: str, **environment: str) -> Outcome:
        """Run the interpreter in the folder to work in."""
        path = os.pathsep.join(filter(None, (str(self.site), os.environ.get("PYTHONPATH"))))
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.work,
            env={
                **os.environ,
                "PYTHONPATH": path,
                "PLAIT_PROFILE_DB": str(self.work / "profile.sqlite"),
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=300,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    def plait(self, *arguments: str, **environment: str) -> Outcome:
        """Run a command line."""
        return self.python("-m", "plait.cli.main", *arguments, **environment)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Nothing installed, and `tiny.ir` to work on."""
    found = Site(tmp_path / "site", tmp_path / "work")
    found.site.mkdir()
    found.work.mkdir()
    found.write("tiny.ir", TINY)
    return found


PassText = Callable[[str], str]


@pytest.fixture
def pass_text() -> PassText:
    """The text of a module with a pass of a given name, which does nothing."""
    return lambda name: (
        "import attrs\n"
        "from plait.passes.base import Pass\n"
        "from plait.passes.registry import register_pass\n"
        "@register_pass\n"
        "@attrs.frozen\n"
        "class Mine(Pass):\n"
        '    """Do nothing."""\n'
        f"    name = {name!r}\n"
        "    def run(self, module, context):\n"
        "        return False\n"
    )
