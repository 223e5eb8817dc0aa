"""What goes wrong in rewrites. These are defects of patterns, not of the user's module."""

from __future__ import annotations

from collections.abc import Sequence


class RewriteError(RuntimeError):
    """A pattern raised an exception or returned something that cannot stand in the place of the root.

    `rule` is its name, `layer` describes the root.
    """

    def __init__(self, rule: str, layer: str, problem: str) -> None:
        super().__init__(f"rewrite {rule} on {layer}: {problem}")
        self.rule, self.layer = rule, layer


class RewriteLoop(RewriteError):
    """Patterns undo one another, or never come to an end. `rules` are their names, in the order of application."""

    def __init__(self, rules: Sequence[str], layer: str, problem: str) -> None:
        super().__init__(rules[-1], layer, problem)
        self.rules = tuple(rules)
