"""Regions of a network: connected sets of layers, and the part of the factor graph that is free in one."""

from __future__ import annotations

import random
from collections.abc import Sequence

from plait.passes.selection.conversion import FloatArray
from plait.passes.selection.factor_graph import FactorGraph
from plait.passes.selection.problem import Problem


def layer_neighbours(problem: Problem) -> list[list[int]]:
    """For each layer those it shares a value with, as producer and user or as users of one value; ascending."""
    near: list[set[int]] = [set() for _ in problem.layers]
    for (maker, _), uses in zip(problem.producers, problem.uses, strict=True):
        for user, _ in uses:
            near[maker].add(user)
            near[user].add(maker)
    return [sorted(n) for n in near]


def grow(near: Sequence[Sequence[int]], start: int, size: int, rng: random.Random) -> list[int]:
    """A connected region of up to ``size`` layers around one, grown by random neighbours; ascending."""
    region, border = {start}, list(near[start])
    while border and len(region) < size:
        layer = border.pop(rng.randrange(len(border)))
        if layer not in region:
            region.add(layer)
            border += [n for n in near[layer] if n not in region]
    return sorted(region)


class Regions:
    """Cuts parts out of a factor graph whose first variables are layers and whose others are sets of formats."""

    def __init__(self, graph: FactorGraph, layers: int) -> None:
        self._graph = graph
        self._layers = layers
        self._tables: list[list[tuple[int, FloatArray]]] = [[] for _ in graph.unary]
        for (i, j), table in sorted(graph.pairs.items()):
            self._tables[i].append((j, table))
            self._tables[j].append((i, table.T))

    def part(self, region: Sequence[int], states: Sequence[int]) -> FactorGraph:
        """The objective over the layers of a region, in their order, with all others at their states.

        The sets of formats that a layer of the region makes or wants are free too: they follow the layers.
        """
        sets = {u for v in region for u, _ in self._tables[v] if u >= self._layers}
        free = {v: n for n, v in enumerate([*region, *sorted(sets)])}
        unary, pairs = [self._graph.unary[v] for v in free], {}
        for v, n in free.items():
            for u, table in self._tables[v]:
                if u not in free:
                    unary[n] = unary[n] + table[:, states[u]]
                elif v < u:
                    pairs[n, free[u]] = table
        return FactorGraph.of(unary, pairs)
