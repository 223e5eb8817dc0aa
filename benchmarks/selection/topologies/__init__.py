"""Graphs of networks by name."""

from __future__ import annotations

from functools import cache

import numpy as np

from benchmarks.selection.graph import Graph
from benchmarks.selection.topologies.families import FAMILIES, STRESS
from benchmarks.selection.topologies.imported import NETWORKS, imported
from benchmarks.selection.topologies.reconstructions import RECONSTRUCTIONS

REAL = (*NETWORKS, *RECONSTRUCTIONS)
"""Topologies of published networks: our own models', and reconstructions."""


@cache
def topology(name: str, layers: int = 60, seed: int = 0) -> Graph:
    """The graph of a name; ``layers`` and ``seed`` concern synthetic families.

    Raises:
        KeyError: there is none of that name.
    """
    if name in NETWORKS:
        return imported(name)
    if name in RECONSTRUCTIONS:
        return RECONSTRUCTIONS[name]()
    return {**FAMILIES, **STRESS}[name](layers, np.random.default_rng([seed, layers]))
