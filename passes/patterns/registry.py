"""Patterns by name: those that plug-ins and loaded files give.

An entry point of the group `plait.patterns` names a pattern file (a path) or a sequence of patterns:

    [project.entry-points."plait.patterns"]
    squares = "my_package:PATTERNS"         # PATTERNS = Path(__file__).with_name("squares.pdl")

`rewrite{file=squares}` then applies them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from plait.ir.named_registry import Registry
from plait.passes.patterns.files import load_patterns
from plait.passes.rewriting.rule import Pattern

Source = str | Path | Sequence[Pattern]
"""A pattern file, or patterns."""


def _problem(name: str, thing: Any) -> str:
    if isinstance(thing, (str, Path)):
        return ""
    if isinstance(thing, Sequence) and all(isinstance(p, Pattern) for p in thing):
        return ""
    return f"{thing!r} is neither the path of a pattern file nor a sequence of patterns"


_registry: Registry[Source] = Registry("pattern set", "plait.patterns", problem=_problem)


def register_patterns(name: str, source: Source) -> None:
    """Make a pattern file or patterns known by a name.

    Raises:
        ValueError: they are neither.
        PluginError: P602, the name is taken.
    """
    if problem := _problem(name, source):
        raise ValueError(problem)
    origin = str(source) if isinstance(source, (str, Path)) else ", ".join(p.name for p in source)
    _registry.add(name, source, origin)


def known_patterns() -> tuple[str, ...]:
    """Names of all pattern sets, sorted. Imports none of them."""
    return tuple(sorted(_registry.names()))


def patterns_named(name: str) -> list[Pattern] | None:
    """The patterns of a name, or None if there is none.

    Raises:
        PluginError: the plug-in that has the name cannot be loaded.
        IRError: its file has errors.
    """
    source = _registry.find(name)
    if source is None:
        return None
    return [*load_patterns(source)] if isinstance(source, (str, Path)) else list(source)
