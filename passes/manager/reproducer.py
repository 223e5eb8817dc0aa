"""Reproducers: an `.ir` file with the module before a failed pass, and the rest of the pipeline as its head comment.

    // RUN: breaks,dce
    // KeyError: 'oh'
    ir 1
    ...

The tests of this repository run such files as they are; `plait opt --run-reproducer FILE` does too.
"""

from __future__ import annotations

import re
from pathlib import Path

import attrs

from plait.ir.diagnostics import PlaitError
from plait.ir.files import write_text
from plait.ir.module import Module
from plait.ir.text.files import save_ir
from plait.ir.text.printer import print_module
from plait.passes.base import PassFailed, pass_error
from plait.passes.manager.observer import Observer, PassRun
from plait.passes.pipeline import Pipeline

_RUN = re.compile(r"// RUN:[ \t]*(.*?)[ \t]*\Z")


@attrs.define
class Reproducer(Observer):
    """Writes a reproducer to `path` if a pass of the pipeline fails. Weights go beside it if they can be read."""

    path: Path = attrs.field(converter=Path)
    _snapshot: Module | None = attrs.field(default=None, init=False)

    def before_pass(self, run: PassRun, module: Module) -> None:
        if run.depth == 0:
            self._snapshot = module.clone()

    def failed(self, run: PassRun, module: Module, failure: PassFailed) -> None:
        if run.depth == 0 and self._snapshot is not None:
            write_reproducer(self._snapshot, run.rest, failure.problem, self.path)
            failure.reproducer = str(self.path)


def write_reproducer(module: Module, pipeline: str, problem: str, path: Path) -> None:
    """Write a module, the pipeline to run on it, and what is wrong in words."""
    head = f"// RUN: {pipeline}\n" + "".join(f"// {line}\n" for line in problem.splitlines())
    try:
        save_ir(module, path)
        text = path.read_text(encoding="utf-8-sig")
    except PlaitError:
        text = print_module(module)
    write_text(path, head + text)


def read_pipeline(path: Path) -> Pipeline:
    """The pipeline of a reproducer.

    Raises:
        PassError: P201, no head comment names a pipeline, or it is not valid.
    """
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines):
        if match := _RUN.match(line):
            # Blanks in front, so that errors have the place in the file.
            return Pipeline.parse("\n" * number + " " * match.start(1) + match.group(1), str(path))
        if line.strip() and not line.startswith("//"):
            break
    raise pass_error(f"{path} has no comment '// RUN: <pipeline>' at its head")
