"""The language server: the protocol's requests, answered by the sheets of the open files."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from plait import __version__
from plait.cli.editing import navigation, translate
from plait.cli.editing.colours import MODIFIERS, TYPES
from plait.cli.editing.completion import completions
from plait.cli.editing.document import Declined
from plait.cli.editing.hover import hover
from plait.cli.editing.positions import Position
from plait.cli.editing.sheet import Sheet

DELAY = 0.2
"""Seconds without a change after which a text is checked."""
T = TypeVar("T")


class Session:
    """The open files of one client, and what it may ask."""

    def __init__(self, server: LanguageServer) -> None:
        self.server = server
        self.sheets: dict[str, Sheet] = {}
        self.checks: dict[str, asyncio.Task[None]] = {}

    def register(self) -> None:
        """Tell the server what answers which request."""
        triggers = list("%@={(,:/ ")
        features: list[tuple[str, Callable[[Any], Any], Any]] = [
            (lsp.TEXT_DOCUMENT_DID_OPEN, self.opened, None),
            (lsp.TEXT_DOCUMENT_DID_CHANGE, self.changed, None),
            (lsp.TEXT_DOCUMENT_DID_CLOSE, self.closed, None),
            (lsp.TEXT_DOCUMENT_HOVER, self.hover, None),
            (lsp.TEXT_DOCUMENT_DEFINITION, self.definition, None),
            (lsp.TEXT_DOCUMENT_REFERENCES, self.references, None),
            (lsp.TEXT_DOCUMENT_PREPARE_RENAME, self.prepare_rename, None),
            (lsp.TEXT_DOCUMENT_RENAME, self.rename, lsp.RenameOptions(prepare_provider=True)),
            (lsp.TEXT_DOCUMENT_COMPLETION, self.completion, lsp.CompletionOptions(trigger_characters=triggers)),
            (lsp.TEXT_DOCUMENT_DOCUMENT_SYMBOL, self.symbols, None),
            (lsp.TEXT_DOCUMENT_FOLDING_RANGE, self.foldings, None),
            (
                lsp.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL,
                self.colours,
                lsp.SemanticTokensLegend(list(TYPES), list(MODIFIERS)),
            ),
            (lsp.TEXT_DOCUMENT_FORMATTING, self.formatting, None),
            (lsp.TEXT_DOCUMENT_CODE_ACTION, self.repairs, lsp.CodeActionOptions([lsp.CodeActionKind.QuickFix])),
        ]
        for name, handler, options in features:
            self.server.feature(name, options)(_plain(handler))

    # --- texts ---

    def opened(self, params: lsp.DidOpenTextDocumentParams) -> None:
        self._take(params.text_document.uri, 0)

    def changed(self, params: lsp.DidChangeTextDocumentParams) -> None:
        self._take(params.text_document.uri, DELAY)

    def closed(self, params: lsp.DidCloseTextDocumentParams) -> None:
        uri = params.text_document.uri
        self._forget_check(uri)
        self.sheets.pop(uri, None)
        self._publish(uri, [])

    def _take(self, uri: str, delay: float) -> None:
        """Take the present text of a file, and check it after a while."""
        text = self.server.workspace.get_text_document(uri).source
        units = lsp.PositionEncodingKind(self.server.workspace.position_encoding or "utf-16").value
        self.sheets[uri] = Sheet(text, uri.rpartition("/")[2], units=units, previous=self.sheets.get(uri))
        self._forget_check(uri)
        self.checks[uri] = asyncio.get_running_loop().create_task(self._check(uri, self.sheets[uri], delay))

    def _forget_check(self, uri: str) -> None:
        if check := self.checks.pop(uri, None):
            check.cancel()

    async def _check(self, uri: str, sheet: Sheet, delay: float) -> None:
        await asyncio.sleep(delay)
        # Long texts take a second; questions are answered meanwhile from what was known before.
        found = await asyncio.to_thread(sheet.findings)
        if self.sheets.get(uri) is sheet:
            self._publish(uri, [translate.diagnostic(f, uri) for f in found])

    def _publish(self, uri: str, found: list[lsp.Diagnostic]) -> None:
        self.server.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri, found))

    # --- questions about a place ---

    def _sheet(self, params: Any) -> Sheet:
        sheet = self.sheets.get(params.text_document.uri)
        if sheet is None:
            raise JsonRpcException(f"{params.text_document.uri} is not open", lsp.LSPErrorCodes.RequestFailed)
        sheet.prepare()
        return sheet

    def hover(self, params: lsp.HoverParams) -> lsp.Hover | None:
        place = translate.position(params.position)
        found = hover(self._sheet(params).at(place), place)
        if found is None:
            return None
        return lsp.Hover(lsp.MarkupContent(lsp.MarkupKind.Markdown, found[1]), translate.range_of(found[0]))

    def definition(self, params: lsp.DefinitionParams) -> lsp.Location | None:
        place = translate.position(params.position)
        found = navigation.definition(self._sheet(params).at(place), place)
        return lsp.Location(params.text_document.uri, translate.range_of(found)) if found else None

    def references(self, params: lsp.ReferenceParams) -> list[lsp.Location]:
        place = translate.position(params.position)
        declared = params.context.include_declaration
        found = navigation.references(self._sheet(params).at(place), place, declaration=declared)
        return [lsp.Location(params.text_document.uri, translate.range_of(r)) for r in found]

    def prepare_rename(self, params: lsp.PrepareRenameParams) -> lsp.PrepareRenamePlaceholder:
        place = translate.position(params.position)
        document = self._sheet(params).at(place)
        where, name = _or_refuse(lambda: navigation.renamed_range(document, place))
        return lsp.PrepareRenamePlaceholder(translate.range_of(where), name)

    def rename(self, params: lsp.RenameParams) -> lsp.WorkspaceEdit:
        place = translate.position(params.position)
        document = self._sheet(params).at(place)
        changes = _or_refuse(lambda: navigation.rename(document, place, params.new_name))
        return lsp.WorkspaceEdit({params.text_document.uri: translate.edits(changes)})

    def completion(self, params: lsp.CompletionParams) -> lsp.CompletionList:
        place = translate.position(params.position)
        return translate.completion_list(completions(self._sheet(params).at(place), place))

    # --- questions about a file ---

    def symbols(self, params: lsp.DocumentSymbolParams) -> list[lsp.DocumentSymbol]:
        return [translate.symbol(s) for s in self._sheet(params).symbols()]

    def foldings(self, params: lsp.FoldingRangeParams) -> list[lsp.FoldingRange]:
        return [translate.folding(f) for f in self._sheet(params).foldings()]

    def colours(self, params: lsp.SemanticTokensParams) -> lsp.SemanticTokens:
        return translate.semantic_tokens(self._sheet(params).colours())

    def formatting(self, params: lsp.DocumentFormattingParams) -> list[lsp.TextEdit]:
        return translate.edits(_or_refuse(self._sheet(params).formatted))

    def repairs(self, params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
        start, end = translate.position(params.range.start), translate.position(params.range.end)
        near = [f for f in self._sheet(params).found if _meets(f.range, start, end)]
        return [action for f in near for action in translate.repairs(f, params.text_document.uri)]


def make_server() -> LanguageServer:
    """A server that is ready to be started."""
    # Whole texts: lines are counted in one way only, whatever characters a text holds.
    server = LanguageServer("plait", __version__, text_document_sync_kind=lsp.TextDocumentSyncKind.Full)
    Session(server).register()
    return server


def _plain(handler: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A function for a method: the server keeps notes on what it calls."""

    def answer(params: Any) -> Any:
        return handler(params)

    return answer


def _meets(found: tuple[Position, Position], start: Position, end: Position) -> bool:
    return found[0] <= end and start <= found[1]


def _or_refuse(action: Callable[[], T]) -> T:
    """The result; what is declined becomes a failed request, whose message editors show."""
    try:
        return action()
    except Declined as error:
        raise JsonRpcException(str(error), lsp.LSPErrorCodes.RequestFailed) from None
