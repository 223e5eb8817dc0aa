"""The manager: runs a pipeline, verifies between the passes, keeps the analyses true, and tells the observers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

import attrs

from plait.ir.diagnostics import IRError, PlaitError
from plait.ir.module import Module
from plait.ir.text.printer import print_module
from plait.ir.verify import verify
from plait.passes.base import Pass, PassContext, PassFailed
from plait.passes.manager.observer import Observer, PassRun
from plait.passes.pipeline import Pipeline


def count_layers(module: Module) -> int:
    """Number of layers in all functions, nested ones included."""
    return sum(1 for _ in module.walk())


@attrs.define
class PassManager:
    """Runs a pipeline. Observers that print, measure and write reproducers stand beside this file."""

    pipeline: Pipeline
    verify: bool = True
    """Check the module before the first pass and after the last one."""
    verify_each: bool = True
    """With `verify`, check it after each pass too, so that an error names the pass."""
    allow_unknown: bool = False
    """Layers of kinds that nobody has registered are no error."""
    check_changed: bool = False
    """Check that each pass reports a change exactly when the text form changed. For tests: prints all modules twice."""
    observers: Sequence[Observer] = ()

    def run(self, module: Module, context: PassContext | None = None) -> bool:
        """Run all passes on the module, in place; returns whether anything changed.

        Raises:
            IRError: the module was invalid from the start.
            PassFailed: a pass raised an unexpected exception, or left invalid IR behind.
            PlaitError: a pass found a fault of its input or options.
        """
        return _Run(self, module, context or PassContext()).whole()


class _Run:
    """One run of a manager. `module` is the whole module; passes within passes may be given a part of it."""

    def __init__(self, manager: PassManager, module: Module, context: PassContext) -> None:
        self.manager, self.module, self.context = manager, module, context
        self.number = self.depth = 0
        self.rest = ""
        self.overhead = 0.0
        """Seconds spent so far on verification and observers."""
        self.settles: list[Callable[[], None]] = []
        """What puts the parts of modules, that passes within passes see, back into the whole."""

    def whole(self) -> bool:
        manager, context = self.manager, self.context
        passes = manager.pipeline.passes
        # The module may have been changed since the context was used last.
        context.analyses.invalidate()
        if manager.verify:
            self.verify()
        outer, context.runner = context.runner, self.nested
        changed = False
        try:
            for i, one in enumerate(passes):
                self.rest = str(Pipeline(passes[i:]))
                changed |= self.one(one, self.module)
        finally:
            context.runner = outer
        if manager.verify and not manager.verify_each and (problem := self.invalid()):
            raise PassFailed(str(manager.pipeline), problem)
        return changed

    def nested(self, passes: Iterable[Pass], module: Module, settle: Callable[[], None]) -> bool:
        """Passes within a pass."""
        self.depth += 1
        self.settles.append(settle)
        try:
            changed = [self.one(one, module) for one in passes]
        finally:
            self.depth -= 1
            self.settles.pop()
        return any(changed)

    def one(self, one: Pass, module: Module) -> bool:
        self.number += 1
        run = PassRun(one, self.number, self.depth, self.rest, self.context)
        run.layers_before = count_layers(self.module)
        text = print_module(self.module) if self.manager.check_changed else ""
        self.tell(lambda o: o.before_pass(run, self.module))
        try:
            self.transform(run, module)
            if problem := self.problem(text, run.changed):
                raise PassFailed(run.pass_text, problem)
        except PassFailed as failure:
            for observer in self.manager.observers:
                observer.failed(run, self.module, failure)
            raise
        run.layers_after = count_layers(self.module)
        self.context.records.append(run)
        self.tell(lambda o: o.after_pass(run, self.module))
        return run.changed

    def transform(self, run: PassRun, module: Module) -> None:
        """Run the pass: its time, its change, and what is no longer known after it."""
        outer, self.context.current = self.context.current, run.name
        overhead, start = self.overhead, time.perf_counter()
        try:
            changed: object = run.pass_.run(module, self.context)
            if not isinstance(changed, bool):
                raise TypeError(f"run gives {changed!r}, not whether it changed the module")
            run.changed = changed
            for settle in reversed(self.settles):
                settle()
        except (PlaitError, PassFailed):
            raise
        except Exception as error:
            raise PassFailed(run.pass_text, f"{type(error).__name__}: {error}") from error
        finally:
            run.seconds = time.perf_counter() - start - (self.overhead - overhead)
            self.context.current = outer
        if run.changed:
            self.context.analyses.invalidate(run.pass_.preserves)

    def problem(self, before: str, changed: bool) -> str:
        """What is wrong with the module after a pass, or an empty text."""
        if self.manager.verify and self.manager.verify_each and (invalid := self.invalid()):
            return invalid
        if self.manager.check_changed and (print_module(self.module) != before) != changed:
            if changed:
                return "it reported a change but the text form is the same"
            return "it changed the text form but reported no change"
        return ""

    def invalid(self) -> str:
        try:
            self.verify()
        except IRError as error:
            return f"the module is not valid after it\n{error}"
        return ""

    def verify(self) -> None:
        start = time.perf_counter()
        try:
            verify(self.module, allow_unknown=self.manager.allow_unknown)
        finally:
            seconds = time.perf_counter() - start
            self.overhead += seconds
        self.tell(lambda o: o.verified(seconds))

    def tell(self, what: Callable[[Observer], None]) -> None:
        start = time.perf_counter()
        for observer in self.manager.observers:
            what(observer)
        self.overhead += time.perf_counter() - start


def run_pipeline(text: str, module: Module, context: PassContext | None = None) -> bool:
    """Parse a pipeline and run it on a module; returns whether the module changed."""
    return PassManager(Pipeline.parse(text)).run(module, context)
