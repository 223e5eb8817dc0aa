"""Hints for syntax errors: what a person who writes the text by hand probably meant.

Each function knows one part of the text. It sees what was found, what could stand there (as messages call it), and the
line up to and after the place; it says nothing where it is not sure.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import attrs

from plait.ir.diagnostics import did_you_mean


@attrs.frozen
class Place:
    """Where reading stopped."""

    found: str
    """The text of the token or character; empty at the end of the file."""
    expected: frozenset[str]
    """As messages call them: `'('`, `%value`."""
    line: str
    column: int

    @property
    def before(self) -> str:
        return self.line[: self.column - 1].rstrip()

    def only(self, *expected: str) -> bool:
        """Whether nothing else could stand here."""
        return self.expected == set(expected)


def hint(place: Place) -> str:
    """How to mend the text, or an empty string."""
    return next(filter(None, (part(place) for part in _PARTS)), "")


def _characters(p: Place) -> str:
    """Signs of other languages."""
    if p.found == ";":
        return "statements need no sign at their end"
    if p.found == "#" or (p.found == "/" and p.line[p.column :].startswith("*")):
        return "comments start with // and end with the line"
    if p.found == "'":
        return 'strings stand in double quotes: "text"'
    if p.found == '"':
        return "the string does not end on its line"
    if re.match(r"\.\d", p.line[p.column - 1 :]):
        return "numbers start with a digit: 0.5"
    if re.match(r"x[0-9A-Fa-f]", p.found) and p.before.endswith("0"):
        return "numbers are decimal"
    return ""


def _file(p: Place) -> str:
    if p.only("'ir'") or (p.only("an integer") and p.before == "ir"):
        return "a text starts with the line: ir 1"
    if not p.found and "'}'" in p.expected:
        return "a '{' is not closed"
    if p.found in ("func", "def", "fn", "function", "graph", "define"):
        return "functions are nets: net @main(%x: f32[4]) -> (%y: f32[4]) {"
    if "'net'" in p.expected:
        return did_you_mean(p.found, ("net", "const", "weights"))
    return ""


def _item(p: Place) -> str:
    """Heads of nets and constants, wherever they are wrong."""
    if re.match(r"\s*net\b", p.line) and not p.only("a shape such as [1x3x32x32]"):
        return "the head of a net is: net @main(%x: f32[4]) -> (%y: f32[4]) {"
    if re.match(r"\s*const\b", p.line) and ("':'" in p.expected or p.only("@constant")):
        return "a constant is: const @k : f32[2] = [1.0, 2.0]"
    return ""


def _type(p: Place) -> str:
    if p.only("a shape such as [1x3x32x32]"):
        return "a tensor type is an element type and a shape: f32[1x3x32x32], or f32[] of a scalar"
    return ""


def _statement(p: Place) -> str:
    """Layers that lack their results, or state types first."""
    if re.match(r"\s*return\b", p.line):
        return "there is no return: the head of a net names its outputs"
    if re.match(r"\s*(%[\w.$\-]+\s*:\s*)?\w+\[[^\]]*\]\s*(=|%[\w.$\-]+\s*=)", p.line):
        return "types stand at the end: %y = relu(%x) : f32[4]"
    if match := re.match(r"\s*([A-Za-z_][\w.$\-]*)\s*=", p.line):
        return f"did you mean %{match[1]}?" if p.found == match[1] else f"results start with a %: %{match[1]} = ..."
    if (match := re.match(r"\s*([A-Za-z_]\w*)\s*\(\s*[%@)]", p.line)) and "->" not in p.line:
        return f"each layer names its results: %y = {match[1]}(...)"
    if p.only("','", "'='") and re.match(r"[A-Za-z_]", p.found):
        return f"a layer is: %y = {p.found}(%x)"
    return ""


def _operands(p: Place) -> str:
    if p.only("'('") and (kind := re.search(r"=\s*([A-Za-z_][\w\-]*)\Z", p.before)):
        return f"operands stand in parentheses: {kind[1]}(%x)"
    if p.only("'='") and p.found in (")", ",") and (word := re.search(r"([A-Za-z_][\w.$\-]*)\Z", p.before)):
        return f"values start with a %, constants with an @: %{word[1]}"
    if p.only("%value", "@constant") and p.before.endswith("="):
        return "attributes stand in braces after the operands: softmax(%x) {axis = 1}"
    return ""


def _attributes(p: Place) -> str:
    if p.only("'='") and p.found == ":":
        return "attributes are written name = value"
    if p.found.startswith("[") and "'{'" in p.expected:
        return "attributes stand in braces: {axis = 1}"
    if p.found == "{" and "'on'" in p.expected:
        return "attributes stand before the types: %y = softmax(%x) {axis = 1} : f32[4]"
    return ""


def _tail(p: Place) -> str:
    """What follows the types of a layer."""
    if "!<time>us" in p.expected and (p.found == "!" or p.found[:1].isdigit()):
        return "times are in microseconds: !12.50us"
    if p.only("':'") and re.search(r'\bloc\s+"', "".join((p.before, p.line))):
        return 'a location is a file and a name: loc "model.onnx":"conv1"'
    if p.found in ("via", ":", "!", "loc") and "'}'" in p.expected:
        return "the order is: {attributes} : types via routine !time loc place"
    return ""


def _commas(p: Place) -> str:
    if any({"','", f"'{end}'"} <= p.expected for end in ")]}") and re.match(r'[\w%@"\[{.+-]', p.found):
        return f"a comma is missing before {p.found}"
    for end in ")]}":
        if p.only("','", f"'{end}'") and p.found in ("}", ""):
            return f"a '{end}' is missing"
    return ""


_PARTS: tuple[Callable[[Place], str], ...] = (
    _file,
    _characters,
    _type,
    _item,
    _statement,
    _operands,
    _attributes,
    _tail,
    _commas,
)
