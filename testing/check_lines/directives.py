"""What `CHECK` lines say: their kinds and their patterns.

A pattern is text, in which

- a run of blanks stands for any run of blanks,
- `{{regex}}` is a regular expression of Python's `re`,
- `[[NAME:regex]]` is one whose match gets a name, and `[[NAME]]` is that match again.

`CHECK{LITERAL}: text` takes all of it as it is. Source of the notation: the FileCheck manual of LLVM.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import attrs

KINDS = ("CHECK", "NEXT", "SAME", "NOT", "DAG", "LABEL", "COUNT", "EMPTY")
_VARIABLE = re.compile(r"\[\[([A-Za-z_]\w*)(:)?")
_BLANKS = re.compile(r"[ \t]+")


class MalformedCheck(ValueError):
    """A `CHECK` line cannot be read; the message starts with its place."""


@attrs.frozen
class Text:
    """Characters that stand for themselves."""

    text: str

    def regex(self, known: Mapping[str, str]) -> str:
        return r"[ \t]+".join(re.escape(part) for part in _BLANKS.split(self.text))


@attrs.frozen
class Literal(Text):
    """Characters that stand for themselves, blanks included."""

    def regex(self, known: Mapping[str, str]) -> str:
        return re.escape(self.text)


@attrs.frozen
class Regex:
    """`{{source}}`, or with a name `[[name:source]]`."""

    source: str
    name: str = ""

    def regex(self, known: Mapping[str, str]) -> str:
        return f"(?P<{self.name}>{self.source})" if self.name else f"(?:{self.source})"


@attrs.frozen
class Use:
    """`[[name]]`: what `name` matched, on an earlier line or further to the left on this one."""

    name: str
    here: bool
    """Whether the name is defined on this line."""

    def regex(self, known: Mapping[str, str]) -> str:
        return f"(?P={self.name})" if self.here else re.escape(known[self.name])


Part = Text | Regex | Use


@attrs.frozen
class Directive:
    """One line: `kind` is one of `KINDS`, `line` counts from 1 in the text that holds the checks."""

    kind: str
    text: str
    line: int
    parts: tuple[Part, ...] = ()
    count: int = 1
    prefix: str = "CHECK"

    @property
    def label(self) -> str:
        """The directive as it is written."""
        middle = f"-{self.count}" if self.kind == "COUNT" else ""
        return self.prefix if self.kind == "CHECK" else f"{self.prefix}-{self.kind}{middle}"

    @property
    def uses(self) -> tuple[str, ...]:
        """Names that earlier lines must have matched."""
        return tuple(p.name for p in self.parts if isinstance(p, Use) and not p.here)

    @property
    def defines(self) -> tuple[str, ...]:
        """Names that this line matches."""
        return tuple(p.name for p in self.parts if isinstance(p, Regex) and p.name)

    def pattern(self, known: Mapping[str, str]) -> re.Pattern[str]:
        """The regular expression, with `known` names put in."""
        return re.compile("".join(p.regex(known) for p in self.parts), re.MULTILINE)


def parse_checks(text: str, prefix: str = "CHECK", file: str = "<checks>", first_line: int = 1) -> list[Directive]:
    """The directives in a text, other lines aside.

    Raises:
        MalformedCheck: a directive is unknown, empty, or its pattern is wrong.
    """
    line_form = re.compile(rf"(?<![\w-]){re.escape(prefix)}(-[\w-]*)?(\{{LITERAL\}})?:(.*)")
    found: list[Directive] = []
    for number, line in enumerate(text.splitlines(), first_line):
        if match := line_form.search(line):
            try:
                found.append(
                    _directive(match.group(1) or "", match.group(3), match.group(2) is not None, number, prefix)
                )
                _check_order(found)
            except ValueError as error:
                raise MalformedCheck(f"{file}:{number}: {error}\n  {line.strip()}") from None
    return found


def _directive(suffix: str, text: str, literal: bool, line: int, prefix: str) -> Directive:
    kind, count = _kind(suffix, prefix)
    text = text.strip()
    if bool(text) == (kind == "EMPTY"):
        raise ValueError(f"{prefix}-EMPTY takes no text" if text else f"nothing stands after {prefix}")
    parts = (Literal(text),) if literal else tuple(_parts(text))
    directive = Directive(kind, text, line, parts, count, prefix)
    try:
        directive.pattern(dict.fromkeys(directive.uses, ""))
    except re.error as error:
        raise ValueError(f"the regular expression is wrong: {error}") from None
    if kind == "LABEL" and (directive.uses or directive.defines):
        raise ValueError(f"{prefix}-LABEL takes no names: labels are found before all else")
    if kind == "NOT" and directive.defines:
        raise ValueError(f"{prefix}-NOT defines a name, but must not match")
    return directive


def _kind(suffix: str, prefix: str) -> tuple[str, int]:
    """The kind and the count in `-NEXT` or `-COUNT-3`; no suffix means a plain check."""
    if not suffix:
        return "CHECK", 1
    word = suffix[1:]
    if match := re.fullmatch(r"COUNT-([1-9]\d*)", word):
        return "COUNT", int(match.group(1))
    if word in KINDS and word not in ("CHECK", "COUNT"):
        return word, 1
    known = ", ".join(f"{prefix}-{k}" for k in KINDS[1:]).replace("COUNT", "COUNT-<n>")
    raise ValueError(f"there is no {prefix}-{word} (known: {prefix}, {known})")


def _check_order(found: list[Directive]) -> None:
    last = found[-1]
    if last.kind in ("NEXT", "SAME", "EMPTY") and not any(d.kind not in ("NOT",) for d in found[:-1]):
        raise ValueError(f"{last.label} needs a line before it that matches")


def _parts(text: str) -> Iterator[Part]:
    """Split a pattern; a `[[` that no name follows is text, for nested lists of numbers have it."""
    defined: set[str] = set()
    start = place = 0
    while place < len(text):
        variable = _VARIABLE.match(text, place)
        if not text.startswith("{{", place) and variable is None:
            place += 1
            continue
        if place > start:
            yield Text(text[start:place])
        if variable is None:
            end = _end(text, place + 2, "}")
            yield Regex(text[place + 2 : end])
        else:
            name = variable.group(1)
            end = _end(text, variable.end(), "]")
            if variable.group(2):
                defined.add(name)
                yield Regex(text[variable.end() : end], name)
            elif end != variable.end():
                raise ValueError(f"{text[place : end + 2]} is neither [[NAME]] nor [[NAME:regex]]")
            else:
                yield Use(name, name in defined)
        start = place = end + 2
    if start < len(text):
        yield Text(text[start:])


def _end(text: str, start: int, bracket: str) -> int:
    """Where the closing pair of brackets begins: at the end of a run, so that `{{a{2}}}` and `[[X:[a-z]]]` are read."""
    end = text.find(bracket * 2, start)
    if end < 0:
        raise ValueError(f"{bracket * 2} is missing")
    while text.startswith(bracket, end + 2):
        end += 1
    return end
