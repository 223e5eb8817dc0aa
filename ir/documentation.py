"""The documentation of a layer, read from the docstring of its class.

    \"""First paragraph: what it computes.

    Operands:
        x: one line for each.
    Attributes:
        axis: likewise.
    Shapes: the rule for every operand and result.
    Types: the rule for element types.
    Semantics: what more there is to say: rounding, padding, NaN, what is empty.
    Example:
        (%x: f32[2x3])
        %y = my_layer(%x) {axis = 0}
    Source: where the definition comes from.
    \"""

A section that a class leaves out is that of its base class, where `op` in the example is the name of the layer. In an
example, what stands before the head of the net, `(...)`, stands before the net.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping

import attrs

LISTS = ("Operands", "Regions", "Attributes")
"""Sections with a line for each field."""
TEXTS = ("Shapes", "Types", "Semantics", "Example", "Source")
"""Sections of running text, or of code."""
_TITLE = re.compile(rf"({'|'.join((*LISTS, *TEXTS))}):(?:[ ]+(.*))?$")
_ENTRY = re.compile(r"(\w+): (.*)")


@attrs.frozen
class Documentation:
    """What a docstring says: its first paragraph on one line, what follows it, sections by title, entries by field."""

    summary: str = ""
    description: str = ""
    texts: Mapping[str, str] = attrs.field(factory=dict)
    fields: Mapping[str, str] = attrs.field(factory=dict)

    def over(self, base: Documentation) -> Documentation:
        """This, with what it leaves out from that of a base class."""
        return attrs.evolve(self, texts={**base.texts, **self.texts}, fields={**base.fields, **self.fields})


def documentation_of(cls: type, base: type, name: str) -> Documentation:
    """The documentation of a layer's class, completed by its base classes below `base`."""
    found = Documentation()
    for each in reversed(cls.__mro__[: cls.__mro__.index(base)]):
        found = parse_documentation(each.__dict__.get("__doc__") or "").over(found)
    if "Example" in found.texts:
        example = re.sub(r"= op\(", f"= {name}(", found.texts["Example"])
        found = attrs.evolve(found, texts={**found.texts, "Example": example})
    return found


def parse_documentation(docstring: str) -> Documentation:
    """The parts of a docstring."""
    free, sections = _sections(inspect.cleandoc(docstring).splitlines())
    summary, _, description = "\n".join(free).strip().partition("\n\n")
    texts: dict[str, str] = {}
    fields: dict[str, str] = {}
    for title, lines in sections.items():
        if title in LISTS:
            fields.update(_entries(lines))
        else:
            texts[title] = "\n".join(lines).strip() if title == "Example" else _flow(lines)
    return Documentation(" ".join(summary.split()), description.strip(), texts, fields)


def _sections(lines: list[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Lines outside of sections, and those of each section, without its indent."""
    free: list[str] = []
    sections: dict[str, list[str]] = {}
    current = free
    for line in lines:
        if title := _TITLE.match(line):
            current = sections[title[1]] = [title[2] or ""]
        elif current is not free and line and not line.startswith("    "):
            current = free
            free += ["", line]
        else:
            current.append(line if current is free else line[4:])
    return free, sections


def _entries(lines: list[str]) -> dict[str, str]:
    """`name: text` entries; further lines of one are indented."""
    found: dict[str, str] = {}
    name = ""
    for line in lines:
        if entry := _ENTRY.match(line):
            name = entry[1]
            found[name] = entry[2].strip()
        elif line.strip() and name:
            found[name] += " " + line.strip()
    return found


def _flow(lines: list[str]) -> str:
    """Paragraphs and list items, each on one line."""
    text = "\n".join(lines).strip()
    return re.sub(r"(?<!\n)\n(?![\n-])\s*", " ", text)
