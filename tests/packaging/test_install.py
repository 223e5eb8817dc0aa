"""The ways to install: wheel and editable; in a folder whose path has a space.

Kernels are compiled for one instruction set, without optimization, and once for both. The wheel as users get it takes
minutes: it is a nightly test (and what `make test` installs, to run all other tests on it).
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SUBPACKAGES = ("ir", "passes", "frontends", "backends", "kernels_pyx", "tuning", "testing", "cli")
USE = (
    "import plait; "
    "print(plait.parse('ir 1\\nnet @main(%x: f32[4]) -> (%y: f32[4]) {\\n  %y = relu(%x)\\n}').main.name); "
    "import plait.passes.selection; "
    "from plait.kernels_pyx import isa_level; print(isa_level())"
)
QUICK = ("-Csetup-args=-Doptimization=0", "-Csetup-args=-Disa_levels=baseline", "-Cbuild-dir=build/quick")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources under a path with a space."""
    target = tmp_path_factory.mktemp("a folder") / "plait copy"
    ignore = shutil.ignore_patterns(
        ".git", ".venv", "build", "__pycache__", "demo-out", "*.so", ".*_cache", ".hypothesis"
    )
    shutil.copytree(ROOT, target, ignore=ignore, symlinks=True)
    return target


def pip(checkout: Path, *arguments: str) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", *arguments],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def use(folder: Path, **environment: str) -> str:
    """Run the product from another folder, with `folder` first on the path."""
    done = subprocess.run(
        [sys.executable, "-c", USE],
        cwd=folder.parent,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(folder), **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def compiled_levels(folder: Path) -> list[str]:
    """The ISA levels in a build, whether or not this processor has them."""
    script = "from plait.kernels_pyx import compiled_isas; print(*compiled_isas())"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder.parent,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(folder)},
    )
    return done.stdout.split()


def make_wheel(checkout: Path, folder: Path, *options: str) -> Path:
    """Make the wheel, and install it into `folder / "site"`."""
    pip(checkout, "wheel", ".", "--no-deps", "--no-build-isolation", "-w", str(folder), *options)
    (wheel,) = folder.glob("plait-*.whl")
    pip(checkout, "install", str(wheel), "--no-deps", "--target", str(folder / "site"))
    return wheel


def test_wheel_has_every_subpackage_and_types(checkout: Path, tmp_path: Path) -> None:
    wheel = make_wheel(checkout, tmp_path, *QUICK)
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "plait/__init__.py",
        "plait/py.typed",
        "plait/ir/text/grammar.lark",
        "plait/kernels_pyx/_native.pyi",
    } <= names
    for part in SUBPACKAGES:
        assert f"plait/{part}/__init__.py" in names
        sources = {
            f"plait/{p.relative_to(ROOT).as_posix()}" for p in (ROOT / part).rglob("*.py") if "gen" not in p.parts
        }
        assert sources <= names, sorted(sources - names)
    assert not [n for n in names if n.startswith(("tests/", "ir/", "plait/tests"))]
    assert use(tmp_path / "site") == "main\nbaseline\n"
    assert compiled_levels(tmp_path / "site") == ["baseline"]


@pytest.mark.slow
def test_wheel_as_users_get_it(checkout: Path, tmp_path: Path) -> None:
    wheel = make_wheel(checkout, tmp_path)
    assert wheel.stat().st_size < 15e6, f"the wheel has {wheel.stat().st_size / 1e6:.1f} MB"
    site = tmp_path / "site"
    assert use(site).startswith("main\n")
    assert use(site, PLAIT_MAX_ISA="baseline") == "main\nbaseline\n"
    levels = compiled_levels(site)
    assert levels == (["baseline", "avx2", "avx512", "avx512vnni"] if platform.machine() == "x86_64" else ["baseline"])


def test_editable_install_follows_edits(checkout: Path, tmp_path: Path) -> None:
    environment = tmp_path / "an environment"
    subprocess.run([sys.executable, "-m", "venv", "--system-site-packages", str(environment)], check=True)
    # The tools and dependencies of the running environment serve the new one.
    site = next(environment.glob("lib/python*/site-packages"))
    (site / "outer.pth").write_text("\n".join(p for p in sys.path if p.endswith("site-packages")) + "\n")
    python = environment / "bin" / "python"
    path = f"{environment / 'bin'}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [python, "-m", "pip", "-q", "install", "--no-deps", "--no-build-isolation", "-e", ".", *QUICK],
        cwd=checkout,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (checkout / "ir" / "fresh_module.py").write_text("VALUE = 42\n")
    script = "import plait.ir.fresh_module as m; print(m.VALUE); " + USE
    done = subprocess.run(
        [python, "-c", script], cwd=tmp_path, env={**os.environ, "PATH": path}, capture_output=True, text=True
    )
    assert done.stdout.startswith("42\nmain\n"), done.stderr
