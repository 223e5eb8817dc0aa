"""An open file: its documents (an IR test holds several modules), and what is asked of all of them together."""

from __future__ import annotations

import threading

from plait.cli.editing.colours import Coloured, colours
from plait.cli.editing.document import Declined, Document, parts
from plait.cli.editing.findings import Finding, findings
from plait.cli.editing.formatting import formatted
from plait.cli.editing.positions import Lines, Position, Range
from plait.cli.editing.structure import Symbol, foldings, symbols

_READING = threading.Lock()
"""The reader fills registries when it is first used, and diagnostics come from a thread of their own."""


class Sheet:
    """One state of an open file. `previous` is the one before it: modules that did not change are not read again."""

    def __init__(
        self, text: str, file: str = "<text>", *, units: str = "utf-16", previous: Sheet | None = None
    ) -> None:
        self.text = text
        lines, pieces = Lines(text), parts(text)
        old = previous.documents if previous is not None else []
        self._first_lines = [lines.position(start).line for start, _ in pieces]
        self.documents: list[Document] = []
        self.found: list[Finding] = []
        """What `findings` gave last; nothing before it was asked."""
        self.is_current = True
        """Unset once there is a newer state, so that a check which waits for its turn is left out."""
        if previous is not None:
            previous.is_current = False
        for number, (_, piece) in enumerate(pieces):
            before = old[number] if number < len(old) and len(old) == len(pieces) else None
            if before is not None and before.text == piece:
                self.documents.append(before)
                continue
            older = before.lasting if before is not None else None
            self.documents.append(Document(piece, file, units=units, older=older))

    def at(self, position: Position) -> Document:
        """The document around a position. Positions in it are those in the file."""
        around = [d for d, first in zip(self.documents, self._first_lines, strict=True) if first <= position.line]
        return around[-1] if around else self.documents[0]

    def findings(self) -> list[Finding]:
        """All that is wrong. May be called in another thread; nothing for a state that is no longer current."""
        with _READING:
            for document in self.documents if self.is_current else ():
                document.parse()
        if not self.is_current:
            return []
        self.found = [f for document in self.documents for f in findings(document)]
        return self.found

    def prepare(self) -> None:
        """Read what nothing is known of, so that questions have answers; does not wait for checks of anything else."""
        for document in self.documents:
            if document.is_new:
                with _READING:
                    document.parse()

    def symbols(self) -> list[Symbol]:
        """The symbols of the file."""
        return [s for document in self.documents for s in symbols(document)]

    def foldings(self) -> list[tuple[int, int, str]]:
        """What can be folded; see `structure.foldings`."""
        return sorted(f for document in self.documents for f in foldings(document))

    def colours(self) -> list[Coloured]:
        """The tokens of the file that have a colour."""
        return [c for document in self.documents for c in colours(document)]

    def formatted(self) -> list[tuple[Range, str]]:
        """Edits that print the file anew; see `formatting.formatted`.

        Raises:
            Declined: it has errors, something would be lost, or the file holds several modules.
        """
        if len(self.documents) > 1:
            raise Declined("the file holds several modules")
        with _READING:
            return formatted(self.documents[0])
