"""Selection as an integer program, for SciPy's HiGHS (extra ``select``): any mixture of budgets.

One binary per routine of a layer and, for every value, one per way to make its copies (``copies.py``).  A way is
taken exactly when the producer leaves its source; a consumer's format must be among its copies.  Budgets are rows:
one for a sum, one per step for the peak.
"""

from __future__ import annotations

import importlib.util
import math
import time

import attrs
import numpy as np

from plait.passes.selection.budgets.usage import lifetime
from plait.passes.selection.copies import Way, summed_resources
from plait.passes.selection.problem import Port, Problem
from plait.passes.selection.reductions import Kept
from plait.passes.selection.solution import Conversion

_LIMIT = 1e4


@attrs.frozen
class IlpResult:
    """``status`` is "optimal", "feasible", "infeasible" or "unknown"; ``bound`` is proven in every case."""

    status: str
    bound: float
    choice: tuple[int, ...] = ()
    conversions: tuple[Conversion, ...] = ()


def available() -> bool:
    """Whether SciPy is installed."""
    return importlib.util.find_spec("scipy") is not None


@attrs.define
class Rows:
    """A sparse linear program under construction: columns with costs, rows with bounds."""

    cost: list[float] = attrs.field(factory=list)
    integer: list[bool] = attrs.field(factory=list)
    rows: list[int] = attrs.field(factory=list)
    columns: list[int] = attrs.field(factory=list)
    entries: list[float] = attrs.field(factory=list)
    least: list[float] = attrs.field(factory=list)
    most: list[float] = attrs.field(factory=list)

    def column(self, cost: float, *, integer: bool) -> int:
        """A new variable from 0 to 1."""
        self.cost.append(cost)
        self.integer.append(integer)
        return len(self.cost) - 1

    def row(self, terms: list[tuple[int, float]], least: float, most: float) -> None:
        """A new constraint; a variable that occurs more than once counts with the sum."""
        merged: dict[int, float] = {}
        for column, entry in terms:
            merged[column] = merged.get(column, 0.0) + entry
        self.rows += [len(self.least)] * len(merged)
        self.columns += merged.keys()
        self.entries += merged.values()
        self.least.append(least)
        self.most.append(most)


