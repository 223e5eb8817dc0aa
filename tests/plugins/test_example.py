"""`examples/plugin` is installed by pip in an environment of its own, and each thing that it adds is used."""

from __future__ import annotations

import os
import shutil
import site
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import attrs
import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "plugin"
MODULE = """ir 1
net @main(%x: f32[1x3x8x8] nchw) -> (%y: f32[1x3x8x8] nchw) {
  %n = unary(%x) {fn = neg}
  %y = mul(%n, %n)
}
"""


def _backend_is_there() -> bool:
    """Whether setuptools can build a wheel by itself."""
    try:
        version = metadata.version("setuptools")
    except metadata.PackageNotFoundError:
        return False
    return tuple(map(int, version.split(".")[:2])) >= (70, 1)


@attrs.frozen
class Environment:
    """An environment, and a folder to work in."""

    python: Path
    work: Path

    def plait(self, *arguments: str) -> str:
        """What a command line prints; it must succeed."""
        done = subprocess.run(
            [self.python, "-m", "plait.cli.main", *arguments],
            cwd=self.work,
            env={**os.environ, "PLAIT_PROFILE_DB": str(self.work / "profile.sqlite"), "COLUMNS": "300"},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    if not _backend_is_there():
        pytest.skip("needs setuptools 70.1 or later: pip install '.[test]'")
    folder = tmp_path_factory.mktemp("plugin")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    packages = next((folder / "venv").glob("lib/python*/site-packages"))
    # What the running environment has serves the new one (an editable install too); nothing comes from the network.
    outer = (f"import site; site.addsitedir({p!r})\n" for p in site.getsitepackages())
    packages.joinpath("outer.pth").write_text("".join(outer))
    sources = shutil.copytree(EXAMPLE, folder / "sources", ignore=shutil.ignore_patterns("build", "*.egg-info"))
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", "install", "--no-index", "--no-deps"]
    done = subprocess.run(
        [*pip, "--no-build-isolation", "--target", str(packages), str(sources)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    work = folder / "work"
    work.mkdir()
    (work / "module.ir").write_text(MODULE)
    (work / "net.chain").write_text("f32[1x3x8x8] nchw\nrelu\nsquare\ntanh\n")
    return Environment(folder / "venv" / "bin" / "python", work)


def rows(text: str) -> list[str]:
    """The rows of a table, with single blanks."""
    return [" ".join(line.split()) for line in text.splitlines()]


def test_it_is_small() -> None:
    assert sum(len(p.read_text().splitlines()) for p in EXAMPLE.rglob("*.py")) < 100


def test_everything_is_listed(environment: Environment) -> None:
    states = rows(environment.plait("plugins"))[1:]
    assert [line.split()[0] for line in states] == [
        f"plait.{kind}" for kind in ("frontends", "layers", "passes", "patterns", "routines", "solvers")
    ]
    assert all(line.endswith("plait-squares 0.1 ok") for line in states)
    assert "square x plait-squares 0.1 `x * x`." in rows(environment.plait("layers"))
    assert "find-squares plait-squares 0.1 Compute x * x by the layer `square`." in rows(environment.plait("passes"))
    assert rows(environment.plait("routines", "--layer", "square"))[1:] == [
        "square cpu/any/nchw/reference plait NumPy semantics of the layer",
        "square cpu/f32/nhwc/numpy plait-squares 0.1 `np.square` on whatever lies there.",
    ]


def test_pass_and_patterns(environment: Environment) -> None:
    found = environment.plait("opt", "module.ir", "-p", "find-squares")
    assert "%n = unary(%x) {fn = neg}" in found and "%y = square(%n)" in found
    found = environment.plait("opt", "module.ir", "-p", "find-squares,rewrite{file=squares},dce")
    assert "unary" not in found and "%y = square(%x)" in found


def test_frontend_solver_and_routine(environment: Environment) -> None:
    environment.plait("import", "net.chain", "-o", "net.ir")
    assert [line.split()[2] for line in environment.work.joinpath("net.ir").read_text().splitlines()[2:-1]] == [
        "relu(%v0)",
        "square(%v1)",
        "tanh(%v2)",
    ]
    told = environment.plait(
        "tune", "net.chain", "-o", "net.plait", "--solver", "local", "--routine", "cpu/numpy@v2", "--json"
    )
    assert '"solver": "local"' in told and '"cpu/f32/nhwc/numpy"' in told
    assert "square cpu/f32/nhwc/numpy" in "\n".join(rows(environment.plait("compare", "net.plait")))
    assert rows(environment.plait("run", "net.plait"))[1].startswith("v3 float32 1x3x8x8 0 ")
