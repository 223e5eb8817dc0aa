"""A text that is being edited: its outline, what the reader makes of it, and what is known of an earlier state."""

from __future__ import annotations

import functools
import itertools
import re

import attrs

from plait.cli.editing.outline import Key, Mark, Outline, Statement
from plait.cli.editing.outliner import outline
from plait.cli.editing.positions import Lines, Position
from plait.cli.editing.scan import name_in
from plait.ir.diagnostics import Diagnostic, PlaitError
from plait.ir.layer import Layer
from plait.ir.module import Function, Module
from plait.ir.values import Value

_MODULE = re.compile(r"^ir\s+[0-9]+\s*$", re.MULTILINE)
_PATTERNS = re.compile(r"^rewrite\b", re.MULTILINE)


class Declined(Exception):
    """What was asked for cannot be done; the message says why."""


@attrs.define(eq=False)
class Facts:
    """A module by the names in its text."""

    module: Module
    values: dict[Key, Value]

    @classmethod
    def of(cls, module: Module) -> Facts:
        values: dict[Key, Value] = {("constant", "", name): c for name, c in module.constants.items()}
        for name, function in module.functions.items():
            values |= {("value", name, v.name): v for v in function.body.values()}
        return cls(module, values)


class Document:
    """One state of a text. Nothing is computed before it is asked for.

    Args:
        text: all of it.
        file: its name, for diagnostics.
        units: how positions count; see `Lines`.
        older: what was known of an earlier state, to answer from where this one is not whole.
    """

    def __init__(self, text: str, file: str = "<text>", *, units: str = "utf-16", older: Facts | None = None) -> None:
        self.text, self.file, self.older = text, file, older
        self.lines = Lines(text, units)
        self._parsed: tuple[Facts, list[Diagnostic]] | None = None

    @functools.cached_property
    def outline(self) -> Outline:
        """Where everything stands."""
        return outline(self.text)

    @functools.cached_property
    def holds_patterns(self) -> bool:
        """Whether this is a file of rewrites rather than a module."""
        return bool(_PATTERNS.search(self.text))

    def parse(self) -> tuple[Facts, list[Diagnostic]]:
        """What the reader makes of the text, and its complaints. Weights are not loaded."""
        if self._parsed is None:
            self._parsed = self._parse()
        return self._parsed

    def _parse(self) -> tuple[Facts, list[Diagnostic]]:
        from plait.ir.text.parser import parse_partial

        if self.holds_patterns:
            return Facts.of(Module()), self._check_patterns()
        try:
            module, errors = parse_partial(self.text, self.file)
        except PlaitError as error:  # such as a plug-in that cannot be loaded
            module, errors = Module(), list(error.diagnostics)
        return Facts.of(module), errors

    def _check_patterns(self) -> list[Diagnostic]:
        from plait.passes.patterns.files import parse_patterns

        try:
            parse_patterns(self.text, self.file)
        except PlaitError as error:
            return list(error.diagnostics)
        return []

    @property
    def is_new(self) -> bool:
        """Whether nothing is known of the text, nor of an earlier state."""
        return self._parsed is None and self.older is None

    @property
    def known(self) -> list[Facts]:
        """What is known, the newest first. The text is read only if nothing else is known."""
        if self._parsed is None and self.older is not None:
            return [self.older]
        return [self.parse()[0], *([self.older] if self.older is not None else [])]

    @property
    def lasting(self) -> Facts | None:
        """What the next state of the text should know as older: of a text without errors, if there ever was one."""
        if self._parsed is None or (self._parsed[1] and self.older is not None):
            return self.older
        return self._parsed[0]

    # --- what names mean ---

    def mark_at(self, position: Position) -> Mark | None:
        """What the token at a position means."""
        return self.outline.mark_at(self.lines.offset(position))

    def value(self, key: Key | None) -> Value | None:
        """The value that a name stands for."""
        return next((facts.values[key] for facts in self.known if key in facts.values), None) if key else None

    def net(self, key: Key) -> Function | None:
        """The function that a name stands for."""
        found = (facts.module.functions.get(key[2]) for facts in self.known)
        return next((f for f in found if f is not None), None)

    def layer(self, statement: Statement | None) -> Layer | None:
        """The layer that a statement makes."""
        if statement is None or not statement.results:
            return None
        value = self.value(("value", statement.scope.net, name_in(statement.results[0])))
        return value.owner if value is not None else None


def parts(text: str) -> list[tuple[int, str]]:
    """The modules of a text that holds several, such as an IR test: (offset, text), where what is above is left empty.

    A text with one `ir` line is one part.
    """
    starts = [m.start() for m in _MODULE.finditer(text)][1:]
    bounds = itertools.pairwise([0, *starts, len(text)])
    return [(start, re.sub(r"[^\r\n]+", "", text[:start]) + text[start:end]) for start, end in bounds]
