"""Selection problems in the formats of other solvers: toulbar2's ``.cfn`` and ``.mps`` of integer programs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from plait.ir.files import write_text
from plait.passes.selection.exporters.cfn import to_cfn
from plait.passes.selection.exporters.mps import to_mps
from plait.passes.selection.problem import Problem, ProblemError

EXPORTERS: dict[str, Callable[[Problem], str]] = {".cfn": to_cfn, ".mps": to_mps}
"""Text of a problem by the suffix of a file."""


def export(problem: Problem, path: str | Path) -> None:
    """Write a problem in the format that the suffix of the file names, atomically.

    Raises:
        ProblemError: no format has this suffix, or the format cannot hold the problem.
    """
    exporter = EXPORTERS.get(Path(path).suffix)
    if exporter is None:
        raise ProblemError(f"{path}: problems can be exported as {', '.join(EXPORTERS)}")
    write_text(path, exporter(problem))


__all__ = ["EXPORTERS", "export", "to_cfn", "to_mps"]
