"""Which values lie inside others: concatenations that move nothing, parts and reshapes that are views.

A value has one home. Routines state which values *could* lie in which (`Routine.aliases`), and `Homes` grants these
requests in the order of the layers, before anything is lowered: the layer that makes an operand of a concatenation
comes first, and has to write it where the concatenation wants it. What is refused is copied by the routine that asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import attrs

from plait.ir.values import Constant, Value

GRANULE = 4
"""Plans name places in memory by multiples of so many bytes."""


@attrs.frozen
class Alias:
    """`value` may lie `offset` bytes into `host`: nothing else of that stretch of the host is written by kernels before
    the layer that asks, unless it is padding."""

    value: Value
    host: Value
    offset: int = 0


class Homes:
    """Grants aliases, first come, first served.

    Args:
        nbytes: the bytes that a value takes in memory.
        fixed: values that lie elsewhere already, inputs and outputs; they may be hosts.
    """

    def __init__(self, nbytes: Callable[[Value], int], fixed: Iterable[Value] = ()) -> None:
        self._nbytes = nbytes
        self._fixed = frozenset(fixed)
        self._home: dict[Value, tuple[Value, int]] = {}

    def home(self, value: Value) -> tuple[Value, int] | None:
        """The host of a value and the offset in it; None if the value has memory of its own."""
        return self._home.get(value)

    def root(self, value: Value) -> tuple[Value, int]:
        """The value that owns the memory, and the offset in it."""
        offset = 0
        while value in self._home:
            value, further = self._home[value]
            offset += further
        return value, offset

    def lies_in(self, alias: Alias) -> bool:
        """Whether a value lies just there."""
        root, at = self.root(alias.host)
        return not isinstance(root, Constant) and self.root(alias.value) == (root, at + alias.offset)

    def settle(self, alias: Alias) -> bool:
        """Grant an alias if that is possible; whether the value lies there now.

        A value that shares its memory with others (a view, or a host) moves with all of them, but only if it covers the
        memory wholly: else parts of the others would lie outside its stretch of the new host. Of two values that are
        all of each other, either may move.
        """
        return self.lies_in(alias) or self._move(alias) or self._move_host(alias)

    def _move(self, alias: Alias) -> bool:
        root, at = self.root(alias.value)
        size, host = self._nbytes(alias.value), self.root(alias.host)[0]
        if any(isinstance(v, Constant) for v in (root, host)) or root in self._fixed or root is host:
            return False
        if at or self._nbytes(root) != size or alias.offset % GRANULE:
            return False
        if alias.offset + size > self._nbytes(alias.host):
            return False
        self._home[root] = (alias.host, alias.offset)
        return True

    def _move_host(self, alias: Alias) -> bool:
        value, host = alias.value, alias.host
        # Equal bytes do not suffice: what is padding of one may be elements of the other.
        same = value.type.elements == host.type.elements and self._nbytes(value) == self._nbytes(host)
        return same and alias.offset == 0 and self._move(Alias(alias.host, alias.value))
