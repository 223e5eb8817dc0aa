"""What the attributes `plait...` of operations say beside what layers compute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import lark

from plait.ir.diagnostics import did_you_mean
from plait.ir.text.records import AttributeSyntax
from plait.ir.text.syntax import BadLiteral, plain

PREFIX = "plait."
Report = Callable[[str, lark.Token, str, str], None]
"""(code, place, message, hint)"""


def _is_strings(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(v, str) for v in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "string": (lambda v: isinstance(v, str), "a string"),
    "strings": (_is_strings, 'a list of strings such as ["a", "b"]'),
    "lists": (lambda v: isinstance(v, tuple) and all(map(_is_strings, v)), 'a list of lists such as [["a"], ["b"]]'),
    "integer": (lambda v: isinstance(v, int) and not isinstance(v, bool), "an integer"),
    "sizes": (lambda v: isinstance(v, tuple) and all(type(n) is int for n in v), "array<i32: ...>"),
    "number": (_is_number, "a number"),
    "dictionary": (lambda v: isinstance(v, dict), "a dictionary"),
    "any": (lambda v: True, "anything"),
}

OF_MODULE = {"version": "integer", "weights_file": "string", "weights_hash": "string"}
OF_LAYER = {
    "names": "strings",
    "arg_names": "lists",
    "region_names": "strings",
    "operand_names": "strings",
    "attributes": "dictionary",
    "via": "string",
    "cost_us": "number",
    "comment": "string",
    "locations": "lists",
}
"""Name of each attribute after `plait.`, and what its value must be."""


@attrs.define
class Notes:
    """The attributes of an operation that are there and as they should be."""

    values: dict[str, Any] = attrs.field(factory=dict)
    places: dict[str, lark.Token] = attrs.field(factory=dict)

    def get(self, name: str, default: Any = None) -> Any:
        """The value of an attribute."""
        return self.values.get(name, default)


def read_notes(entries: list[AttributeSyntax], known: dict[str, str], what: str, report: Report) -> Notes:
    """The attributes of these kinds. Others, and those of another kind, are reported: P102 at their name."""
    notes = Notes()
    for entry in entries:
        name = str(entry.name)
        if name not in known:
            report("P102", entry.name, f"{what} has no attribute {name!r}", did_you_mean(name, known))
            continue
        if name in notes.values:
            report("P102", entry.name, f"attribute {name!r} is given twice", "")
        try:
            value = plain(entry.value)
        except BadLiteral as bad:
            report("P006", bad.fault.at(entry.name), bad.fault.message, "")
            continue
        fits, wanted = _KINDS[known[name]]
        if fits(value):
            notes.values[name], notes.places[name] = value, entry.name
        else:
            report("P102", entry.name, f"{name} must be {wanted}", "")
    return notes


def layer_entries(entries: list[AttributeSyntax]) -> tuple[list[AttributeSyntax], list[AttributeSyntax]]:
    """Attributes outside of the properties: those of the layer itself, and those with our prefix, without it."""
    own = [e for e in entries if not e.name.startswith(PREFIX)]
    return own, without_prefix(e for e in entries if e.name.startswith(PREFIX))


def without_prefix(entries: Any) -> list[AttributeSyntax]:
    """The same attributes under their names without `plait.`."""
    return [
        AttributeSyntax(lark.Token.new_borrow_pos("NAME", e.name.removeprefix(PREFIX), e.name), e.value)
        for e in entries
    ]
