"""Atomic file writing: readers see the old content or the new, never half of it."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


def refuse_special(path: Path) -> None:
    """Raise an OSError if something stands at `path` that is neither a file nor a folder: /dev/null is no output."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise OSError(0, "is a device, pipe or socket; the output must be a file", str(path))


@contextlib.contextmanager
def atomic_write(path: str | Path) -> Iterator[BinaryIO]:
    """A binary file that replaces `path` when the block ends without an exception; else nothing is left behind.

    Raises:
        OSError: the file cannot be written, or `path` is a device, pipe or socket, which must not be replaced.
    """
    path = Path(path)
    refuse_special(path)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def write_text(path: str | Path, text: str) -> None:
    """Replace the content of a text file (UTF-8)."""
    with atomic_write(path) as file:
        file.write(text.encode("utf-8"))
