"""What stands where in a text: nets, regions, layers, and every mention of a name.

The reader of `plait.ir.text` leaves out statements that are not in the grammar, and with them what is being typed. The
outline is made from tokens alone, checks nothing, and knows where a statement ends although it is not whole: a value
at the start of a line with an `=` behind it begins the next layer, `net` the next net.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

import attrs

from plait.cli.editing.scan import Token, name_in

Key = tuple[str, str, str]
"""What a name stands for: ("value", net, name), ("constant", "", name) or ("net", "", name)."""


@attrs.define(eq=False)
class Statement:
    """A layer. `end` is where its last token ends."""

    scope: Scope
    start: int
    end: int = 0
    results: list[Token] = attrs.field(factory=list)
    op: Token | None = None
    regions: list[Scope] = attrs.field(factory=list)
    given: list[str] = attrs.field(factory=list)
    """Names of its attributes."""


@attrs.define(eq=False)
class Scope:
    """The body of a net or of a region, or a block of weights. `owner` is the layer that holds a region."""

    kind: str
    name: Token
    parent: Scope | None = None
    owner: Statement | None = None
    start: int = 0
    end: int = 0
    inside: tuple[int, int] = (0, 0)
    """Offsets of the braces."""
    definitions: list[Token] = attrs.field(factory=list)
    """Arguments and results; constants of a block of weights."""
    layers: list[Statement] = attrs.field(factory=list)

    @property
    def net(self) -> str:
        """Name of the net around it."""
        return name_in(self.name) if self.parent is None else self.parent.net

    def walk(self) -> Iterator[Statement]:
        """All layers, those of regions after the layer that holds them."""
        for layer in self.layers:
            yield layer
            for region in layer.regions:
                yield from region.walk()


@attrs.frozen
class Mark:
    """What a token means: `role` is definition, use, layer, attribute, field, region, routine or word.

    Words stand in attributes; `of` is the name of the attribute.
    """

    token: Token
    role: str
    key: Key | None = None
    statement: Statement | None = None
    of: str = ""


@attrs.define(eq=False)
class Outline:
    """Everything of a text, in its order."""

    tokens: list[Token]
    scopes: list[Scope] = attrs.field(factory=list)
    """Nets and blocks of weights."""
    constants: list[Token] = attrs.field(factory=list)
    """Constants with their numbers in the text."""
    marks: dict[int, Mark] = attrs.field(factory=dict)
    """By the offset of the token."""
    mentions: dict[Key, list[Mark]] = attrs.field(factory=dict)

    def token_at(self, offset: int) -> Token | None:
        """The token around or right before an offset; of two that meet, the one that is no sign."""
        last = bisect_right(self.tokens, offset, key=lambda t: t.start) - 1
        near = [t for t in self.tokens[max(0, last - 1) : last + 1] if t.start <= offset <= t.end]
        return next((t for t in reversed(near) if t.kind not in ("sign", "arrow")), near[-1] if near else None)

    def mark_at(self, offset: int) -> Mark | None:
        """What the token at an offset means, or None. A constant in a quantized type is found too."""
        token = self.token_at(offset)
        if token is None:
            return None
        if token.kind == "quantized":
            inner = (self.marks[at] for at in range(offset, token.start, -1) if at in self.marks)
            return next((m for m in inner if offset <= m.token.end), None)
        return self.marks.get(token.start)

    def definition(self, key: Key) -> Token | None:
        """Where a name is defined."""
        return next((m.token for m in self.mentions.get(key, ()) if m.role == "definition"), None)

    def scope_at(self, offset: int) -> Scope | None:
        """The innermost scope around an offset."""
        found, inner = None, self.scopes
        while True:
            around = next((s for s in inner if s.start <= offset <= s.end), None)
            if around is None:
                return found
            found, inner = around, [r for layer in around.layers for r in layer.regions]

    def statement_at(self, offset: int) -> Statement | None:
        """The layer around an offset, or the last one that begins before it in the innermost scope."""
        scope = self.scope_at(offset)
        before = [s for s in scope.layers if s.start <= offset] if scope else []
        return before[-1] if before else (scope.owner if scope else None)

    def visible(self, offset: int) -> list[Token]:
        """The values that a layer at an offset may read, in the order of the text."""
        found: list[Token] = []
        scope = self.scope_at(offset)
        while scope is not None and scope.kind != "weights":
            around = [s for s in scope.layers if s.start <= offset]
            # The layer in which the offset lies defines its results only after itself.
            limit = around[-1].start if around and offset <= around[-1].end else offset
            found[:0] = [t for t in scope.definitions if t.end <= limit]
            offset = scope.owner.start if scope.owner else offset
            scope = scope.parent
        return found
