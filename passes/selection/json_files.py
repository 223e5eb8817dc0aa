"""Reading JSON files of selection, and the error that says where they are wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from plait.ir.diagnostics import Diagnostic, PlaitError, Span
from plait.passes.selection.problem import ProblemError

T = TypeVar("T")


class SelectionFileError(PlaitError):
    """A file is not a selection problem or solution (P701)."""

    exit_code = 3


class NoPlanError(PlaitError):
    """A problem has no plan, none was found, or a solver cannot take it on (P702)."""

    exit_code = 5


def read_json(path: str | Path, read: Callable[[Any], T]) -> T:
    """What ``read`` makes of the JSON text in a file.

    Raises:
        SelectionFileError: P701.
        OSError: the file cannot be read.
    """
    return parse_json(Path(path).read_bytes(), str(path), read)


def parse_json(data: bytes, name: str, read: Callable[[Any], T]) -> T:
    """The same for text that has been read already; ``name`` is how messages call it.

    Raises:
        SelectionFileError: P701.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _failed(f"is not UTF-8 text (byte {error.start})", name) from None
    try:
        body = json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        lines = text.splitlines()
        line = lines[error.lineno - 1] if error.lineno <= len(lines) else ""
        span = Span(name, error.lineno, error.colno, error.colno + 1, line)
        raise SelectionFileError(Diagnostic("P701", f"not JSON: {error.msg}", span)) from None
    except RecursionError:
        raise _failed("not JSON: nested too deeply", name) from None
    except ValueError as error:
        raise _failed(f"not JSON: {error}", name) from None
    try:
        return read(body)
    except ProblemError as error:
        place, colon, message = str(error).partition(": ")
        if not colon or " " in place:
            raise _failed(str(error), name) from None
        raise _failed(message, f"{name}: {place}") from None


def _failed(message: str, where: str) -> SelectionFileError:
    return SelectionFileError(Diagnostic("P701", message, where=where))


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number of JSON")
