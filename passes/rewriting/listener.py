"""Listeners: objects that watch rewrites, registered in `PassContext.listeners`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import attrs

from plait.ir.layer import Layer
from plait.ir.text.printer import layer_text
from plait.ir.values import Value

if TYPE_CHECKING:
    from plait.passes.rewriting.rule import Pattern


class Listener:
    """Base of listeners, which does nothing: subclasses define the methods that they need.

    For one rewrite they are called in this order: `allows`, `on_match`, `on_insert` for each new layer, `on_replace`,
    `on_remove` for the root and each layer that nothing uses any more.
    """

    def allows(self, pattern: Pattern, root: Layer) -> bool:
        """Whether this rewrite may happen. If any listener says no, the layer stays as it is."""
        return True

    def on_match(self, pattern: Pattern, root: Layer) -> None:
        """A pattern applies to `root`, which is still in its place."""

    def on_refuse(self, pattern: Pattern, root: Layer, reason: str) -> None:
        """A pattern does not apply to `root`. Told again only when the reason changes."""

    def on_insert(self, layer: Layer) -> None:
        """A layer was attached."""

    def on_replace(self, root: Layer, values: Sequence[Value]) -> None:
        """The results of `root` are about to be replaced, each by one of `values`."""

    def on_remove(self, layer: Layer) -> None:
        """A layer is about to be detached."""


@attrs.frozen
class TextLog(Listener):
    """Each rewrite as a line, `relu_into_conv: %y (relu)`; with `detail` also the layers that come (+) and go (-)."""

    log: Callable[[str], None]
    detail: bool = False

    def on_match(self, pattern: Pattern, root: Layer) -> None:
        self.log(f"{pattern.name}: {root.describe()}")

    def on_insert(self, layer: Layer) -> None:
        if self.detail:
            self.log(f"  + {layer_text(layer, locations=False)}")

    def on_remove(self, layer: Layer) -> None:
        if self.detail:
            self.log(f"  - {layer_text(layer, locations=False)}")


@attrs.define
class Limit(Listener):
    """Lets the first `most` rewrites happen and no other. `applied` counts them, over all passes of a context."""

    most: int
    applied: int = 0

    def allows(self, pattern: Pattern, root: Layer) -> bool:
        return self.applied < self.most

    def on_match(self, pattern: Pattern, root: Layer) -> None:
        self.applied += 1
