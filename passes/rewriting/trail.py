"""Finding rewrites that undo one another: a state of the function that was there before.

The state is a sum of hashes, one for each layer, relative to the state at the start. So a step costs as much as it
changes. A value is identified by what it stands for, not by its name: the result of a new layer takes over the identity
of the one that it replaces, and a helper is identified by its expression.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from plait.ir.layer import Layer
from plait.ir.values import Constant, Value
from plait.passes.rewriting.errors import RewriteLoop
from plait.passes.support.constants import constant_content

_SMALL = 16
_MASK = (1 << 64) - 1


class Trail:
    """The states that a function went through, and the patterns that led from one to the next."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.steps: list[tuple[str, str]] = []
        self._state = 0
        self._seen = {0: 0}
        self._identities: dict[Value, int] = {}
        self._serial = itertools.count()

    def enter(self, layer: Layer) -> None:
        """A layer was attached, or its operands have changed (after `leave`)."""
        self._state = self._state + self._hash(layer) & _MASK

    def leave(self, layer: Layer) -> None:
        """A layer is about to be detached, or its operands are about to change."""
        self._state = self._state - self._hash(layer) & _MASK

    def succeed(self, new: Sequence[Value], old: Sequence[Value]) -> None:
        """Values that stand for what others stood for."""
        for a, b in zip(new, old, strict=True):
            self._identities[a] = self._identity(b)

    def helper(self, layer: Layer) -> None:
        """A layer whose results stand for its own expression."""
        for i, value in enumerate(layer.results):
            self._identities[value] = hash((*self._expression(layer), i))

    def step(self, rule: str, layer: str) -> None:
        """A rewrite is complete.

        Raises:
            RewriteLoop: the function is as it was before, or there have been more than `limit` rewrites.
        """
        self.steps.append((rule, layer))
        since = self._seen.setdefault(self._state, len(self.steps))
        if since < len(self.steps):
            rules = [name for name, _ in self.steps[since:]]
            if len(rules) == 1:
                raise RewriteLoop(rules, layer, "it puts the same in place of the layer, again and again")
            raise RewriteLoop(rules, layer, f"these rewrites undo one another: {' -> '.join(rules)}")
        if len(self.steps) > self.limit:
            rules = list(dict.fromkeys(name for name, _ in self.steps[-100:]))
            message = (
                f"the rewrites do not come to an end after {self.limit} steps; the last were by {', '.join(rules)}"
            )
            raise RewriteLoop(rules, layer, message)

    def _hash(self, layer: Layer) -> int:
        return hash((*self._expression(layer), tuple(self._identity(r) for r in layer.results)))

    def _expression(self, layer: Layer) -> tuple[str, str, tuple[int, ...]]:
        operands = tuple(-1 if v is None else self._identity(v) for v in layer.operand_slots())
        return layer.op, repr(layer.attributes()), operands

    def _identity(self, value: Value) -> int:
        if value not in self._identities:
            content = _content(value)
            self._identities[value] = hash((next(self._serial),) if content is None else content)
        return self._identities[value]


def _content(value: Value) -> tuple[str, bytes] | None:
    """What is in a small constant: patterns may make an equal one at each step."""
    if not isinstance(value, Constant) or value.type.elements > _SMALL:
        return None
    content = constant_content(value)
    return None if content is None else (str(value.type), content)
