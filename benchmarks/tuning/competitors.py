"""Plans that may beat the tuned one: those that other measurements would have led to.

Three kinds in turns: the next best plans; the best plans after all costs were changed by chance; and the best plans
with a few layers forced to routines that cost the whole little.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import attrs
import numpy as np

from benchmarks.tuning.surroundings import Plan, Surroundings, routines_of
from plait.ir import Module
from plait.passes.selection.nbest import n_best
from plait.passes.selection.sensitivity import sensitivity

NEXT, CHANGED, FORCED = "next best", "changed costs", "forced layers"
_TURNS = (CHANGED, FORCED, CHANGED, NEXT)
_SPREADS = (0.02, 0.05, 0.1, 0.2)
"""Standard deviations of the logarithms of costs."""
_MOST_FORCED = 4
_ODDS = 0.005
"""A routine whose plan is slower by this share is forced e times more rarely than the best."""
_TRIES = 20
"""Plans drawn for each that is wanted, at most: many come twice."""


@attrs.frozen(eq=False)
class Competitor:
    """A plan beside the tuned one, how it was found, and what it takes as far as is known."""

    kind: str
    module: Module
    predicted_us: float


def competitors(around: Surroundings, tuned: Module, count: int, seed: int = 0) -> list[Competitor]:
    """Up to `count` distinct plans other than the tuned one."""
    seen = {routines_of(tuned)}
    found: list[Competitor] = []
    for kind, plan in drawn(around, count, seed):
        module = around.module_of(plan)
        if (routines := routines_of(module)) not in seen:
            seen.add(routines)
            found.append(Competitor(kind, module, around.predicted_us(plan)))
            if len(found) == count:
                break
    return found


def drawn(around: Surroundings, count: int, seed: int) -> Iterator[tuple[str, Plan]]:
    """Plans of all kinds in turns, each once, until there are hardly any new ones."""
    draw = np.random.default_rng(seed)
    sources = {CHANGED: _changed(around, draw), FORCED: _forced(around, draw), NEXT: _next(around, count)}
    seen: set[Plan] = set()
    for kind in itertools.islice(itertools.cycle(_TURNS), _TRIES * count):
        plan = next(sources[kind], None)
        if plan is not None and plan not in seen:
            seen.add(plan)
            yield kind, plan


def _next(around: Surroundings, count: int) -> Iterator[Plan]:
    ranking = n_best(around.priced.problem, 2 + count // len(_TURNS))
    for solution in ranking.solutions:
        yield around.plan(around.priced, solution)


def _changed(around: Surroundings, draw: np.random.Generator) -> Iterator[Plan]:
    for spread in itertools.cycle(_SPREADS):
        yield around.best_under(around.costs * np.exp(spread * draw.standard_normal(len(around.costs))))


def _forced(around: Surroundings, draw: np.random.Generator) -> Iterator[Plan]:
    temperature = _ODDS * around.best.cost
    rivals = {}
    for layer in sensitivity(around.priced.problem, around.best):
        others = [r for r in layer.routines if r.routine != layer.chosen and np.isfinite(r.loss)]
        if others:
            weights = np.exp(-np.array([r.loss for r in others]) / temperature)
            rivals[layer.layer] = ([r.routine for r in others], weights)
    # Layers are drawn by their best rival: where one is far ahead of all others, chance would hardly choose them.
    layers = [i for i, (_, weights) in rivals.items() if weights.sum() > 0]
    best = np.array([rivals[i][1].max() for i in layers])
    while layers:
        size = int(draw.integers(1, 1 + min(_MOST_FORCED, len(layers))))
        picked = draw.choice(layers, size, replace=False, p=best / best.sum())
        forced = {int(i): int(draw.choice(rivals[i][0], p=rivals[i][1] / rivals[i][1].sum())) for i in picked}
        if (plan := around.best_with(forced)) is not None:
            yield plan
