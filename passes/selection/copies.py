"""Every way worth considering to make the copies of a value, and every routine worth considering for a layer.

For plans with budgets the cheapest conversions are not enough: dearer ones may use less of a resource, or make
fewer copies.  Here a value has a list of *ways*: which format its producer leaves, which of the formats that are
wanted of it exist then, what making them costs, uses and occupies.  Ways that another one beats in everything are
left out, so the lists are short.  The sharing mode is ``tree``.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import attrs

from plait.passes.selection.conversion import MAX_TERMINALS, Step
from plait.passes.selection.problem import Adapts, Problem, TooManyFormatsError
from plait.passes.selection.reductions import Kept

MAX_FORMATS = 10
"""Most formats for which all sets of copies are listed: there are ``2**10`` for each source."""
MAX_WAYS = 48
"""Most incomparable ways to make one set of copies from one source."""
MAX_SETS = 4096
"""Most sets of wanted formats of one value, where each has one way."""

Amounts: TypeAlias = tuple[float, ...]


@attrs.frozen
class Way:
    """Conversions of one value: from ``source`` they make ``copies``, at ``cost`` and ``used`` (of each resource)."""

    source: int
    copies: int
    cost: float
    used: Amounts
    steps: tuple[Step, ...]
    size: float = 0.0
    """Memory of all copies, the source included."""


def summed_resources(problem: Problem) -> tuple[str, ...]:
    """Resources with a budget for the sum, each once."""
    return tuple(dict.fromkeys(b.resource for b in problem.budgets if b.kind == "sum"))


def has_peak(problem: Problem) -> bool:
    """Whether memory is limited along the schedule."""
    return any(b.kind == "peak" for b in problem.budgets)


def pareto_routines(problem: Problem) -> Kept:
    """Per layer the routines that no other one of equal formats beats in cost and every budgeted resource."""
    names = summed_resources(problem) + (("memory",) if has_peak(problem) else ())
    per_table: dict[int, tuple[int, ...]] = {}
    for layer in problem.layers:
        if layer.table not in per_table:
            groups: dict[object, list[tuple[Amounts, int]]] = {}
            for k, routine in enumerate(problem.tables[layer.table].routines):
                amounts = (routine.cost, *(routine.resources.get(n, 0.0) for n in names))
                groups.setdefault(routine.signature, []).append((amounts, k))
            kept = [k for group in groups.values() for _, k in front(group)]
            per_table[layer.table] = tuple(sorted(kept))
    return tuple(per_table[layer.table] for layer in problem.layers)


def front(points: Iterable[tuple[Amounts, int]]) -> list[tuple[Amounts, int]]:
    """The points that no other one is at most equal to in everything; of equal ones the first."""
    found: list[tuple[Amounts, int]] = []
    for amounts, tag in sorted(points):
        if not any(all(a <= b for a, b in zip(other, amounts, strict=True)) for other, _ in found):
            found.append((amounts, tag))
    return found


def ways_of_values(problem: Problem, kept: Kept) -> list[list[Way]]:
    """For every value the ways to serve its uses, whichever of the kept routines are chosen.

    Raises:
        TooManyFormatsError: there are more formats than all sets of copies can be listed for.
    """
    listed: dict[tuple[int, int], list[Way]] = {}
    names = summed_resources(problem)
    return [_ways_of_value(problem, kept, v, names, listed) for v in range(len(problem.values))]


def _ways_of_value(
    problem: Problem, kept: Kept, value: int, names: Sequence[str], listed: dict[tuple[int, int], list[Way]]
) -> list[Way]:
    layer, port = problem.producers[value]
    sources = sorted({problem.routines(layer)[k].outputs[port] for k in kept[layer]})
    wishes = [_formats(problem.routines(i)[k].inputs[p] for k in kept[i]) for i, p in problem.uses[value]]
    wanted = 0
    for wish in wishes:
        wanted |= wish
    spec, found = problem.values[value], []
    if not has_peak(problem) and not any(problem.adapts[spec.adapt].resources.get(name) for name in names):
        return _cheapest_ways(problem, value, sources, wishes)
    if len(problem.formats) > MAX_FORMATS:
        raise TooManyFormatsError(f"there are {len(problem.formats)} formats; ways are listed for up to {MAX_FORMATS}")
    for source in sources:
        key = (spec.adapt, source)
        if key not in listed:
            listed[key] = _all_ways(problem.adapts[spec.adapt], source, names)
        best: dict[int, list[tuple[Amounts, Way]]] = {}
        for way in listed[key]:
            useful = way.copies & wanted
            if not all(useful & wish for wish in wishes) or (useful & ~(1 << source)).bit_count() > len(wishes):
                continue
            size = spec.elements * sum(f.bytes for g, f in enumerate(problem.formats) if way.copies >> g & 1)
            way = attrs.evolve(way, copies=useful, size=float(size))
            amounts = (way.cost, *way.used, way.size if has_peak(problem) else 0.0)
            best.setdefault(useful, []).append((amounts, way))
        for group in best.values():
            ends = front((amounts, n) for n, (amounts, _) in enumerate(group))
            found += [group[n][1] for _, n in ends]
    return found


def _cheapest_ways(problem: Problem, value: int, sources: Sequence[int], wishes: Sequence[int]) -> list[Way]:
    """The ways of a value whose conversions use nothing that is limited: of each set of copies the cheapest tree."""
    planner = problem.planner(value)
    terminals = [f for f in range(len(problem.formats)) if any(wish >> f & 1 for wish in wishes)]
    sizes = range(min(len(wishes), len(terminals)) + 1)
    if sum(math.comb(len(terminals), n) for n in sizes) > MAX_SETS or len(terminals) > MAX_TERMINALS:
        raise TooManyFormatsError(f"a value is wanted in {len(terminals)} formats; ways are listed for fewer")
    sets = [copies for n in sizes for copies in itertools.combinations(terminals, n)]
    served = [copies for copies in sets if all(any(wish >> f & 1 for f in copies) for wish in wishes)]
    used = (0.0,) * len(summed_resources(problem))
    found = []
    for source in sources:
        for copies in served:
            steps = planner.plan(source, copies, "tree")
            if steps is not None:
                cost = math.fsum(planner.direct[a, b] for a, b in steps)
                found.append(Way(source, _formats(copies), cost, used, steps))
    return found


def _formats(formats: Iterable[int]) -> int:
    """Bit set of formats."""
    found = 0
    for f in formats:
        found |= 1 << f
    return found


def _all_ways(adapts: Adapts, source: int, names: Sequence[str]) -> list[Way]:
    """Every set of copies that conversions can make from a source, with the incomparable ways to make it.

    Sets grow by one conversion at a time, in the order of their bit sets: any tree of conversions grows so.
    """
    count = len(adapts.cost)
    uses = [adapts.resources.get(name) for name in names]
    arcs: list[list[tuple[int, Amounts]]] = [[] for _ in range(count)]
    for f, g in itertools.permutations(range(count), 2):
        if adapts.cost[f][g] != float("inf"):
            arcs[g].append((f, (adapts.cost[f][g], *(0.0 if m is None else m[f][g] for m in uses))))
    zero = (0.0,) * (1 + len(names))
    labels: dict[int, list[tuple[Amounts, tuple[Step, ...]]]] = {1 << source: [(zero, ())]}
    found = []
    for copies in range(1 << source, 1 << count):
        if copies not in labels:
            continue
        group = labels.pop(copies)
        ends = front((amounts, n) for n, (amounts, _) in enumerate(group))[:MAX_WAYS]
        for amounts, n in ends:
            steps = group[n][1]
            found.append(Way(source, copies, amounts[0], amounts[1:], steps))
            for g in range(count):
                if copies >> g & 1:
                    continue
                ways = [(arc, f) for f, arc in arcs[g] if copies >> f & 1]
                for arc, f in front(ways):
                    total = tuple(a + b for a, b in zip(amounts, arc, strict=True))
                    labels.setdefault(copies | 1 << g, []).append((total, (*steps, (f, g))))
    return found
