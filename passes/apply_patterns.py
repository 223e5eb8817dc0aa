"""Apply the patterns of files.

rewrite{file=my.pdl}
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import attrs

from plait.ir.attributes import attribute_text
from plait.ir.diagnostics import Diagnostic, IRError
from plait.ir.module import Module
from plait.passes.base import Pass, PassContext
from plait.passes.patterns.declarative import DeclarativePattern
from plait.passes.patterns.files import parse_patterns, read_text
from plait.passes.registry import register_pass
from plait.passes.rewrite import RewriteLoop, rewrite_module


@attrs.frozen
class PatternFile:
    """A pattern file as it was when the pipeline was read."""

    path: str
    patterns: tuple[DeclarativePattern, ...] = attrs.field(eq=False, repr=False)

    def attribute_text(self) -> str:
        """The option's value: the path."""
        return attribute_text(self.path)


def _files(value: str | Path | Sequence[str | Path | PatternFile]) -> tuple[PatternFile, ...]:
    files = []
    for path in (value,) if isinstance(value, (str, Path)) else tuple(value):
        if isinstance(path, PatternFile):
            files.append(path)
            continue
        if not isinstance(path, (str, Path)):
            raise TypeError(f"wants the name of a pattern file, got {path!r}")
        try:
            text = read_text(path)
        except IRError as error:
            raise ValueError(error.diagnostics[0].message) from None
        files.append(PatternFile(str(path), tuple(parse_patterns(text, str(path)))))
    if not files:
        raise ValueError("wants the name of a pattern file")
    return tuple(files)


@register_pass
@attrs.frozen
class Rewrite(Pass):
    """Apply the patterns of files. Option: `file`, one name or several, relative to the working directory."""

    name = "rewrite"

    file: tuple[PatternFile, ...] = attrs.field(converter=_files)

    def run(self, module: Module, context: PassContext) -> bool:
        patterns = [pattern for file in self.file for pattern in file.patterns]
        try:
            return rewrite_module(module, patterns, context)
        except RewriteLoop as loop:
            # The fault of who wrote the patterns, not of the pass.
            places = {pattern.name: pattern.span for pattern in patterns}
            raise IRError(Diagnostic("P214", str(loop), places.get(loop.rules[0]))) from None
