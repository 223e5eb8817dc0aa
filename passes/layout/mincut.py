"""Minimum cut of a small directed graph, by Dinic's algorithm (1970): integer capacities, exact."""

from __future__ import annotations

from collections import deque

INFINITE = 1 << 200
"""A capacity that no cut pays."""


class CutGraph:
    """Nodes are integers. `SOURCE` and `SINK` exist from the start, others come from `node()`."""

    SOURCE, SINK = 0, 1

    def __init__(self) -> None:
        # Arcs in pairs: arc `a` and its reverse `a ^ 1`.
        self._head: list[int] = []
        self._free: list[int] = []
        self._arcs: list[list[int]] = [[], []]

    def node(self) -> int:
        """A new node."""
        self._arcs.append([])
        return len(self._arcs) - 1

    def arc(self, tail: int, head: int, capacity: int) -> None:
        """`capacity` is paid if `tail` stands on the source's side and `head` on the sink's."""
        for start, end, free in ((tail, head, capacity), (head, tail, 0)):
            self._arcs[start].append(len(self._head))
            self._head.append(end)
            self._free.append(free)

    def sink_side(self) -> set[int]:
        """The nodes on the sink's side of a minimum cut, as few as possible."""
        while (level := self._levels())[self.SINK] >= 0:
            self._block(level)
        # What can still reach the sink, found backwards.
        side, work = {self.SINK}, [self.SINK]
        while work:
            for arc in self._arcs[work.pop()]:
                tail = self._head[arc]
                if self._free[arc ^ 1] and tail not in side:
                    side.add(tail)
                    work.append(tail)
        return side

    def _levels(self) -> list[int]:
        """Number of arcs from the source to each node, -1 where none leads."""
        level = [-1] * len(self._arcs)
        level[self.SOURCE] = 0
        queue = deque([self.SOURCE])
        while queue:
            node = queue.popleft()
            for arc in self._arcs[node]:
                if self._free[arc] and level[self._head[arc]] < 0:
                    level[self._head[arc]] = level[node] + 1
                    queue.append(self._head[arc])
        return level

    def _block(self, level: list[int]) -> None:
        """Send flow along all shortest paths, until each has a full arc."""
        position = [0] * len(self._arcs)
        path: list[int] = []
        while True:
            node = self._head[path[-1]] if path else self.SOURCE
            if node == self.SINK:
                flow = min(self._free[a] for a in path)
                for arc in path:
                    self._free[arc] -= flow
                    self._free[arc ^ 1] += flow
                full = next(i for i, a in enumerate(path) if not self._free[a])
                del path[full:]
            elif (step := self._next(node, level, position)) is not None:
                path.append(step)
            elif path:
                position[self._head[path.pop() ^ 1]] += 1
            else:
                return

    def _next(self, node: int, level: list[int], position: list[int]) -> int | None:
        """The arc on which to leave a node, or None if all are tried."""
        arcs = self._arcs[node]
        while position[node] < len(arcs):
            arc = arcs[position[node]]
            if self._free[arc] and level[self._head[arc]] == level[node] + 1:
                return arc
            position[node] += 1
        return None
