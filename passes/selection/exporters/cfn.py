"""Cost function networks for toulbar2: the factor graph as ``.cfn``.

A variable for each layer, whose values are its routines, and one for each shared value, whose values are sets of
formats; unary and binary functions. Costs are decimals. toulbar2 computes with 64-bit integers, so that the digits
after the point are as many as the sum of the largest costs leaves room for; costs with no more digits stay exact. What
costs as much as the bound ``mustbe`` is forbidden.
"""

from __future__ import annotations

import json
import math

import attrs
import numpy as np

from plait.passes.selection.build_graph import build_graph
from plait.passes.selection.columns import FloatArray
from plait.passes.selection.exporters.names import layer_name, plain, routine_name
from plait.passes.selection.factor_graph import FactorGraph
from plait.passes.selection.problem import Problem, refuse_budgets
from plait.passes.selection.reductions import Kept, reduce

_ROOM = 16
"""Decimal digits of costs that toulbar2 can add up without running out of 64 bits."""


@attrs.frozen
class Network:
    """The text of a network, the routines that its variables have as values, and the rounding of its objective."""

    text: str
    kept: Kept
    rounding: float


def to_cfn(problem: Problem) -> str:
    """A problem as a cost function network.

    Raises:
        ProblemError: the problem has budgets, or a value may be wanted in too many formats.
    """
    return network(problem).text


def network(problem: Problem, *, dominance: bool = True) -> Network:
    """The network of a problem after collapse and, if wanted, dominance."""
    refuse_budgets(problem, "cfn")
    kept = reduce(problem, dominance=dominance)
    graph = build_graph(problem, kept)
    functions: list[tuple[tuple[int, ...], FloatArray]] = [((v,), costs) for v, costs in enumerate(graph.unary)]
    functions += [(ends, table) for ends, table in sorted(graph.pairs.items())]
    top = 1.0 + math.fsum(_largest(costs) for _, costs in functions)
    digits = max(0, _ROOM - math.ceil(math.log10(top)))
    names = _names(problem, kept, graph)
    number = f"{{:.{digits}f}}".format
    lines = [f'{{"problem": {{"name": {json.dumps(plain(problem.name) or "problem")}, "mustbe": "<{number(top)}"}},']
    lines += [
        '"variables": {',
        ",\n".join(f"{json.dumps(n)}: {json.dumps(v)}" for n, v in names),
        "},",
    ]
    entries = []
    for count, (scope, costs) in enumerate(functions):
        listed = ", ".join(number(min(c, top)) for c in costs.ravel().tolist())
        entries.append(f'"f{count}": {{"scope": {json.dumps([names[v][0] for v in scope])}, "costs": [{listed}]}}')
    lines += ['"functions": {', ",\n".join(entries), "}}\n"]
    return Network("\n".join(lines), kept, len(functions) * 0.5 * 10.0**-digits)


def _largest(costs: FloatArray) -> float:
    """The largest finite entry."""
    return float(np.where(np.isfinite(costs), costs, 0.0).max(initial=0.0))


def _names(problem: Problem, kept: Kept, graph: FactorGraph) -> list[tuple[str, list[str]]]:
    """Name and names of the values of each variable."""
    layers = [
        (layer_name(problem, i), [routine_name(problem, i, k) for k in candidates]) for i, candidates in enumerate(kept)
    ]
    sets = graph.sizes.tolist()[len(layers) :]
    return layers + [(f"S{n}", [f"s{state}" for state in range(size)]) for n, size in enumerate(sets)]
