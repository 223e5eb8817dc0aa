"""Pipelines: passes as text, and the manager that runs them.

    fold-batchnorm,fuse-activation{kinds=[relu,hard_swish]},dce

A pipeline is pass names with optional `{option=value,...}`, separated by commas; the name of a named pipeline stands
for its passes.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import attrs

from plait.ir.diagnostics import Diagnostic, IRError, PlaitError, Span, did_you_mean
from plait.ir.files import write_text
from plait.ir.module import Module
from plait.ir.text.files import save_ir
from plait.ir.text.printer import print_module
from plait.ir.text.syntax import Source, plain, read
from plait.ir.verify import verify
from plait.passes.base import OptionError, Pass, PassContext, PassError, PassFailed
from plait.passes.registry import known_passes, pass_named

PIPELINES: dict[str, str] = {
    # One spelling for each computation, nothing computed twice or in vain. dce comes first too: a dead reader keeps a
    # layer from being absorbed, and would do so only the first time.
    "canonical": "fold-constants,dce,canonicalize,cse,dce",
    # cse and dce stand before the fusions too: a second or dead reader of a value keeps layers from being fused.
    "default": "fold-constants,dce,canonicalize,cse,dce,"
    "fold-pad,fold-batchnorm,fold-bias,fuse-activation,fuse-residual,cse,dce",
}
"""Named pipelines."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_\-]*")
_SPACE = re.compile(r"\s*")


@attrs.frozen
class Pipeline:
    """Passes with their options, in order. `str(pipeline)` is its text, and `Pipeline.parse(str(p)) == p`."""

    passes: tuple[Pass, ...] = ()

    @classmethod
    def parse(cls, text: str, file: str = "<pipeline>") -> Pipeline:
        """Read the text of a pipeline; an empty text is the empty pipeline.

        Raises:
            PassError: P201 at the place of the error.
        """
        return cls(_Reader(text, file).read())

    def __str__(self) -> str:
        return ",".join(str(p) for p in self.passes)

    def __iter__(self) -> Iterator[Pass]:
        return iter(self.passes)

    def __len__(self) -> int:
        return len(self.passes)


class _Reader:
    def __init__(self, text: str, file: str) -> None:
        self.text, self.at = text, 0
        self.source = Source(file, text.splitlines())

    def read(self) -> tuple[Pass, ...]:
        passes: list[Pass] = []
        self.space()
        if self.at == len(self.text):
            return ()
        while True:
            passes += self.item()
            self.space()
            if self.at == len(self.text):
                return tuple(passes)
            if self.text[self.at] != ",":
                message = f"unexpected {self.text[self.at]!r}; expected ',' between passes"
                raise self.error(self.at, self.at + 1, message)
            self.at += 1
            self.space()

    def space(self) -> None:
        match = _SPACE.match(self.text, self.at)
        self.at = match.end() if match else self.at

    def item(self) -> tuple[Pass, ...]:
        match = _NAME.match(self.text, self.at)
        if match is None:
            found = repr(self.text[self.at]) if self.at < len(self.text) else "the end"
            raise self.error(self.at, self.at + 1, f"unexpected {found}; expected the name of a pass")
        name, start, self.at = match.group(), match.start(), match.end()
        self.space()
        braces = self.text.startswith("{", self.at)
        if name in PIPELINES:
            if braces:
                raise self.error(self.at, self.at + 1, f"the named pipeline {name!r} takes no options")
            return Pipeline.parse(PIPELINES[name]).passes
        try:
            cls = pass_named(name)
        except PassError as error:
            hint = did_you_mean(name, (*known_passes(), *PIPELINES)) or error.diagnostics[0].hint
            raise self.error(start, match.end(), f"unknown pass {name!r}", hint) from None
        options, places = self.options() if braces else ({}, {})
        try:
            return (cls.from_options(options),)
        except OptionError as error:
            place = places.get(error.option) or self.span(start, match.end())
            raise PassError(Diagnostic("P201", str(error), place, hint=error.hint)) from None

    def options(self) -> tuple[dict[str, Any], dict[str, Span]]:
        """The braces at `at`: values, and the place of each name."""
        end = self.closing_brace()
        # Blanks in place of what precedes, so that the parser counts lines and columns as in the whole text.
        blanked = re.sub(r"[^\n]", " ", self.text[: self.at]) + self.text[self.at : end]
        try:
            records = read(blanked, self.source, "options")
        except IRError as error:
            raise PassError([Diagnostic("P201", d.message, d.span, hint=d.hint) for d in error.diagnostics]) from None
        self.at = end
        values: dict[str, Any] = {}
        places: dict[str, Span] = {}
        for record in records:
            name, place = str(record.name), self.source.span(record.name)
            if name in values:
                raise PassError(Diagnostic("P201", f"option {name!r} is given twice", place))
            values[name], places[name] = plain(record.value), place
        return values, places

    def closing_brace(self) -> int:
        """The offset after the brace that closes the one at `at`."""
        depth = 0
        for match in re.finditer(r'"([^"\\\n]|\\.)*"|[{}]', self.text[self.at :]):
            depth += {"{": 1, "}": -1}.get(match.group(), 0)
            if depth == 0:
                return self.at + match.end()
        raise self.error(self.at, self.at + 1, "this brace is not closed")

    def span(self, start: int, end: int) -> Span:
        line = self.text.count("\n", 0, start) + 1
        column = start - (self.text.rfind("\n", 0, start) + 1) + 1
        shown = self.source.lines[line - 1] if line <= len(self.source.lines) else ""
        return Span(self.source.file, line, column, column + end - start, shown)

    def error(self, start: int, end: int, message: str, hint: str = "") -> PassError:
        return PassError(Diagnostic("P201", message, self.span(start, end), hint=hint))


