"""The nesting of a document: its symbols, and what can be folded."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from plait.cli.editing.document import Document
from plait.cli.editing.outline import Scope, Statement
from plait.cli.editing.positions import Range
from plait.cli.editing.scan import Token, name_in


@attrs.frozen
class Symbol:
    """A net, layer, region, constant or block of weights, and what lies in it."""

    name: str
    kind: str
    detail: str
    range: Range
    name_range: Range
    children: tuple[Symbol, ...] = ()


def symbols(document: Document) -> list[Symbol]:
    """The symbols of a document; layers are nested by region."""
    outline = document.outline
    found = [(t.start, _constant(document, t)) for t in outline.constants]
    found += [(s.start, _scope(document, s)) for s in outline.scopes]
    return [symbol for _, symbol in sorted(found, key=lambda item: item[0])]


def _scope(document: Document, scope: Scope) -> Symbol:
    if scope.kind == "weights":
        children = tuple(_constant(document, t) for t in scope.definitions)
    else:
        children = tuple(_layer(document, layer) for layer in scope.layers)
    return _symbol(document, scope.name, scope.kind, "", (scope.start, scope.end), children)


def _layer(document: Document, layer: Statement) -> Symbol:
    name = layer.results[0] if layer.results else layer.op
    assert name is not None
    regions = tuple(_scope(document, region) for region in layer.regions)
    detail = layer.op.text if layer.op else ""
    return _symbol(document, name, "layer", detail, (layer.start, layer.end), regions)


def _constant(document: Document, token: Token) -> Symbol:
    value = document.value(("constant", "", name_in(token)))
    detail = "" if value is None else str(value.type)
    return _symbol(document, token, "constant", detail, (token.start, token.end), ())


def _symbol(
    document: Document, name: Token, kind: str, detail: str, whole: tuple[int, int], children: tuple[Symbol, ...]
) -> Symbol:
    # Editors refuse symbols whose name lies outside of them.
    start, end = min(whole[0], name.start), max(whole[1], name.end)
    own = document.lines.range(name.start, name.end)
    return Symbol(name.text, kind, detail, document.lines.range(start, end), own, children)


def foldings(document: Document) -> list[tuple[int, int, str]]:
    """(first line, last line, "region" or "comment") of what can be folded: bodies, blocks of weights, comments."""
    found = [(*_body(document, scope), "region") for top in document.outline.scopes for scope in _nested(top)]
    return sorted({f for f in (*found, *_comments(document)) if f[0] < f[1]})


def _nested(scope: Scope) -> Iterator[Scope]:
    yield scope
    for layer in scope.layers:
        for region in layer.regions:
            yield from _nested(region)


def _body(document: Document, scope: Scope) -> tuple[int, int]:
    """From the line of the opening brace to the one before the closing brace, which stays in sight."""
    first, last = (document.lines.position(offset).line for offset in scope.inside)
    return first, last - 1 if document.text[scope.end - 1 : scope.end] == "}" else last


def _comments(document: Document) -> Iterator[tuple[int, int, str]]:
    first = last = -2
    for token in document.outline.tokens:
        line = document.lines.position(token.start).line if token.kind == "comment" else -2
        if line == last + 1 and line >= 0 and first >= 0:
            last = line
            continue
        if first >= 0:
            yield first, last, "comment"
        first = last = line
    if first >= 0:
        yield first, last, "comment"
