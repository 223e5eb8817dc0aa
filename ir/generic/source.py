"""Generic text, to make spans from tokens."""

from __future__ import annotations

import attrs
import lark

from plait.ir.text.records import Source


@attrs.define
class GenericSource(Source):
    """Generic text: comments stand in attributes, or above operations as in the text form."""

    comments: dict[tuple[int | None, int | None], str] = attrs.field(factory=dict)
    """By the place of the token that the reader of the text form asks with."""

    def comment_above(self, token: lark.Token) -> str:
        found = self.comments.get((token.line, token.column))
        return super().comment_above(token) if found is None else found
