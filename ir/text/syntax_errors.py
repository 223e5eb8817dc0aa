"""What the reader says of a text that is not in the grammar: P001 with what was found, what could stand there, and a
hint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import lark

from plait.ir.diagnostics import Diagnostic, Span
from plait.ir.text.hints import Place, hint
from plait.ir.text.records import Source

PEOPLE = {
    "VALUE": "%value",
    "CONST": "@constant",
    "NAME": "a word",
    "SHAPE": "a shape such as [1x3x32x32]",
    "LAYOUT": "a layout such as <d0, d2, d3, d1>",
    "QUANTIZED": "a quantized type such as q8<0.5:-12>",
    "SEQ": "'seq'",
    "OPTIONAL": "'optional'",
    "COST": "!<time>us",
    "ROUTINE": "a routine path such as cpu/f32/nchw/gemm",
    "STRING": '"text"',
    "INT": "an integer",
    "FLOAT": "a number",
    "HASH": "sha256:<digits>",
    "PATH": "a file name",
    "REST": "'...'",
    "VARIABLE": "$variable",
    "NOT": "'not'",
    "COMPARISON": "a comparison",
    "ADDITIVE": "'+' or '-'",
    "MULTIPLICATIVE": "'*', '/' or '%'",
    "$END": "the end of the file",
}
"""How messages call the terminals of the text form that are not fixed."""

_REST = "the rest of the layer, another one or '}'"
_TAIL = {"!<time>us", "'loc'", "'via'", "a word"}
_GROUPS = (
    (
        {"'['", "'optional'", "'seq'", "'{'", "@constant", "a number", "a word", "an integer"},
        {'"text"', PEOPLE["QUANTIZED"]},
        'a value such as 1, 2.5, "text", word, [1, 2] or {a = 1}',
    ),
    ({"%value", "'}'", "':'"}, {*_TAIL, "'{'", '"text"'}, _REST),
    ({"%value", "'}'", "'via'"}, {*_TAIL, "','", "'on'", "'split'", PEOPLE["LAYOUT"]}, _REST),
)
"""What is better said in a few words: (expected, perhaps with these, what to say)."""
_MANY = 6


def spellings_of(terminals: Iterable[lark.lexer.TerminalDef], people: Mapping[str, str]) -> dict[str, str]:
    """How messages call each terminal: fixed ones by their text in quotes, the others as `people` do."""
    fixed = {t.name: repr(t.pattern.value) for t in terminals if isinstance(t.pattern, lark.lexer.PatternStr)}
    return {**fixed, **people}


def wanted(error: lark.UnexpectedInput) -> set[str]:
    """Terminals that could stand at the place of an error."""
    if isinstance(error, lark.UnexpectedToken):
        # `accepts` is exact: only what can really follow here.
        return set(error.accepts or error.expected)
    assert isinstance(error, lark.UnexpectedCharacters)
    return set(error.allowed or ())


def at_end(error: lark.UnexpectedInput) -> bool:
    """Whether the text ends too early."""
    return isinstance(error, lark.UnexpectedToken) and error.token.type == "$END"


def syntax_error(error: lark.UnexpectedInput, source: Source, spellings: Mapping[str, str]) -> Diagnostic:
    """P001 for an error of Lark; `spellings` are how messages call the terminals of its grammar."""
    names = {spellings.get(w, w) for w in wanted(error)}
    if at_end(error):
        last = max(1, len(source.lines))
        text = source.lines[last - 1] if source.lines else ""
        found, span = "", Span(source.file, last, len(text) + 1, len(text) + 2, text)
    elif isinstance(error, lark.UnexpectedToken):
        found, span = str(error.token), source.span(error.token)
    else:
        assert isinstance(error, lark.UnexpectedCharacters)
        text = source.lines[error.line - 1] if error.line <= len(source.lines) else ""
        found, span = error.char, Span(source.file, error.line, error.column, error.column + 1, text)
    message = f"unexpected {repr(found) if found else 'end of the file'}"
    if said := _said(names, exact=isinstance(error, lark.UnexpectedToken)):
        message += f"; expected {said}"
    return Diagnostic("P001", message, span, hint=hint(Place(found, frozenset(names), span.text, span.column)))


def _said(names: set[str], *, exact: bool) -> str:
    for core, more, text in _GROUPS:
        if core <= names and names <= core | more:
            return text
    # What the lexer could take is more than what fits.
    return "" if not exact and len(names) > _MANY else " or ".join(sorted(names))
