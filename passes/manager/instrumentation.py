"""Observers that come with the manager: the IR between passes, as text, in files, or as differences; and times."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection
from pathlib import Path

import attrs

from plait.ir.files import write_text
from plait.ir.module import Module
from plait.ir.text.printer import print_module
from plait.passes.base import PassFailed
from plait.passes.manager.observer import Observer, PassRun

Show = Callable[[PassRun, str, str], None]
"""Takes a run, "before" or "after", and the text of the module (large weights are only declared)."""


@attrs.define
class PrintIR(Observer):
    """Shows the text of the module before or after passes."""

    show: Show
    before: Collection[str] = ()
    """Names of passes."""
    after: Collection[str] = ()
    before_all: bool = False
    after_all: bool = False
    before_change: bool = False
    """Before passes that will have changed something; shown when they have."""
    after_change: bool = False
    _texts: list[str] = attrs.field(factory=list, init=False)
    """The module before each pass that is running, the innermost last."""

    def before_pass(self, run: PassRun, module: Module) -> None:
        if self.before_all or run.name in self.before:
            self.show(run, "before", print_module(module))
        self._texts.append(print_module(module) if self.before_change else "")

    def after_pass(self, run: PassRun, module: Module) -> None:
        text = self._texts.pop()
        if self.before_change and run.changed and not (self.before_all or run.name in self.before):
            self.show(run, "before", text)
        if self.after_all or run.name in self.after or (self.after_change and run.changed):
            self.show(run, "after", print_module(module))

    def failed(self, run: PassRun, module: Module, failure: PassFailed) -> None:
        self._texts.pop()


def into_folder(folder: Path) -> Show:
    """Shows texts by writing a file each: `03-fuse-activation.after.ir`. The folder is made at the first."""

    def show(run: PassRun, when: str, text: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        name = re.sub(r"[^A-Za-z0-9_.\-]", "_", run.name)
        write_text(folder / f"{run.number:02d}-{name}.{when}.ir", f"// {when} {run.pass_text}\n{text}")

    return show


@attrs.define
class Diff(Observer):
    """Shows what each pass changed in the text of the module: lines of a unified difference.

    Passes that only run other passes are not shown beside those.
    """

    show: Callable[[PassRun, list[str]], None]
    context_lines: int = 3
    _text: str = attrs.field(default="", init=False)

    def before_pass(self, run: PassRun, module: Module) -> None:
        self._text = print_module(module)

    def after_pass(self, run: PassRun, module: Module) -> None:
        before, self._text = self._text, print_module(module)
        if before != self._text:
            names = (f"before {run.pass_text}", f"after {run.pass_text}")
            old, new = before.splitlines(), self._text.splitlines()
            self.show(run, list(difflib.unified_diff(old, new, *names, lineterm="", n=self.context_lines)))


@attrs.define
class Timing(Observer):
    """The time of each pass, in the order in which they started, and the verifier's apart."""

    runs: list[PassRun] = attrs.field(factory=list, init=False)
    """Those that a failure kept from ending have no time."""
    verifier_seconds: float = attrs.field(default=0.0, init=False)

    def before_pass(self, run: PassRun, module: Module) -> None:
        self.runs.append(run)

    def verified(self, seconds: float) -> None:
        self.verifier_seconds += seconds

    @property
    def total_seconds(self) -> float:
        """Passes and verifier; the time of passes within passes is counted once."""
        return sum(run.seconds for run in self.runs if run.depth == 0) + self.verifier_seconds
