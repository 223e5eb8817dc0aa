"""Solvers as text: `exact`, `beam{width=128}`, `exec:./my_solver --fast`.

The grammar is that of passes in a pipeline. A solver is a function, or an attrs class whose instances are called and
whose fields are its options. The fields of `SolveOptions` can be set of every solver: `exact{dominance=false}`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from plait.ir.diagnostics import Diagnostic, PlaitError, Span, did_you_mean
from plait.passes.selection.options import SolveOptions, Solver
from plait.passes.selection.problem import Problem
from plait.passes.selection.solution import Solution

CODE = "P703"
EXTERNAL = "exec"
"""The solver that the shorthand `exec:COMMAND` means."""


class SolverError(PlaitError, ValueError):
    """The name or an option of a solver is not valid (P703)."""

    exit_code = 2


@attrs.frozen
class SolverText:
    """A name and its options as read, with their places in the text."""

    name: str
    place: Span | None = None
    options: Mapping[str, Any] = attrs.field(factory=dict)
    places: Mapping[str, Span] = attrs.field(factory=dict)


def read_solver(text: str) -> SolverText:
    """The name and options of a solver's text.

    Raises:
        SolverError: P703 at the place of the error.
    """
    if text.startswith(EXTERNAL + ":"):
        return SolverText(EXTERNAL, options={"command": text.removeprefix(EXTERNAL + ":").strip()})
    if text.isidentifier():
        return SolverText(text, Span("<solver>", 1, 1, len(text) + 1, text))
    from plait.passes.option_text import NAME, OptionText

    class Reader(OptionText):
        code, failure = CODE, SolverError

    reader = Reader(text, "<solver>")
    reader.space()
    match = NAME.match(text, reader.at)
    if match is None:
        raise reader.error(reader.at, reader.at + 1, "expected the name of a solver")
    reader.at = match.end()
    reader.space()
    values, places = reader.options() if text.startswith("{", reader.at) else ({}, {})
    reader.space()
    if reader.at < len(text):
        raise reader.error(reader.at, len(text), f"unexpected {text[reader.at :]!r} after the solver")
    return SolverText(match.group(), reader.span(*match.span()), values, {k: p for k, (p, _) in places.items()})


def configured(thing: Callable[..., Any], text: SolverText) -> Solver:
    """The solver that a registered function or class is with the options of a text.

    Raises:
        SolverError: P703, an option is unknown, missing or has a wrong value.
    """
    own = {f.name: f for f in attrs.fields(thing)} if isinstance(thing, type) and attrs.has(thing) else {}
    common = {f.name: f for f in attrs.fields(SolveOptions)}
    for name, value in text.options.items():
        where = f"option {name} of solver {text.name}"
        try:
            if name in own:
                _check(own[name], value)
            elif name in common:
                _same_kind(common[name].default, value)
            else:
                hint = did_you_mean(name, own) or (f"known: {', '.join(own)}" if own else "it has none of its own")
                raise _error(f"solver {text.name} has no option {name!r}", text, name, hint)
        except (TypeError, ValueError) as error:
            if isinstance(error, SolverError):
                raise
            raise _error(f"{where}: {error}", text, name) from None
    for name, field in own.items():
        if field.default is attrs.NOTHING and name not in text.options:
            raise _error(f"solver {text.name} needs option {name}", text, name)
    solve = thing(**{k: v for k, v in text.options.items() if k in own}) if isinstance(thing, type) else thing
    changed = {k: v for k, v in text.options.items() if k in common and k not in own}
    return _WithOptions(solve, changed) if changed else solve


@attrs.frozen
class _WithOptions:
    """A solver some of whose `SolveOptions` its text has set."""

    solve: Solver
    changed: Mapping[str, Any]

    def __call__(self, problem: Problem, options: SolveOptions = SolveOptions()) -> Solution:
        return self.solve(problem, attrs.evolve(options, **self.changed))


def _check(field: attrs.Attribute[Any], value: Any) -> None:
    if field.converter is not None:
        assert not isinstance(field.converter, attrs.Converter), "options take plain converters"
        value = field.converter(value)
    if field.validator is not None:
        field.validator(None, field, value)


def _same_kind(default: Any, value: Any) -> None:
    allowed = (int, float) if type(default) is float else (type(default),)
    if type(value) not in allowed:
        wanted = {bool: "true or false", float: "a number"}.get(type(default), "an integer")
        raise TypeError(f"wants {wanted}, got {value!r}")


def _error(message: str, text: SolverText, option: str, hint: str = "") -> SolverError:
    return SolverError(Diagnostic(CODE, message, text.places.get(option, text.place), hint=hint))


def unknown_solver(text: SolverText, known: tuple[str, ...]) -> SolverError:
    """The error for a name that no solver has."""
    hint = did_you_mean(text.name, known) or "`plait solvers` lists them"
    message = f"no solver {text.name!r}; known are {', '.join(known)}"
    return SolverError(Diagnostic(CODE, message, text.place, hint=hint))
