"""One measurement at a time on a core, whoever asks for it: workers of one user lock the cores that they run on."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

PATIENCE_S = 10.0
"""How long a worker waits for a core. Who holds it longer hangs or is stopped, and is not waited for again."""
_STEP_S = 0.01


class Cores:
    """The cores of a worker.

    Args:
        folder: where the locks are, one file for each core (default: in the folder for temporary files).
    """

    def __init__(self, cores: Iterable[int], folder: Path | None = None) -> None:
        self.cores = sorted(cores)
        self.folder = folder or Path(tempfile.gettempdir()) / f"plait-cores-{os.getuid()}"
        self.given_up: set[int] = set()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Have the cores for oneself, as far as other workers go."""
        with contextlib.ExitStack() as held:
            # Everyone asks in the same order, so that nobody waits for each other.
            for core in self.cores:
                if core not in self.given_up and (file := self._open(core)) is not None:
                    held.enter_context(file)
                    if not _lock(file):
                        self.given_up.add(core)
            yield

    def _open(self, core: int) -> IO[str] | None:
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            return open(self.folder / f"{core}.lock", "a")
        except OSError:
            # Without a folder for temporary files nobody has locks.
            return None


def _lock(file: IO[str]) -> bool:
    """Whether a lock could be had; closing the file, or the end of the process, gives it back."""
    waited = 0.0
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if waited >= PATIENCE_S:
                return False
        # Counted in steps: while this process is stopped itself, it is not the other who takes long.
        time.sleep(_STEP_S)
        waited += _STEP_S
