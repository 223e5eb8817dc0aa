"""A pattern of a pattern file, as the rewrite driver takes it."""

from __future__ import annotations

import attrs

from plait.ir.diagnostics import Span
from plait.ir.layer import Layer
from plait.passes.patterns.graph import Graph
from plait.passes.patterns.replacement import Replacement
from plait.passes.rewriting.builder import Builder
from plait.passes.rewriting.rule import No, Outcome, Pattern


@attrs.frozen
class DeclarativePattern(Pattern):
    """A match graph and what stands in its place."""

    name: str
    classes: tuple[type[Layer], ...]
    graph: Graph = attrs.field(repr=False)
    replacement: Replacement = attrs.field(repr=False)
    benefit: int = 1
    span: Span | None = None
    """Where it is written."""
    quantized: bool = True  # attributes that are not written have their defaults, `to` among them

    def match_and_rewrite(self, root: Layer, builder: Builder) -> Outcome:
        bindings = self.graph.match(root)
        return No(bindings) if isinstance(bindings, str) else self.replacement.build(root, bindings, builder)