@attrs.frozen
class PassRecord:
    """What one run of one pass did."""

    pass_text: str
    seconds: float
    changed: bool
    layers_before: int
    layers_after: int


def count_layers(module: Module) -> int:
    """Number of layers in all functions."""
    return sum(len(f.body) for f in module.functions.values())


@attrs.define
class PassManager:
    """Runs a pipeline: verifies, times and counts; prints and writes reproducers on request."""

    pipeline: Pipeline
    verify: bool = True
    """Check the module before the first pass and after each one."""
    check_changed: bool = False
    """Check that each pass reports a change exactly when the text form changed. For tests: prints all modules twice."""
    print_ir_after: Collection[str] = ()
    """Names of the passes after which `on_print` is called."""
    print_ir_after_all: bool = False
    print_ir_after_change: bool = False
    """Call `on_print` after each pass that changed something."""
    on_print: Callable[[str, Module], None] = lambda _pass, _module: None
    """Receives the text of the pass and the module."""
    reproducer: str | Path | None = None
    """Where to write the IR and the rest of the pipeline if a pass fails."""

    def run(self, module: Module, context: PassContext | None = None) -> bool:
        """Run all passes on the module, in place; returns whether anything changed.

        Raises:
            IRError: the module was invalid from the start.
            PassFailed: a pass raised an unexpected exception, or left invalid IR behind.
            PlaitError: a pass found a fault of its input or options.
        """
        context = context or PassContext()
        if self.verify:
            verify(module)
        changed = [self._run_one(i, module, context) for i in range(len(self.pipeline))]
        return any(changed)

    def _run_one(self, index: int, module: Module, context: PassContext) -> bool:
        one = self.pipeline.passes[index]
        before = count_layers(module)
        snapshot = module.clone() if self.reproducer is not None else None
        text = print_module(module) if self.check_changed else ""
        context.current = one.name
        start = time.perf_counter()
        try:
            changed = one.run(module, context)
            seconds = time.perf_counter() - start
            problem = self._problem(module, text, changed)
        except PlaitError:
            raise
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
            raise PassFailed(str(one), problem, self._write_reproducer(index, snapshot, problem)) from error
        finally:
            context.current = ""
        if problem:
            raise PassFailed(str(one), problem, self._write_reproducer(index, snapshot, problem))
        context.records.append(PassRecord(str(one), seconds, changed, before, count_layers(module)))
        if self.print_ir_after_all or one.name in self.print_ir_after or (changed and self.print_ir_after_change):
            self.on_print(str(one), module)
        return changed

    def _problem(self, module: Module, before: str, changed: bool) -> str:
        """What is wrong with a module after a pass, or an empty text."""
        if self.verify:
            try:
                verify(module)
            except IRError as error:
                return f"the module is not valid after it\n{error}"
        if self.check_changed and (print_module(module) != before) != changed:
            if changed:
                return "it reported a change but the text form is the same"
            return "it changed the text form but reported no change"
        return ""

    def _write_reproducer(self, index: int, snapshot: Module | None, problem: str) -> str | None:
        """An `.ir` file whose head comment names the rest of the pipeline; weights go beside it if they can be read."""
        if self.reproducer is None or snapshot is None:
            return None
        path = Path(self.reproducer)
        rest = Pipeline(self.pipeline.passes[index:])
        head = f"// RUN: {rest}\n" + "".join(f"// {line}\n" for line in problem.splitlines())
        try:
            save_ir(snapshot, path)
            text = path.read_text(encoding="utf-8")
        except PlaitError:
            text = print_module(snapshot)
        write_text(path, head + text)
        return str(path)


def run_pipeline(text: str, module: Module, context: PassContext | None = None) -> bool:
    """Parse a pipeline and run it on a module; returns whether the module changed."""
    return PassManager(Pipeline.parse(text)).run(module, context)
