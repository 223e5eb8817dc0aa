"""Selection under budgets: relaxation first, then what is exact for the kind of budget."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import attrs

from plait.passes.selection.budgets.improve import improve
from plait.passes.selection.budgets.lagrange import Searched, search
from plait.passes.selection.budgets.relaxation import Plan, Relaxation
from plait.passes.selection.copies import Way, pareto_routines, summed_resources, ways_of_values
from plait.passes.selection.frontier import Beam, Frontier, TooManyStatesError
from plait.passes.selection.ilp import IlpResult, available, solve_ilp
from plait.passes.selection.options import SolveOptions
from plait.passes.selection.problem import Problem, ProblemError, TooManyFormatsError
from plait.passes.selection.reductions import Kept
from plait.passes.selection.solution import Solution
from plait.passes.selection.solvers.common import infeasible, nothing_found

NAME = "exact"
_BEAM = 2_000
_TIGHTER = 1e-6


def solve_budgeted(problem: Problem, options: SolveOptions = SolveOptions()) -> Solution:
    """The best plan that keeps all budgets, with a bound; proven optimal where an exact method can.

    Raises:
        ProblemError: the sharing mode is not ``tree``.
    """
    if problem.sharing != "tree":
        raise ProblemError(f"budgets need sharing tree, this problem has {problem.sharing}")
    return _Search(problem, options).run()


class _Search:
    def __init__(self, problem: Problem, options: SolveOptions) -> None:
        from plait.passes.selection.solvers import exact

        self.problem, self.options = problem, options
        self.started = time.perf_counter()
        self.relaxation = Relaxation(problem, lambda free: exact.solve(free, options))
        self.width: int | None = None

    def run(self) -> Solution:
        free = self.relaxation.at([0.0] * len(self.relaxation.rows))
        self.width = free.solution.width
        if free.plan is None:
            return attrs.evolve(free.solution, seconds=time.perf_counter() - self.started)
        if free.plan.kept:
            return self._answer(free.plan, free.bound)
        bound = free.bound
        if len(self.relaxation.rows) == 1:
            # One sum: its curve takes a few eliminations, and may settle it.
            found = search(self.relaxation)
            if found.infeasible:
                return self._infeasible(found)
            if self._closed(found.bound):
                return self._answer(self.relaxation.best, found.bound)
            bound = max(bound, found.bound)
        try:
            kept = pareto_routines(self.problem)
            ways = ways_of_values(self.problem, kept)
        except TooManyFormatsError:
            return self._roughly(bound)
        return self._by_schedule(kept, ways) or self._by_program(kept, ways, bound) or self._roughly(bound, kept, ways)

    def _by_schedule(self, kept: Kept, ways: list[list[Way]]) -> Solution | None:
        """Frontier DP, where memory alone is limited and not too many values are alive."""
        if summed_resources(self.problem):
            return None
        try:
            deadline = self.started + self.options.time_limit
            done = Frontier(self.problem, kept, ways, limit=self.options.state_limit, deadline=deadline).run()
        except TooManyStatesError:
            return None
        if done.choice is None:
            assert done.stuck is not None
            label = self.problem.layer_label(done.stuck)
            limit = min(b.limit for b in self.problem.budgets if b.kind == "peak")
            reason = f"no plan keeps memory at {label} within {limit:.9g}"
            return attrs.evolve(self._none((label,)), reason=reason, width=done.width)
        plan = self.relaxation.plan(done.choice, done.conversions)
        self.width = done.width
        return self._answer(plan, plan.cost)

    def _by_program(self, kept: Kept, ways: list[list[Way]], bound: float) -> Solution | None:
        """The integer program, if SciPy is there; None where it has no plan in time."""
        if not available():
            return None
        program = self._program(kept, ways)
        if program.status == "infeasible":
            return self._infeasible(Searched(math.inf, True))
        if program.choice:
            self.relaxation.plan(program.choice, program.conversions)
        best = self.relaxation.best
        if best is None:
            return None
        # The program sums up with tolerances; what it proves holds to those.
        proven = program.status == "optimal" and best.cost <= program.bound + 1e-7 * max(1.0, abs(best.cost))
        return self._answer(best, best.cost if proven else max(bound, program.bound))

    def _roughly(self, bound: float, kept: Kept = (), ways: Sequence[list[Way]] = ()) -> Solution:
        """A bound and plans from prices, a beam where memory is limited, and local search."""
        if len(self.relaxation.rows) > 1:
            found = search(self.relaxation, self.started + self.options.time_limit)
            if found.infeasible:
                return self._infeasible(found)
            bound = max(bound, found.bound)
        if self.relaxation.best is None:
            # The plan that uses least in all steps together often keeps the limit in each.
            self.relaxation.at([1.0 / max(limit, 1e-12) for limit in self.relaxation.limits.tolist()], cost=0.0)
        if ways and self.relaxation.peak:
            beams: tuple[Beam, ...] = ("cost", "memory")
            for beam in beams:
                if self.relaxation.best is None or beam == "cost":
                    rough = Frontier(self.problem, kept, ways, limit=_BEAM, beam=beam).run()
                    if rough.choice is not None:
                        self.relaxation.plan(rough.choice, rough.conversions)
        return self._answer(improve(self.relaxation), bound)

    def _program(self, kept: Kept, ways: list[list[Way]]) -> IlpResult:
        left = self.options.time_limit - (time.perf_counter() - self.started)
        found = solve_ilp(self.problem, kept, ways, time_limit=left)
        if found.choice and not self.relaxation.plan(found.choice, found.conversions).kept:
            # Within the program's tolerance of the limit, but above it.
            left = self.options.time_limit - (time.perf_counter() - self.started)
            closer = solve_ilp(self.problem, kept, ways, time_limit=left, tighten=_TIGHTER)
            return attrs.evolve(closer, status="feasible" if closer.choice else "unknown", bound=found.bound)
        return found

    def _closed(self, bound: float) -> bool:
        best = self.relaxation.best
        return best is not None and best.cost - bound <= 1e-12 * abs(best.cost)

    def _answer(self, plan: Plan | None, bound: float) -> Solution:
        if plan is None:
            return nothing_found(solver=NAME, started=self.started, bound=bound)
        if bound >= plan.cost * (1 - 1e-12):
            bound = plan.cost
        status = "optimal" if bound == plan.cost else "feasible"
        seconds = time.perf_counter() - self.started
        return Solution(plan.choice, plan.conversions, plan.cost, bound, status, NAME, seconds, self.width)  # type: ignore[arg-type]

    def _infeasible(self, found: Searched) -> Solution:
        if found.least is not None:
            (budget,) = self.problem.budgets
            reason = (
                f"every plan uses at least {found.least:.9g} of {budget.resource}, the budget is {budget.limit:.9g}"
            )
        else:
            reason = "no plan keeps all budgets: " + ", ".join(
                f"{b.resource}/{b.kind} {b.limit:.9g}" for b in self.problem.budgets
            )
        return attrs.evolve(self._none(()), reason=reason)

    def _none(self, conflict: tuple[str, ...]) -> Solution:
        return infeasible(solver=NAME, started=self.started, conflict=conflict, width=self.width)
