"""Apply the patterns of files, or those that a plug-in gives under a name.

rewrite{file=my.pdl}
rewrite{file=[a.pdl, b.pdl, squares]}
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import attrs

from plait.ir.attributes import attribute_text
from plait.ir.diagnostics import Diagnostic, IRError, join_names
from plait.ir.module import Module
from plait.passes.base import Pass, PassContext
from plait.passes.patterns.declarative import DeclarativePattern
from plait.passes.patterns.files import parse_patterns, read_text
from plait.passes.patterns.registry import known_patterns, patterns_named
from plait.passes.registry import register_pass
from plait.passes.rewriting import Pattern, RewriteLoop, rewrite_module


@attrs.frozen
class PatternFile:
    """Patterns as they were when the pipeline was read, and the file or name that they come from."""

    path: str
    patterns: tuple[Pattern, ...] = attrs.field(eq=False, repr=False)

    def attribute_text(self) -> str:
        """The option's value: the path or name."""
        return attribute_text(self.path)


def _files(value: str | Path | Sequence[str | Path | PatternFile]) -> tuple[PatternFile, ...]:
    parts = (value,) if isinstance(value, (str, Path)) else tuple(value)
    if not parts:
        raise ValueError("wants the name of a pattern file")
    return tuple(part if isinstance(part, PatternFile) else _file(part) for part in parts)


def _file(path: str | Path) -> PatternFile:
    if not isinstance(path, (str, Path)):
        raise TypeError(f"wants the name of a pattern file, got {path!r}")
    if (named := patterns_named(str(path))) is not None:
        return PatternFile(str(path), tuple(named))
    try:
        text = read_text(path)
    except IRError as error:
        known = f" (known by name: {join_names(known_patterns())})" if known_patterns() else ""
        raise ValueError(f"{error.diagnostics[0].message}{known}") from None
    return PatternFile(str(path), tuple(parse_patterns(text, str(path))))


@register_pass
@attrs.frozen
class Rewrite(Pass):
    """Apply patterns. Option: `file`, one pattern file or several, relative to the working directory."""

    name = "rewrite"

    file: tuple[PatternFile, ...] = attrs.field(converter=_files)

    def run(self, module: Module, context: PassContext) -> bool:
        patterns = [pattern for file in self.file for pattern in file.patterns]
        try:
            return rewrite_module(module, patterns, context)
        except RewriteLoop as loop:
            # The fault of who wrote the patterns, not of the pass.
            places = {p.name: p.span for p in patterns if isinstance(p, DeclarativePattern)}
            raise IRError(Diagnostic("P214", str(loop), places.get(loop.rules[0]))) from None
