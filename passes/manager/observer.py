"""Watching a pipeline run: the record of one run of a pass, and the interface of those who watch.

    class Counting(Observer):
        def after_pass(self, run: PassRun, module: Module) -> None:
            print(run.number, run.pass_text, run.changed)

    PassManager(pipeline, observers=[Counting()]).run(module)

Observers that come with the manager stand in `plait.passes.manager.instrumentation`, `statistics` and `reproducer`.
"""

from __future__ import annotations

import attrs

from plait.ir.module import Module
from plait.passes.base import Pass, PassContext, PassFailed


@attrs.define
class PassRun:
    """One run of one pass. What it did is known in `after_pass`."""

    pass_: Pass
    number: int
    """Counts from 1 in the order in which passes start, those that run within others included."""
    depth: int
    """0 for the passes of the pipeline, 1 for those that such a pass runs, and so on."""
    rest: str
    """The text of the pipeline from this pass on; of a pass within another, from the outermost one on."""
    context: PassContext = attrs.field(repr=False)
    changed: bool = False
    seconds: float = 0.0
    """Time of the pass alone: no verification, no observers."""
    layers_before: int = 0
    layers_after: int = 0

    @property
    def name(self) -> str:
        """Name of the pass."""
        return self.pass_.name

    @property
    def pass_text(self) -> str:
        """The pass as a pipeline writes it."""
        return str(self.pass_)


class Observer:
    """Watches the passes of a manager. Methods that a subclass leaves out do nothing; none may change the module.

    `module` is always the whole module, even if the pass sees a part of it.
    """

    def before_pass(self, run: PassRun, module: Module) -> None:
        """A pass is about to run."""

    def after_pass(self, run: PassRun, module: Module) -> None:
        """A pass has run and the module is valid (if that is checked)."""

    def failed(self, run: PassRun, module: Module, failure: PassFailed) -> None:
        """A pass raised or left an invalid module; told of inner passes first. Users' errors do not come here."""

    def verified(self, seconds: float) -> None:
        """The module was verified."""
