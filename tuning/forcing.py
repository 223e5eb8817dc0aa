"""Patterns of routines (`--routine`) on a selection problem: pure data, whose routines may have names of any form.

A name that is a path (`cpu/f32/nchw16c/direct`) is matched field by field. Any other is matched as a whole by what
stands before the `@`, a `*` standing for any text; it may go on after a `/`.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from plait.backends.descriptor import RoutinePath, RoutinePattern, allowed
from plait.backends.errors import DescriptorError
from plait.ir.diagnostics import Diagnostic, join_names
from plait.passes.selection.problem import Problem
from plait.passes.selection.restrict import Restriction, restrict


def forced(problem: Problem, patterns: Sequence[RoutinePattern]) -> Restriction:
    """The problem with only the routines that the patterns allow; the last one that names a layer decides for it.

    A pattern without layers restricts those layers that have such routines. Layers are named as in the problem or by
    their number in it; inputs and outputs of the graph count as layers.

    Raises:
        DescriptorError: P404, a pattern names no layer, or no routine of a layer that it names, or of any layer.
    """
    names = [layer.name for layer in problem.layers]
    for pattern in patterns:
        if not any(place in pattern.layers for place in enumerate(names)):
            hint = f"layers are numbered 0 to {len(names) - 1}, or called {join_names(names)}"
            raise DescriptorError(
                Diagnostic("P404", f"--routine {pattern.text!r} names no layer of the problem", hint=hint)
            )
    used: set[str] = set()
    kept = [_kept(problem, i, allowed(patterns, i, name), used) for i, name in enumerate(names)]
    _check_used(problem, patterns, used)
    return restrict(problem, kept)


def _kept(problem: Problem, layer: int, pattern: RoutinePattern | None, used: set[str]) -> list[int]:
    routines = problem.routines(layer)
    everything = list(range(len(routines)))
    if pattern is None:
        return everything
    found = [k for k in everything if matches(pattern, routines[k].name)]
    if found:
        used.add(pattern.text)
        return found
    if pattern.is_about_layers:
        raise DescriptorError(
            Diagnostic(
                "P404",
                f"--routine {pattern.text!r} matches no routine of {problem.layer_label(layer)}",
                hint=f"it has {join_names([r.name for r in routines])}",
            )
        )
    return everything


def _check_used(problem: Problem, patterns: Sequence[RoutinePattern], used: set[str]) -> None:
    for pattern in patterns:
        every = (r.name for table in problem.tables for r in table.routines)
        if pattern.text not in used and not any(matches(pattern, name) for name in every):
            raise DescriptorError(Diagnostic("P404", f"--routine {pattern.text!r} matches no routine of the problem"))


def matches(pattern: RoutinePattern, name: str) -> bool:
    """Whether a routine of this name is one that the pattern describes."""
    try:
        return pattern.matches(RoutinePath.parse(name))
    except DescriptorError:
        body = pattern.text.partition("@")[0]
        return fnmatchcase(name, body) or fnmatchcase(name, f"{body}/*")
