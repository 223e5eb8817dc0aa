"""Which layers make a problem infeasible: a smallest set (no layer can be left out) that can not be served.

Whether a plan exists does not depend on how conversions are shared, only on which formats reach which;
so the search works on the layers alone, with tables of zeros and infinities.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeAlias

import attrs
import numpy as np
import numpy.typing as npt

from plait.passes.selection.build_graph import build_graph
from plait.passes.selection.contraction import consistent, emptied
from plait.passes.selection.elimination import TooWideError, eliminate
from plait.passes.selection.factor_graph import FactorGraph
from plait.passes.selection.problem import Problem
from plait.passes.selection.reductions import Kept

BoolArray: TypeAlias = npt.NDArray[np.bool_]


def find_conflict(problem: Problem, kept: Kept, table_limit: int) -> tuple[str, ...]:
    """Labels of the layers of one conflict, in schedule order; empty when none could be established."""
    graph = build_graph(problem, kept, "none")
    graph = attrs.evolve(graph, entries=np.where(np.isfinite(graph.entries), 0.0, np.inf))
    members = list(range(len(graph.sizes)))
    try:
        if _feasible(graph, members, table_limit):
            return ()
        members = _shrink(graph, members, table_limit)
    except TooWideError:
        if not emptied(graph, consistent(graph)):
            return ()
    return tuple(problem.layer_label(i) for i in members)


def _shrink(graph: FactorGraph, members: list[int], table_limit: int) -> list[int]:
    """Leave out runs of layers, ever shorter ones, as long as the rest stays infeasible."""
    length = max(1, len(members) // 2)
    while True:
        start = 0
        while start < len(members):
            rest = members[:start] + members[start + length :]
            if rest and not _feasible(graph, rest, table_limit):
                members = rest
            else:
                start += length
        if length == 1:
            return members
        length //= 2


def _feasible(graph: FactorGraph, members: Collection[int], table_limit: int) -> bool:
    number = {v: n for n, v in enumerate(members)}
    pairs = {(number[i], number[j]): t for (i, j), t in graph.pairs.items() if i in number and j in number}
    part = FactorGraph.of([graph.unary[v] for v in members], pairs)
    return eliminate(part, table_limit=table_limit, tries=4).states is not None
