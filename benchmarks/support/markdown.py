"""Tables in Markdown, and figures as they stand in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs


@attrs.define
class MarkdownTable:
    """Titles that start with `>` stand over numbers, which are aligned to the right."""

    titles: Sequence[str]
    rows: list[tuple[str, ...]] = attrs.field(factory=list)

    def add(self, *cells: object) -> None:
        if len(cells) != len(self.titles):
            raise ValueError(f"{len(cells)} cells under {len(self.titles)} titles")
        self.rows.append(tuple(str(cell).replace("|", "\\|") for cell in cells))

    def __str__(self) -> str:
        rule = ["---:" if title.startswith(">") else "---" for title in self.titles]
        head = [title.removeprefix(">") for title in self.titles]
        return "\n".join(_line(row) for row in (head, rule, *self.rows))


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def number(value: float | None, form: str = ".2f") -> str:
    """A figure, or a dash where there is none."""
    return "-" if value is None else format(value, form)