class Program:
    """The integer program of a problem over some of its routines and ways.

    With ``largest`` the objective is not the cost but the largest use of all budgets, whose limits do not count; it is
    known to be at most that number.
    """

    def __init__(
        self,
        problem: Problem,
        kept: Kept,
        ways: list[list[Way]],
        *,
        tighten: float = 0.0,
        largest: float | None = None,
    ) -> None:
        self.problem, self.kept, self.ways = problem, kept, ways
        self.lp = Rows()
        # Where nothing else than the cost counts, the ways follow from the routines.
        integer = bool(problem.budgets)
        routines = [[(k, problem.routines(i)[k]) for k in row] for i, row in enumerate(kept)]
        self.x = [{k: self.lp.column(r.cost, integer=True) for k, r in row} for row in routines]
        self.y = [[self.lp.column(way.cost, integer=integer) for way in row] for row in ways]
        for columns in self.x:
            self.lp.row([(c, 1.0) for c in columns.values()], 1.0, 1.0)
        for value in range(len(problem.values)):
            self._tie(value)
        if largest is None:
            self._budgets(tighten)
        else:
            self._largest(largest)

    def _terms(self, port: Port, side: str, format: int, sign: float) -> list[tuple[int, float]]:
        """The routines of a layer that have the format on a port."""
        layer, number = port
        routines = self.problem.routines(layer)
        formats = ((k, routines[k].inputs if side == "in" else routines[k].outputs) for k in self.kept[layer])
        return [(self.x[layer][k], sign) for k, ports in formats if ports[number] == format]

    def _tie(self, value: int) -> None:
        """Ways to the producer's formats, and consumers' formats to the ways."""
        ways, y = self.ways[value], self.y[value]
        producer, uses = self.problem.producers[value], self.problem.uses[value]
        if not uses:
            for way, c in zip(ways, y, strict=True):
                assert not way.steps
                self.lp.row([(c, 1.0), *self._terms(producer, "out", way.source, -1.0)], 0.0, 0.0)
            return
        for source in range(len(self.problem.formats)):
            made = [(c, 1.0) for way, c in zip(ways, y, strict=True) if way.source == source]
            made += self._terms(producer, "out", source, -1.0)
            if made:
                self.lp.row(made, 0.0, 0.0)
        for format in range(len(self.problem.formats)):
            wishes = [t for use in uses if (t := self._terms(use, "in", format, -1.0))]
            if not wishes:
                continue
            supply = [(c, 1.0) for way, c in zip(ways, y, strict=True) if way.copies >> format & 1]
            if len(wishes) > 1:
                # One variable stands for "wanted at all": fewer entries than all ways for each use.
                need = self.lp.column(0.0, integer=False)
                self.lp.row([*supply, (need, -1.0)], 0.0, math.inf)
                supply = [(need, 1.0)]
            for wish in wishes:
                self.lp.row([*supply, *wish], 0.0, math.inf)

    def _budgets(self, tighten: float) -> None:
        names = summed_resources(self.problem)
        for budget in self.problem.budgets:
            # Feasibility tolerances are absolute (1e-6): limits become large enough to be kept up to `TOLERANCE`.
            scale = _LIMIT / budget.limit if budget.limit > 0 else 1.0
            limit = budget.limit * scale - tighten * _LIMIT
            if budget.kind == "sum":
                self.lp.row(self._sum(budget.resource, names.index(budget.resource), scale), -math.inf, limit)
            else:
                self._peak(scale, limit)

    def _sum(self, resource: str, number: int, scale: float) -> list[tuple[int, float]]:
        """What a plan uses of a resource; ``number`` is its place among those of the ways."""
        terms = self._routine_use(resource, range(len(self.x)), scale)
        for row, y in zip(self.ways, self.y, strict=True):
            terms += [(c, w.used[number] * scale) for w, c in zip(row, y, strict=True) if w.used[number]]
        return terms

    def _largest(self, most: float) -> None:
        self.lp.cost = [0.0] * len(self.lp.cost)
        top = self.lp.column(most, integer=False)
        scale = _LIMIT / most if most > 0 else 1.0
        for number, resource in enumerate(summed_resources(self.problem)):
            self.lp.row([*self._sum(resource, number, scale), (top, -most * scale)], -math.inf, 0.0)

    def _routine_use(self, resource: str, layers: range, scale: float) -> list[tuple[int, float]]:
        found = []
        for i in layers:
            routines = self.problem.routines(i)
            found += [(c, routines[k].resources.get(resource, 0.0) * scale) for k, c in self.x[i].items()]
        return [(c, a) for c, a in found if a]

    def _peak(self, scale: float, limit: float) -> None:
        live: list[list[tuple[int, float]]] = [[] for _ in self.x]
        for value, (row, y) in enumerate(zip(self.ways, self.y, strict=True)):
            first, last = lifetime(self.problem, value)
            terms = [(c, way.size * scale) for way, c in zip(row, y, strict=True) if way.size]
            for step in range(first, last + 1):
                live[step] += terms
        for step, terms in enumerate(live):
            self.lp.row([*terms, *self._routine_use("memory", range(step, step + 1), scale)], -math.inf, limit)

    def solve(self, time_limit: float) -> IlpResult:
        """Hand the program to HiGHS."""
        from scipy.optimize import Bounds, LinearConstraint, milp
        from scipy.sparse import csr_matrix

        lp = self.lp
        if any(not row for row in self.x) or any(not w for w in self.ways):
            return IlpResult("infeasible", math.inf)
        cost = np.array(lp.cost)
        # HiGHS has absolute tolerances; the largest cost becomes 1e4.
        scale = max(1e-12, float(np.abs(cost).max(initial=0.0)) / 1e4)
        shape = (len(lp.least), len(lp.cost))
        matrix = csr_matrix((lp.entries, (lp.rows, lp.columns)), shape=shape)
        found = milp(
            cost / scale,
            integrality=np.array(lp.integer, dtype=int),
            bounds=Bounds(0, 1),
            constraints=LinearConstraint(matrix, lp.least, lp.most),
            options={"time_limit": max(0.1, time_limit), "mip_rel_gap": 0.0},
        )
        bound = found.mip_dual_bound
        bound = -math.inf if bound is None or not math.isfinite(bound) else float(bound) * scale
        if found.status == 2:
            return IlpResult("infeasible", math.inf)
        if found.x is None:
            return IlpResult("unknown", bound)
        return self._read(found.x, "optimal" if found.status == 0 else "feasible", bound)

    def _read(self, x: np.ndarray, status: str, bound: float) -> IlpResult:
        choice = tuple(max(row, key=lambda k: (x[row[k]], -k)) for row in self.x)
        conversions: list[Conversion] = []
        for value, (row, y) in enumerate(zip(self.ways, self.y, strict=True)):
            way = row[max(range(len(row)), key=lambda n: (x[y[n]], -n))]
            conversions += [(value, a, b) for a, b in way.steps]
        return IlpResult(status, bound, choice, tuple(conversions))


def solve_ilp(
    problem: Problem, kept: Kept, ways: list[list[Way]], *, time_limit: float, tighten: float = 0.0
) -> IlpResult:
    """The best plan over some routines and ways, or a plan and a bound when the time is over.

    ``tighten`` takes something off every limit, as a share of it: for plans that must keep a limit exactly though the
    program keeps it up to a tolerance.
    """
    started = time.perf_counter()
    program = Program(problem, kept, ways, tighten=tighten)
    return program.solve(time_limit - (time.perf_counter() - started))
