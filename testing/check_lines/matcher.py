"""Matching of `CHECK` lines against a text."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

import attrs

from plait.testing.check_lines.directives import Directive, MalformedCheck, parse_checks
from plait.testing.check_lines.report import CheckFailed, report


def filecheck(text: str, checks: str, *, prefix: str = "CHECK", file: str = "<checks>", first_line: int = 1) -> None:
    """Fail unless `text` has what the `CHECK` lines in `checks` say, in their order.

    Args:
        text: what is checked, for instance a printed module.
        checks: directives, one a line; lines without one are ignored.
        prefix: the word that directives begin with.
        file: name of the text with the checks, for messages.
        first_line: number of its first line.

    Raises:
        CheckFailed: a line does not match; the message shows where the search began and what comes close.
        MalformedCheck: a line cannot be read, or there is none.
    """
    directives = parse_checks(checks, prefix, file, first_line)
    if not directives:
        raise MalformedCheck(f"{file}: there is no line with {prefix}:")
    _Matcher(text, file).run(directives)


@attrs.define
class _Matcher:
    """The state of one run: `position` is the end of the last match, `limit` the beginning of the next label."""

    text: str
    file: str
    known: dict[str, str] = attrs.field(factory=dict)
    position: int = 0
    limit: int = 0

    def run(self, directives: Sequence[Directive]) -> None:
        labels = self.find_labels([d for d in directives if d.kind == "LABEL"])
        blocks = _blocks(directives)
        ends = [*(start for start, _ in labels), len(self.text)]
        for block, start, end in zip(blocks, [0, *(after for _, after in labels)], ends, strict=True):
            self.position, self.limit = start, end
            self.run_block(block)

    def find_labels(self, labels: Sequence[Directive]) -> list[tuple[int, int]]:
        """Start and end of each label, found before all else: an error in one block does not disturb the next."""
        found: list[tuple[int, int]] = []
        self.limit = len(self.text)
        for label in labels:
            match = self.need(label, self.position, self.limit)
            found.append(match.span())
            self.position = match.end()
        return found

    def run_block(self, block: Sequence[Directive]) -> None:
        """The directives between two labels: each group of DAGs, or one other, with the NOTs before it."""
        nots: list[Directive] = []
        for kind, group in itertools.groupby(block, lambda d: d.kind):
            if kind == "NOT":
                nots = list(group)
            elif kind == "DAG":
                self.forbid(nots, *self.dag(list(group)))
                nots = []
            else:
                for directive in group:
                    self.forbid(nots, *self.one(directive))
                    nots = []
        self.forbid(nots, self.position, self.limit)

    def one(self, directive: Directive) -> tuple[int, int]:
        """Match and move on; returns the range that was passed over."""
        before = self.position
        match directive.kind:
            case "SAME":
                found = self.need(directive, before, self.line_end(before))
            case "NEXT":
                start = self.next_line(directive)
                found = self.need(directive, start, self.line_end(start))
            case "EMPTY":
                start = self.next_line(directive)
                found = self.need(attrs.evolve(directive, parts=()), start, start)
                if self.line_end(start) != start:
                    raise self.failed(directive, start, "the line after the last match is not empty")
            case _:
                found = last = self.need(directive, before, self.limit)
                for done in range(1, directive.count):
                    last = self.need(directive, last.end(), self.limit, f"only {done} of {directive.count} matches")
                self.position = last.end()
                return before, found.start()
        self.position = found.end()
        return before, found.start()

    def dag(self, group: Sequence[Directive]) -> tuple[int, int]:
        """Match a group in any order, without overlap; returns the range before the first match."""
        before = self.position
        taken: list[tuple[int, int]] = []
        for directive in group:
            taken.append(self.need_free(directive, before, taken))
        self.position = max(end for _, end in taken)
        return before, min(start for start, _ in taken)

    def need_free(self, directive: Directive, start: int, taken: Sequence[tuple[int, int]]) -> tuple[int, int]:
        """The first match that overlaps none of `taken`."""
        begin = start
        while True:
            match = self.need(directive, begin, self.limit, origin=start)
            overlap = [e for s, e in taken if match.start() < e and s < match.end()]
            if not overlap:
                self.known.update(match.groupdict())
                return match.span()
            begin = max(overlap)

    def forbid(self, nots: Sequence[Directive], start: int, end: int) -> None:
        for directive in nots:
            if match := self.compiled(directive, start).search(self.text, start, end):
                raise self.failed(directive, match.start(), "must not be there, but is")

    def need(self, directive: Directive, start: int, end: int, note: str = "", origin: int = -1) -> re.Match[str]:
        match = self.compiled(directive, start).search(self.text, start, end)
        if match is None:
            raise self.failed(directive, start if origin < 0 else origin, note or "no match")
        self.known.update(match.groupdict())
        return match

    def compiled(self, directive: Directive, start: int) -> re.Pattern[str]:
        for name in directive.uses:
            if name not in self.known:
                raise self.failed(directive, start, f"[[{name}]] has no value yet")
        return directive.pattern(self.known)

    def line_end(self, place: int) -> int:
        end = self.text.find("\n", place)
        return min(self.limit, len(self.text) if end < 0 else end)

    def next_line(self, directive: Directive) -> int:
        end = self.text.find("\n", self.position)
        if end < 0 or end >= self.limit:
            raise self.failed(directive, self.position, "there is no line after the last match")
        return end + 1

    def failed(self, directive: Directive, place: int, what: str) -> CheckFailed:
        return report(directive, what, self.text, place, self.limit, self.known, self.file)


def _blocks(directives: Sequence[Directive]) -> list[list[Directive]]:
    """What stands before the first label, and after each."""
    blocks: list[list[Directive]] = [[]]
    for directive in directives:
        if directive.kind == "LABEL":
            blocks.append([])
        else:
            blocks[-1].append(directive)
    return blocks
