"""Searches over the prices of a relaxation: the curve of one sum, and subgradients for everything else."""

from __future__ import annotations

import math
import time

import attrs
import numpy as np

from plait.passes.selection.budgets.relaxation import Plan, Relaxation
from plait.passes.selection.conversion import FloatArray

_ROUNDS = 60
_CLOSE = 1e-9


@attrs.frozen
class Searched:
    """A proven bound on plans that keep the budgets; ``least`` is the smallest use of a sum that is out of reach."""

    bound: float
    infeasible: bool = False
    least: float | None = None


def search(relaxation: Relaxation, deadline: float = math.inf) -> Searched:
    """Find a good bound, and plans on the way (``relaxation.best``).

    At ``deadline`` (of ``time.perf_counter``) the search over several prices ends with what it has.
    """
    if len(relaxation.rows) == 1:
        bound, _, least = curve(relaxation)
        return Searched(bound, bound == math.inf, least)
    return _subgradient(relaxation, deadline)


def curve(relaxation: Relaxation) -> tuple[float, list[Plan], float | None]:
    """The best bound for one sum, with the plans met: corners of the convex hull of (use, cost).

    Starts from the cheapest plan and the one that uses least, and goes to the corner on the line between two
    neighbours that enclose the limit, until that line is an edge: its price is the best one.  The third result
    is the least use, where that is above the limit and no plan exists (the bound is infinite then).
    """
    cheap = relaxation.at([0.0])
    if cheap.plan is None:
        return cheap.bound, [], None
    met, bound = [cheap.plan], cheap.bound
    if cheap.plan.kept:
        return bound, met, None
    frugal = relaxation.at([1.0], cost=0.0)
    assert frugal.plan is not None
    met.append(frugal.plan)
    if not frugal.plan.kept:
        # The bound of use alone is L with the limit taken off.
        return (math.inf if frugal.bound > 0 else bound), met, frugal.bound + float(relaxation.limits[0])
    above, below = cheap.plan, frugal.plan
    while above.amounts[0] > below.amounts[0]:
        price = (below.cost - above.cost) / (above.amounts[0] - below.amounts[0])
        if price < 0:
            break
        found = relaxation.at([price])
        bound = max(bound, found.bound)
        assert found.plan is not None
        line = above.cost + price * above.amounts[0]
        reached = found.plan.cost + price * found.plan.amounts[0]
        if reached >= line - _CLOSE * abs(line):
            break
        met.append(found.plan)
        above, below = (above, found.plan) if found.plan.kept else (found.plan, below)
    return bound, met, None


def _subgradient(relaxation: Relaxation, deadline: float) -> Searched:
    """Prices rise where a limit is broken and fall where there is room (Held, Wolfe and Crowder 1974)."""
    prices: FloatArray = np.zeros(len(relaxation.rows))
    best = prices
    bound, share, idle = -math.inf, 1.0, 0
    for _ in range(_ROUNDS):
        if time.perf_counter() > deadline and bound > -math.inf:
            break
        found = relaxation.at(prices)
        if found.plan is None:
            return Searched(found.bound, found.bound == math.inf)
        if found.bound > bound + _CLOSE * abs(bound):
            bound, best, idle = found.bound, prices, 0
        else:
            idle += 1
            if idle >= 4:
                share, idle, prices = share / 2, 0, best
                continue
        target = relaxation.best.cost if relaxation.best else 1.05 * abs(bound) + 1e-9
        if target - bound <= _CLOSE * abs(target):
            break
        slope = relaxation.excess(found.plan)
        # Rows with room and no price ask for nothing.
        slope = np.where((slope < 0) & (prices <= 0), 0.0, slope)
        length = float(np.dot(slope, slope))
        if length == 0:
            break
        prices = np.maximum(0.0, prices + share * max(target - found.bound, 1e-9 * abs(target)) / length * slope)
    return Searched(bound)
