"""SSA names of generic text, and the names of values that they stand for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import attrs
import lark

from plait.ir.text.records import TypeSyntax


@attrs.define
class Known:
    """A value: the token that it has in the text form (`%name`, `@name`), and its type."""

    token: lark.Token
    type: TypeSyntax


class Scope:
    """The values seen from one place, by SSA name: `%a`, or `%a#1` of those that share a name."""

    def __init__(self, outer: Scope | None = None) -> None:
        self.visible: dict[str, Known] = {} if outer is None else dict(outer.visible)
        self._ever: dict[str, Known] = {}
        """All values of the function, those that are not visible any more included."""
        self.depth = 0
        """How many regions lie around this place."""
        self._names: set[str] = set()
        self._counts: dict[str, int] = {}
        self._added: list[str] = []

    @contextmanager
    def region(self) -> Iterator[None]:
        """Names defined meanwhile are visible only meanwhile."""
        outer, self._added = self._added, []
        self.depth += 1
        yield
        self.depth -= 1
        for name in self._added:
            del self.visible[name]
        self._added = outer

    def find(self, ssa: str) -> Known | None:
        """The value of this name, be it not visible any more; `%a#0` is also the only one called `%a`."""
        for name in (ssa, ssa.removesuffix("#0")):
            if found := self.visible.get(name) or self._ever.get(name):
                return found
        return None

    def define(self, ssa: str, known: Known) -> bool:
        """Make a value known; false if one of this name is visible."""
        if ssa in self.visible:
            return False
        self.visible[ssa] = self._ever[ssa] = known
        self._added.append(ssa)
        return True

    def free_name(self, name: str) -> str:
        """`name`, or `name.1`, ... if a value of the function has it: tools that copy operations copy names."""
        found = name
        while found in self._names:
            count = self._counts[name] = self._counts.get(name, 0) + 1
            found = f"{name}.{count}"
        self._names.add(found)
        return found
