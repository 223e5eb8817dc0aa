"""Which Python has which packages: engines may live in environments of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import attrs

ROOT = Path(__file__).resolve().parents[2]
_FIND = "import sys, importlib.util as u; print(*(n for n in sys.argv[1:] if u.find_spec(n)))"
_START = """
import sys
sys.path[0] = {root!r}
from {module} import main
sys.path.pop(0)
main()
"""


@attrs.define
class Environments:
    """Pythons that are looked through in order: this one, then those of `folder`.

    Args:
        folder: holds virtual environments, each a folder with `bin/python`.
        fixed: interpreters that are named for something; nothing else is tried for it.
    """

    folder: Path | None = None
    fixed: Mapping[str, Path] = attrs.field(factory=dict)
    _known: dict[tuple[Path, frozenset[str]], bool] = attrs.field(factory=dict)

    def find(self, what: str, modules: Iterable[str]) -> Path | None:
        """The first Python that has all these modules, or None."""
        tops = frozenset(module.partition(".")[0] for module in modules)
        return next((python for python in self._candidates(what) if self._has(python, tops)), None)

    def _candidates(self, what: str) -> Sequence[Path]:
        if what in self.fixed:
            return [self.fixed[what]]
        others = sorted(self.folder.glob("*/bin/python")) if self.folder else []
        return [Path(sys.executable), *others]

    def _has(self, python: Path, modules: frozenset[str]) -> bool:
        key = (python, modules)
        if key not in self._known:
            found = subprocess.run(
                [python, "-c", _FIND, *modules], capture_output=True, text=True, env=environment(python), check=False
            )
            self._known[key] = found.returncode == 0 and set(found.stdout.split()) == modules
        return self._known[key]


def command(python: Path, module: str, *arguments: object) -> list[str]:
    """The command that runs `main` of a module of this repository. The repository leaves the path of modules at
    once: its folders have names that packages may have too."""
    return [str(python), "-c", _START.format(root=str(ROOT), module=module), *map(str, arguments)]


def environment(python: Path, threads: int = 1) -> dict[str, str]:
    """Variables of a process that runs on this many threads, and only looks into this Python for modules."""
    variables = dict(os.environ)
    if python != Path(sys.executable):
        variables.pop("PYTHONPATH", None)
        variables.pop("PYTHONHOME", None)
    libraries = ("OMP", "MKL", "OPENBLAS", "TVM")
    variables |= dict.fromkeys((f"{library}_NUM_THREADS" for library in libraries), str(threads))
    return variables | {
        "OMP_WAIT_POLICY": "ACTIVE",
        "PYTHONWARNINGS": "ignore",
        "PYTHONDONTWRITEBYTECODE": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
