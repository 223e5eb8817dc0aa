"""Plans of several precisions: from a budget of loss to a tuned module whose loss and time are measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import attrs

from plait.backends.profiling.job import STREAMED
from plait.backends.profiling.profiler import Profiler, Progress
from plait.ir.module import Module
from plait.tuning.precision.choice import Choice, Joint
from plait.tuning.precision.forced import Forced
from plait.tuning.precision.joint import JointEntries, Losses
from plait.tuning.precision.materialize import materialize
from plait.tuning.precision.turns import medians_of
from plait.tuning.precision.twins import Twins
from plait.tuning.race import Turns
from plait.tuning.tuner import Tuned, tune

MeasureLoss = Callable[[Module], float]
"""The loss of a module whose layers have routines, by the metric that is bounded."""
MIXED = "mixed"


@attrs.frozen(eq=False)
class PrecisionPlan:
    """A network whose layers have precisions and routines. Times in microseconds.

    Args:
        kind: `mixed`, or the one precision that all layers have which can.
        precisions: of the layers that do not compute in float32, by the name of the first result in the float network.
        budget: for which sum of losses it was made.
        summed: the losses of its layers, each alone, added up.
        loss: by the metric, measured on the whole network.
        predicted_us: what the joint problem says; None of pure plans, which it was not asked for.
        measured_us: the median of runs end to end, in turns with other plans; None before that.
    """

    kind: str
    precisions: Mapping[str, str]
    budget: float
    summed: float
    loss: float
    predicted_us: float | None
    tuned: Tuned = attrs.field(repr=False)
    measured_us: float | None = None

    @property
    def time_us(self) -> float:
        """The time that was measured, else that which tuning predicts."""
        return self.tuned.report.predicted_us if self.measured_us is None else self.measured_us

    def to_json(self) -> dict[str, Any]:
        """As JSON data. What is infinite is null."""
        return {
            "kind": self.kind,
            "precisions": dict(self.precisions),
            "budget": self.budget if math.isfinite(self.budget) else None,
            "summed": self.summed,
            "loss": self.loss,
            "joint_us": self.predicted_us,
            "predicted_us": self.tuned.report.predicted_us,
            "measured_us": self.measured_us,
        }


class Planner:
    """Makes plans of a network; what is measured is measured once.

    Args:
        losses: noise over signal at the outputs where a layer alone has a precision; layers have those that stand here.
        routines: patterns that restrict the choice of routines, see `plait.tuning.precision.forced`.
        turns: how finalists race, first those for the same precisions, then the winners; default: nothing is run.

    Raises:
        RoutineError: P403, a layer has no routine.
        DescriptorError: P404, a pattern is malformed, or matches nothing in floats that it names.
    """

    def __init__(
        self,
        twins: Twins,
        losses: Losses,
        measure_loss: MeasureLoss,
        profiler: Profiler,
        *,
        threads: int = 1,
        state: str = STREAMED,
        progress: Progress | None = None,
        turns: Turns | None = None,
        routines: Sequence[str] = (),
    ) -> None:
        self.twins, self.losses, self.measure_loss = twins, losses, measure_loss
        self.profiler, self.threads, self.state, self.turns = profiler, threads, state, turns
        self.progress = progress
        forced = Forced.by(twins.prepared, routines)
        entries = JointEntries(twins, threads=threads, state=state, forced=forced)
        self._patterns, self._allowed = forced.within(), frozenset(entries.pieces)
        self.joint = Joint(entries, profiler.measure(entries.jobs(), progress), losses)
        self._made: dict[frozenset[tuple[str, str]], PrecisionPlan] = {}
        self.tried: list[PrecisionPlan] = []
        """Plans in the order in which their loss was measured."""

    def plan(self, choice: Choice) -> PrecisionPlan:
        """The plan for a choice."""
        return self._plan(MIXED, choice.precisions, choice.budget, choice.predicted_us)

    def pure(self, precision: str) -> PrecisionPlan:
        """The plan in which all layers that can have one precision."""
        usual = [n for n in sorted(self.twins.usual(precision)) if (n, precision) in self._allowed]
        found = self._plan(precision, dict.fromkeys(usual, precision), math.inf, None)
        return attrs.evolve(found, kind=precision)

    def finished(self, plan: PrecisionPlan, max_loss: float = math.inf) -> PrecisionPlan:
        """A plan with all of its report, the fastest of the best ones for the same precisions, which race. Where other
        routines lose more than a bound, the plan itself."""
        tuned = self._tuned(plan.precisions, final=True)
        raced = attrs.evolve(plan, tuned=tuned)
        if routines_of(tuned.module) != routines_of(plan.tuned.module):
            raced = attrs.evolve(raced, loss=self.measure_loss(tuned.module))
        return raced if raced.loss <= max_loss or not plan.precisions else plan

    def timed(self, plans: Sequence[PrecisionPlan]) -> list[PrecisionPlan]:
        """The plans after they took turns; as they are if that was not to be."""
        if self.turns is None:
            return list(plans)
        times = medians_of([p.tuned.module for p in plans], self.profiler, self.threads, self.turns)
        if times is None:
            return list(plans)
        return [attrs.evolve(p, measured_us=t) for p, t in zip(plans, times, strict=True)]

    def _plan(
        self, kind: str, precisions: Mapping[str, str], budget: float, predicted_us: float | None
    ) -> PrecisionPlan:
        key = frozenset(precisions.items())
        if key not in self._made:
            tuned = self._tuned(precisions)
            lost = self.measure_loss(tuned.module)
            plan = PrecisionPlan(kind, precisions, budget, self._sum(precisions), lost, predicted_us, tuned)
            self._made[key] = plan
            self.tried.append(plan)
        return attrs.evolve(self._made[key], budget=budget, predicted_us=predicted_us)

    def _tuned(self, precisions: Mapping[str, str], *, final: bool = False) -> Tuned:
        """The best plan for these precisions, by measured times of routines; in the end by those of whole runs."""
        return tune(
            materialize(self.twins.prepared, precisions),
            self.profiler,
            threads=self.threads,
            state=self.state,
            progress=self.progress,
            routines=self._patterns,
            race=self.turns if final else None,
            alternatives=final,
        )

    def _sum(self, precisions: Mapping[str, str]) -> float:
        return math.fsum(self.losses.get(name, {}).get(p, math.inf) for name, p in precisions.items())


def routines_of(module: Module) -> list[str | None]:
    """The routines of a tuned module, in order."""
    return [layer.via for layer in module.main]


def fastest(plans: Iterable[PrecisionPlan]) -> PrecisionPlan:
    """The plan that takes the least time; of equal ones the one that loses least."""
    return min(plans, key=lambda plan: (plan.time_us, plan.loss))
