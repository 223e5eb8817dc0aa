"""Where things are and what is wrong with them: spans, locations, diagnostics, and the errors that carry them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from unicodedata import combining, east_asian_width

import attrs

_LONGEST = 160
"""Lines of more characters than this are shown in part."""
_AROUND = 60
"""How many characters before the place are shown of such lines."""

CODES: dict[str, str] = {
    "P001": "the text is not in the grammar",
    "P002": "a name is defined twice",
    "P003": "a value or constant is used but not defined",
    "P004": "a value is used before its definition",
    "P005": "the version of the text form is not supported",
    "P006": "a type, layout or literal is malformed",
    "P007": "a weights file is missing, damaged, or does not match its declaration",
    "P101": "a layer name is not registered",
    "P102": "an attribute or operand is unknown, missing or of the wrong kind",
    "P103": "a declared result type differs from the inferred one",
    "P104": "the operands or attributes of a layer do not fit together",
    "P105": "an output of a function is not available in it",
    "P106": "operand formats differ from what the chosen routine takes, or a layout does not fit a rank",
    "P107": "the structure of a module in memory is damaged (a defect of the pass or program that made it)",
    "P108": "a call does not fit the net that it names, or nets call themselves",
    "P201": "a pass name, option or pipeline is not valid",
    "P210": "a graph of a pattern is not connected, or empty",
    "P211": "a name in a pattern is not bound by its match graph",
    "P212": "the results of a replacement do not correspond to those of the match",
    "P213": "a constraint of a pattern is not valid",
    "P214": "patterns of a file undo one another",
    "P301": "a model file cannot be read",
    "P302": "a model uses something that is not supported",
    "P303": "a model is inconsistent",
    "P401": "a run-time input does not fit the model",
    "P402": "a package is damaged or of an unsupported version",
    "P403": "no routine can run a layer",
    "P501": "the profile database cannot be used",
    "P502": "a file of measurements cannot be read or written",
    "P510": "a worker cannot be used",
    "P520": "a network cannot be quantized, or samples for calibration cannot be used",
    "P521": "it cannot be told how much accuracy a network loses",
    "P404": "a routine descriptor is malformed or matches nothing",
    "P601": "a plug-in or a file given by --load cannot be loaded",
    "P602": "two parties register the same name",
    "P603": "a plug-in is for another version of the plug-in interface",
    "P701": "a file is not a selection problem or solution",
    "P702": "a selection problem has no plan, or a solver cannot take it on",
    "P703": "the name or an option of a solver is not valid",
    "P704": "a program that is used as a solver failed, or its answer is wrong",
}
"""Every diagnostic code with its meaning; each has a negative test."""


@attrs.frozen
class Span:
    """A place in a text file. Lines and columns count from 1; `end` is the column after the last character."""

    file: str
    line: int
    column: int
    end: int
    text: str = attrs.field(default="", eq=False, repr=False)
    """The source line, for the caret."""


@attrs.frozen
class Location:
    """Where a layer came from in the original model: a file and a node name."""

    file: str
    name: str

    def __str__(self) -> str:
        return f"{self.file}:{self.name}"


@attrs.frozen
class Diagnostic:
    """One finding: code, message, place, and how to mend it."""

    code: str
    message: str
    span: Span | None = None
    where: str = ""
    """A place that is not in a text file: a layer, a node of a model, a file."""
    hint: str = ""

    def __attrs_post_init__(self) -> None:
        assert self.code in CODES, self.code

    def __str__(self) -> str:
        return self.render()

    def render(self) -> str:
        """`file:line:col: error[P123]: message`, the source line with a caret, and the hint."""
        if self.span is None:
            place = f"{self.where}: " if self.where else ""
            lines = [f"{place}error[{self.code}]: {self.message}"]
        else:
            s = self.span
            lines = [f"{s.file}:{s.line}:{s.column}: error[{self.code}]: {self.message}"]
            if s.text:
                lines += _excerpt(s)
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)


def display_width(text: str) -> int:
    """How many columns of a terminal a text takes: wide characters two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def _excerpt(span: Span) -> list[str]:
    """The line of a place, or of a very long one what is about the place, and a line with carets below it."""
    first = span.column - 1
    last = max(first + 1, min(span.end - 1, len(span.text)))
    start = max(0, first - _AROUND) if len(span.text) > _LONGEST else 0
    stop = min(len(span.text), start + _LONGEST)
    before = ("…" if start else "") + span.text[start:first]
    blank = "".join("\t" if c == "\t" else " " * display_width(c) for c in before)
    marked = min(last, stop)
    line = before + span.text[first:stop] + ("…" if stop < len(span.text) else "")
    return [line, blank + "^" * max(1, display_width(span.text[first:marked]))]


class PlaitError(Exception):
    """Base of all errors that a user can cause. Carries diagnostics; `exit_code` is what the command line returns."""

    exit_code = 1

    def __init__(self, diagnostics: Diagnostic | Iterable[Diagnostic]) -> None:
        found = (diagnostics,) if isinstance(diagnostics, Diagnostic) else tuple(diagnostics)
        assert found
        self.diagnostics: tuple[Diagnostic, ...] = found
        super().__init__("\n".join(d.render() for d in found))

    def __reduce__(self) -> tuple[type[PlaitError], tuple[tuple[Diagnostic, ...]]]:
        # Pickled by its diagnostics, so that it can come from another process.
        return type(self), (self.diagnostics,)

    @property
    def code(self) -> str:
        """Code of the first diagnostic."""
        return self.diagnostics[0].code


class IRError(PlaitError):
    """The IR is not valid (text or in memory)."""

    exit_code = 3


class ShapeError(ValueError):
    """Raised by `Layer.infer` and `Layer.check`; the verifier turns it into a diagnostic with a place."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint with the closest known names, or an empty string."""
    import difflib

    close = difflib.get_close_matches(name, list(known), n=3)
    return f"did you mean {' or '.join(close)}?" if close else ""


def unknown(kind: str, name: object, known: Iterable[str]) -> str:
    """`unknown dtype 'f23'; did you mean f32?`, or all known names if none is close."""
    words = list(known)
    close = did_you_mean(str(name), words) or did_you_mean(str(name).lower(), words)
    return f"unknown {kind} {name!r}" + (f"; {close}" if close else f" (known: {', '.join(words)})")


def join_names(names: Sequence[str], limit: int = 5) -> str:
    """`a, b, c and 4 more`."""
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
