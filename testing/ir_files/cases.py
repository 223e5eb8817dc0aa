"""Reading of `*.ir` test files: which lines are directives, and what they say."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence

import attrs

from plait.testing.ir_files.errors import WantedError, wanted_errors

ARROW = "// ==>"
_SEPARATOR = re.compile(r"// -----[ \t]*(.*)\n?\Z")
_DIRECTIVE = re.compile(r"\s*// ?(RUN|KEEPS|ALLOW|CHECK[\w-]*(?:\{LITERAL\})?):[ \t]*(.*)|\s*// error@")
_FLAGS = {"KEEPS": "no numbers", "ALLOW": "unknown layers"}


class CaseError(ValueError):
    """A case is not well written; the message starts with its place."""


@attrs.frozen
class Case:
    """One case of a file."""

    file: str
    title: str
    first: int
    """Offset of its first line in the file."""
    lines: Sequence[str] = attrs.field(repr=False)
    """Its lines with their ends."""
    pipeline: str | None = None
    """What `RUN` says, or None."""
    arrow: int | None = None
    """Offset of `// ==>` in `lines`."""
    keeps_numbers: bool = True
    allow_unknown: bool = False

    @property
    def source(self) -> Sequence[str]:
        """The lines before `// ==>`."""
        return self.lines[: self.arrow]

    @property
    def text(self) -> str:
        """The module before the pipeline. Blank lines stand in front and for directives, so that lines count as in the
        file and directives are not comments of layers."""
        kept = ["\n" if _DIRECTIVE.match(line) else line for line in self.source]
        return "\n" * self.first + "".join(kept)

    @property
    def expected(self) -> str | None:
        """The module after `// ==>`, with blank lines in front, or None."""
        if self.arrow is None:
            return None
        return "\n" * (self.first + self.arrow + 1) + "".join(self.lines[self.arrow + 1 :])

    @property
    def checks(self) -> str | None:
        """The `CHECK` lines, with blank lines for all others; None if there are none."""
        kept = [line if self._word(line).startswith("CHECK") else "\n" for line in self.source]
        return "".join(kept) if any(line != "\n" for line in kept) else None

    @property
    def errors(self) -> list[WantedError]:
        """The diagnostics that must come."""
        return wanted_errors(self.source, self.first + 1)

    @staticmethod
    def _word(line: str) -> str:
        match = _DIRECTIVE.match(line)
        return (match.group(1) or "") if match else ""


def read_cases(text: str, file: str) -> list[Case]:
    """The cases in the text of a file.

    Raises:
        CaseError: a directive contradicts another or says nothing that is known.
    """
    lines = text.splitlines(keepends=True)
    bounds = [-1, *(i for i, line in enumerate(lines) if _SEPARATOR.match(line)), len(lines)]
    cases = []
    for first, last in itertools.pairwise(bounds):
        match = _SEPARATOR.match(lines[first]) if first >= 0 else None
        title = (match.group(1) if match else "") or f"line {first + 2}"
        body = lines[first + 1 : last]
        if any(not line.startswith("//") and line.strip() for line in body):
            cases.append(_read(file, title, first + 1, body))
    return cases


def _read(file: str, title: str, first: int, lines: list[str]) -> Case:
    arrow = next((i for i, line in enumerate(lines) if line.strip() == ARROW), None)
    found: dict[str, str] = {}
    for number, word, rest in _directives(lines[:arrow]):
        place = f"{file}:{first + number + 1}"
        if word in found:
            raise CaseError(f"{place}: a second {word} in one case")
        if word in _FLAGS and rest != _FLAGS[word]:
            raise CaseError(f"{place}: {word} says {_FLAGS[word]!r} or is left out, got {rest!r}")
        found[word] = rest
    case = Case(file, title, first, lines, found.get("RUN"), arrow, "KEEPS" not in found, "ALLOW" in found)
    if arrow is not None and case.pipeline is None:
        raise CaseError(f"{file}:{first + arrow + 1}: an expected module needs a line // RUN: pipeline")
    if case.errors and (arrow is not None or case.checks):
        raise CaseError(f"{file}:{first + 1}: a case that expects errors has no result to compare")
    return case


def _directives(lines: Sequence[str]) -> Iterator[tuple[int, str, str]]:
    """(offset, word, what follows) of all but CHECK lines and errors."""
    for number, line in enumerate(lines):
        match = _DIRECTIVE.match(line)
        if match and match.group(1) and not match.group(1).startswith("CHECK"):
            yield number, match.group(1), match.group(2).strip()
