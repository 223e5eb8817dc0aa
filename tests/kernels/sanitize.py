"""Builds the extension with AddressSanitizer and UndefinedBehaviorSanitizer, with planted bugs, and runs tests on it.

    python tests/kernels/sanitize.py BUILD_FOLDER [arguments of pytest]

The tests see the package installed in the build folder. Memory is laid out so that every buffer has poisoned bytes
around it: inputs and outputs are allocations of exact size, and arenas are poisoned between their buffers
(`reference.run`, `tests/backends/apart.py`). Leaks are not looked for: Python keeps much until it ends.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = ("tests/kernels", "tests/backends/test_routines.py")
OPTIONS = (
    "-Db_sanitize=address,undefined", "-Db_lundef=false", "-Dplanted_bugs=true", "-Ddebug=true", "-Dstrip=false",
    "--prefix=/", "-Dpython.platlibdir=/site", "-Dpython.purelibdir=/site",
)  # fmt: skip


def build(folder: Path) -> Path:
    """Builds and installs into `folder`; returns the folder to import from."""
    if not (folder / "build.ninja").exists():
        subprocess.run(["meson", "setup", str(folder), str(ROOT), *OPTIONS], check=True, stdout=subprocess.DEVNULL)
    installed = folder / "installed"
    command = ["meson", "install", "-C", str(folder), "--quiet", "--destdir", str(installed.resolve())]
    subprocess.run(command, check=True)
    return installed / "site"


def library(name: str) -> str:
    """Where gcc has a library of its own."""
    found = subprocess.run(["gcc", f"-print-file-name={name}"], check=True, capture_output=True, text=True)
    return found.stdout.strip()


def environment(site: Path) -> dict[str, str]:
    """For a Python, itself without sanitizers, that imports what has them."""
    return os.environ | {
        "PYTHONPATH": str(site.resolve()),
        # The C++ library too: the sanitizer must find what it wraps before others load it.
        "LD_PRELOAD": f"{library('libasan.so')} {library('libstdc++.so')}",
        # Finding uses after return has gcc 12 put frames where 64-byte vectors are off by 32: aligned moves fault.
        "ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=0",
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
        "PYTHONMALLOC": "malloc",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def main() -> int:
    site = build(Path(sys.argv[1]))
    env = environment(site)
    check = "from plait import kernels_pyx as k; assert k.sanitized(), k.__file__"
    subprocess.run([sys.executable, "-c", check], env=env, check=True)
    arguments = sys.argv[2:] or TESTS
    # Reports go to the process's own standard error, which pytest would otherwise hold back, and lose when the process
    # ends. Python's handler of signals would hide the sanitizer's.
    plugins = ("-p", "no:cacheprovider", "-p", "no:faulthandler")
    command = [sys.executable, "-m", "pytest", "-q", "--capture=sys", *plugins, *arguments]
    return subprocess.run(command, env=env, cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
