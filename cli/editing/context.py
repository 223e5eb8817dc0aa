"""What kind of thing is wanted at a place in a text that is being typed."""

from __future__ import annotations

import itertools
import re

import attrs

from plait.cli.editing.document import Document
from plait.cli.editing.outline import Statement
from plait.cli.editing.scan import Token, scan

_WORD = re.compile(r'(?:[%@](?:"[^"\n]*|[A-Za-z0-9_.$\-]*)|[A-Za-z_][A-Za-z0-9_\-]*)?\Z')
_VIA = re.compile(r"\bvia[ \t]+(\S*)\Z")
_OPEN = re.compile(r'^(?:[^"\n]|"(?:[^"\\\n]|\\.)*")*"[^"\n]*\Z')
_PAIRS = {")": "(", "]": "[", "}": "{"}


@attrs.frozen
class Context:
    """What stands before a place. `wants` names a kind of completion, "" none."""

    wants: str = ""
    prefix: str = ""
    """What is written of the word that the place is in."""
    start: int = 0
    """Where the statement starts."""
    sees: int = 0
    """The offset from which names are looked up: outputs in a head are values of the body."""
    net: str = ""
    op: str = ""
    attribute: str = ""
    given: tuple[str, ...] = ()
    """Attributes or operands that have been named."""
    operands: tuple[Token, ...] = ()


def context_at(document: Document, offset: int) -> Context:
    """What is wanted at an offset."""
    line = document.text.rfind("\n", 0, offset) + 1
    before = document.text[line:offset]
    scope = document.outline.scope_at(offset)
    start = _start(document, offset, line)
    text = document.text[start:offset]
    sees = scope.end if scope is not None and start == scope.start else start
    made = Context(start=start, sees=sees, net=scope.net if scope is not None and scope.kind != "weights" else "")
    if _in_comment_or_string(before):
        return made
    if match := _VIA.search(text):
        return attrs.evolve(_layer(made, scan(text)), wants="routine", prefix=match[1])
    prefix = _last(_WORD, text)
    tokens = [t for t in scan(text[: len(text) - len(prefix)]) if t.kind != "comment"]
    made = attrs.evolve(_layer(made, tokens), prefix=prefix)
    wants = _wanted(tokens, made, scope is None)
    attribute = tokens[-2].text.strip('"') if wants == "attribute value" else ""
    return attrs.evolve(made, wants=wants, attribute=attribute)


def _last(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    return match[0] if match else ""


def _in_comment_or_string(line: str) -> bool:
    last = scan(line)[-1:]
    if last and last[0].kind == "comment":
        return True
    # Names in quotes can be completed.
    return bool(_OPEN.match(line)) and not re.search(r'[%@]"[^"\n]*\Z', line)


def _start(document: Document, offset: int, line: int) -> int:
    """Where the statement around an offset starts: a layer, or the line."""
    statement = document.outline.statement_at(offset)
    if statement is None or statement.start > offset or _ended(document, statement, line, offset):
        scope = document.outline.scope_at(offset)
        in_head = scope is not None and scope.kind == "net" and offset <= (scope.inside[0] or offset)
        return scope.start if scope is not None and in_head else line
    region = next((r for r in statement.regions if r.start <= offset <= r.end), None)
    return region.start if region is not None else statement.start


def _ended(document: Document, statement: Statement, line: int, offset: int) -> bool:
    """Whether a statement ends before the line of an offset, and this line does not go on with it."""
    if statement.start >= line or offset <= statement.end:
        return False
    return not re.match(r"\s*(via|loc|!|:|\+)", document.text[line:offset])


def _layer(context: Context, tokens: list[Token]) -> Context:
    """Fill in what a layer has: its kind, what is named, the values that it reads."""
    equals = next((i for i, t in enumerate(tokens) if t.text == "="), None)
    if equals is None or equals == 0 or tokens[0].kind != "value":
        return context
    op = tokens[equals + 1].text if len(tokens) > equals + 1 and tokens[equals + 1].kind == "name" else ""
    rest = tokens[equals + 1 :]
    given = tuple(a.text.strip('"') for a, b in itertools.pairwise(rest) if b.text == "=")
    return attrs.evolve(context, op=op, given=given, operands=tuple(t for t in rest if t.kind in ("value", "const")))


def _wanted(tokens: list[Token], context: Context, outside: bool) -> str:
    """Which kind is wanted after these tokens of a statement."""
    if not tokens:
        return "item" if outside else ""
    last = tokens[-1]
    opened = _open_bracket(tokens)
    if last.text == "<" and [t.text for t in tokens[-2:-1]] in (["seq"], ["optional"]):
        return "type"
    if tokens[0].kind == "value" and any(t.text == "=" for t in tokens):
        return _wanted_in_layer(tokens, context, opened)
    if last.kind == "shape":
        return "layout"
    if last.text == ":":
        return "type"
    # The outputs of a net or region.
    return "operand" if opened == "(" and last.text in ("(", ",") and any(t.kind == "arrow" for t in tokens) else ""


def _wanted_in_layer(tokens: list[Token], context: Context, opened: str) -> str:
    last = tokens[-1]
    if opened == "{":
        return {"{": "attribute", ",": "attribute", "=": "attribute value"}.get(last.text, "")
    if opened == "(":
        return "operand" if last.text in ("(", ",", "=") else ""
    if last.text == "=":
        return "layer" if not context.op else ""
    if last.kind == "shape":
        return "layout"
    if last.text == ":" or (last.text == "," and any(t.text == ":" for t in tokens)):
        return "type"
    return "clause" if last.text in (")", "}") or last.kind in ("layout", "routine", "cost", "name") else ""


def _open_bracket(tokens: list[Token]) -> str:
    """The innermost bracket that is still open, or nothing."""
    open_ones: list[str] = []
    for token in tokens:
        if token.text in ("(", "[", "{"):
            open_ones.append(token.text)
        elif open_ones and open_ones[-1] == _PAIRS.get(token.text):
            open_ones.pop()
    return open_ones[-1] if open_ones else ""
