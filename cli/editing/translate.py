"""Our answers as the types of the Language Server Protocol."""

from __future__ import annotations

from lsprotocol import types as lsp

from plait.cli.editing.colours import Coloured
from plait.cli.editing.completion import LIMIT, Completion
from plait.cli.editing.findings import Finding
from plait.cli.editing.positions import Position, Range
from plait.cli.editing.structure import Symbol

_ITEMS = {
    "layer": lsp.CompletionItemKind.Function,
    "attribute": lsp.CompletionItemKind.Property,
    "word": lsp.CompletionItemKind.EnumMember,
    "type": lsp.CompletionItemKind.Struct,
    "layout": lsp.CompletionItemKind.TypeParameter,
    "value": lsp.CompletionItemKind.Variable,
    "constant": lsp.CompletionItemKind.Constant,
    "net": lsp.CompletionItemKind.Method,
    "routine": lsp.CompletionItemKind.Module,
    "keyword": lsp.CompletionItemKind.Keyword,
    "field": lsp.CompletionItemKind.Field,
}
_SYMBOLS = {
    "net": lsp.SymbolKind.Function,
    "layer": lsp.SymbolKind.Variable,
    "region": lsp.SymbolKind.Namespace,
    "constant": lsp.SymbolKind.Constant,
    "weights": lsp.SymbolKind.Package,
}


def position(place: lsp.Position) -> Position:
    """A position of the protocol as ours."""
    return Position(place.line, place.character)


def range_of(found: Range) -> lsp.Range:
    """A range of ours as the protocol's."""
    return lsp.Range(lsp.Position(*found.start), lsp.Position(*found.end))


def edits(changes: list[tuple[Range, str]]) -> list[lsp.TextEdit]:
    """Ranges and what to put there."""
    return [lsp.TextEdit(range_of(where), text) for where, text in changes]


def diagnostic(finding: Finding, uri: str) -> lsp.Diagnostic:
    """A finding; its hint stands as information about the same place."""
    where = range_of(finding.range)
    related = [lsp.DiagnosticRelatedInformation(lsp.Location(uri, where), finding.hint)] if finding.hint else None
    return lsp.Diagnostic(
        where, finding.message, lsp.DiagnosticSeverity.Error, finding.code, source="plait", related_information=related
    )


def repairs(finding: Finding, uri: str) -> list[lsp.CodeAction]:
    """What could be done about a finding."""
    return [
        lsp.CodeAction(
            f"Replace with {choice}",
            lsp.CodeActionKind.QuickFix,
            diagnostics=[diagnostic(finding, uri)],
            is_preferred=number == 0,
            edit=lsp.WorkspaceEdit({uri: edits([(finding.range, choice)])}),
        )
        for number, choice in enumerate(finding.choices)
    ]


def completion_list(found: list[Completion]) -> lsp.CompletionList:
    """Completions, to be shown in this order."""
    items = [
        lsp.CompletionItem(
            c.label,
            kind=_ITEMS[c.kind],
            detail=c.detail or None,
            documentation=lsp.MarkupContent(lsp.MarkupKind.Markdown, c.documentation) if c.documentation else None,
            sort_text=f"{number:05}",
            filter_text=c.label,
            text_edit=lsp.TextEdit(range_of(c.range), c.insert),
        )
        for number, c in enumerate(found)
    ]
    return lsp.CompletionList(is_incomplete=len(found) == LIMIT, items=items)


def symbol(found: Symbol) -> lsp.DocumentSymbol:
    """A symbol with what lies in it."""
    return lsp.DocumentSymbol(
        found.name,
        _SYMBOLS[found.kind],
        range_of(found.range),
        range_of(found.name_range),
        detail=found.detail or None,
        children=[symbol(child) for child in found.children],
    )


def folding(found: tuple[int, int, str]) -> lsp.FoldingRange:
    """Lines that can be folded."""
    first, last, kind = found
    return lsp.FoldingRange(first, last, kind=lsp.FoldingRangeKind(kind))


def semantic_tokens(found: list[Coloured]) -> lsp.SemanticTokens:
    """Tokens, each told by its distance from the one before."""
    data: list[int] = []
    line = character = 0
    for token in found:
        down = token.line - line
        data += [down, token.character - (0 if down else character), token.length, token.type, token.modifiers]
        line, character = token.line, token.character
    return lsp.SemanticTokens(data)
