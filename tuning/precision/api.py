"""What the face of the package needs around choices of precisions: samples, the database, reports."""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import attrs

from plait.backends.descriptor import RoutinePattern
from plait.backends.profiling.database import ProfileDatabase
from plait.backends.profiling.freshness import Fresh
from plait.backends.profiling.job import IN_PLACE
from plait.backends.profiling.profiler import Progress
from plait.ir.module import Module
from plait.tuning.api import TunedModel, TuneOptions, profiler_for
from plait.tuning.precision.bounded import Bounded, tune_bounded, tune_front
from plait.tuning.precision.evaluate import outputs_of
from plait.tuning.precision.front import Front, FrontPoint
from plait.tuning.precision.options import PrecisionOptions
from plait.tuning.precision.plans import Planner, PrecisionPlan
from plait.tuning.precision.report import FLOAT32, PlanRow, PrecisionReport, explain
from plait.tuning.precision.sensitivity import sensitivities
from plait.tuning.precision.twins import twins
from plait.tuning.race import Turns
from plait.tuning.samples import samples_of
from plait.tuning.tuner import Tuned


def tune_within(
    module: Module,
    precision: PrecisionOptions,
    *,
    threads: int = 1,
    routines: Sequence[str] = (),
    db: str | PathLike[str] | None = None,
    solver: str = "exact",
    progress: Progress | None = None,
    options: TuneOptions,
) -> TunedModel:
    """`plait.tune` with several precisions, of a module with static shapes that is not optimised yet.

    Raises:
        ValueError: an option is not for several precisions, see `why_not`.
        PlaitError: as `plait.tune`.
    """
    _refuse(solver, options)
    common: dict[str, Any] = {"threads": threads, "routines": routines, "db": db, "progress": progress}
    with planning(module, precision, options=options, **common) as (planner, samples):
        found = tune_bounded(planner, precision.precisions[1:], precision.bound)
    plan = found.plan
    report = attrs.evolve(
        plan.tuned.report, measured_us=plan.tuned.report.measured_us if plan.measured_us is None else plan.measured_us
    )
    fields = {field.name: getattr(plan.tuned, field.name) for field in attrs.fields(Tuned)}
    return TunedModel(**{**fields, "report": report}, precision=_report(planner, found, precision, samples))


def front_within(
    module: Module,
    precision: PrecisionOptions,
    count: int,
    *,
    threads: int = 1,
    routines: Sequence[str] = (),
    db: str | PathLike[str] | None = None,
    solver: str = "exact",
    progress: Progress | None = None,
    options: TuneOptions,
) -> Front:
    """`plait.pareto`, of a module with static shapes that is not optimised yet.

    Raises:
        ValueError: `count` is below 2; an option is not for several precisions, see `why_not`.
        PlaitError: as `plait.tune`.
    """
    _refuse(solver, options)
    if count < 2:
        raise ValueError(f"a front has at least 2 plans, not {count}")
    common: dict[str, Any] = {"threads": threads, "routines": routines, "db": db, "progress": progress}
    with planning(module, precision, options=options, **common) as (planner, samples):
        found = tune_front(planner, count)
    layers = len(planner.twins.by_layer)
    points = [
        FrontPoint(p.tuned.report.predicted_us, p.measured_us, p.loss, p.summed, _counts(p.precisions, layers))
        for p in (f.plan for f in reversed(found) if not f.dominated)
    ]
    return Front(precision.metric.name, samples, tuple(points), len(found) - len(points))


def why_not(solver: str, options: TuneOptions) -> str:
    """The option that cannot be had with several precisions, by its name here, and why; empty if all can."""
    if solver != "exact":
        return "solver: only the exact one keeps a budget of loss"
    if options.max_error is not None:
        return "max_error: the loss of the network is bounded instead"
    if options.budget_s is not None:
        return "budget_s: every entry of each precision is measured"
    if options.state == IN_PLACE:
        return "state in_place: layers are measured alone"
    return ""


def _refuse(solver: str, options: TuneOptions) -> None:
    if reason := why_not(solver, options):
        raise ValueError(f"not for several precisions: {reason}")


@contextlib.contextmanager
def planning(
    module: Module,
    precision: PrecisionOptions,
    *,
    threads: int = 1,
    routines: Sequence[str] = (),
    db: str | PathLike[str] | None = None,
    progress: Progress | None = None,
    options: TuneOptions,
) -> Iterator[tuple[Planner, int]]:
    """What makes plans of a module with static shapes that is not optimised yet, and the number of samples.

    Raises:
        ValueError: `threads` is below 1.
        PlaitError: as `plait.tune`.
    """
    if threads < 1:
        raise ValueError(f"threads is {threads}, but must be at least 1")
    for text in routines:
        RoutinePattern.parse(text)  # a malformed one is said before minutes of work
    samples = samples_of(module.main, precision.calibrate, precision.pictures, precision.seed)
    found = twins(module, samples, precision.quantize, precision.precisions, precision.progress)
    fresh = Fresh(failures=not options.retry_failed)
    path = None if db is None else Path(db)
    with ProfileDatabase(path) as database, profiler_for(database, options, threads, fresh) as profiler:
        losses = sensitivities(
            found.module,
            {name: {p: t.module for p, t in some.items()} for name, some in found.by_layer.items() if some},
            samples,
            count=precision.sensitivity_samples,
            threads=threads,
            database=database,
            progress=precision.progress,
        )
        reference = outputs_of(found.module, samples, threads=threads, progress=precision.progress)

        def measure(tuned: Module) -> float:
            outputs = outputs_of(tuned, samples, threads=threads, progress=precision.progress)
            return precision.metric.loss(reference, outputs)

        # A metric that does not fit these outputs is told of before minutes of measuring.
        precision.metric.loss(reference, reference)
        yield (
            Planner(
                found,
                {name: {p: s.loss for p, s in some.items()} for name, some in losses.items()},
                measure,
                profiler,
                threads=threads,
                state=options.state,
                progress=progress,
                turns=Turns(options.race, math.inf, options.interruptible) if options.race else None,
                routines=routines,
            ),
            len(reference),
        )


def _report(planner: Planner, found: Bounded, precision: PrecisionOptions, samples: int) -> PrecisionReport:
    layers = len(planner.twins.by_layer)
    # Those know their times, and whether they are of one precision.
    known = {_key(p.precisions): p for p in (*found.finalists, *found.outside)}
    plans = [known.get(_key(p.precisions), p) for p in found.tried]
    rows = explain(
        planner.twins.module,
        found.plan.precisions,
        found.free.precisions,
        planner.losses,
        planner.twins.reasons,
        precision.precisions,
    )
    return PrecisionReport(
        precision.metric.name,
        precision.bound,
        found.plan.loss,
        samples,
        rows,
        tuple(_plan_row(p, layers, _key(p.precisions) == _key(found.plan.precisions)) for p in plans),
    )


def _plan_row(plan: PrecisionPlan, layers: int, kept: bool) -> PlanRow:
    counts = _counts(plan.precisions, layers)
    return PlanRow(plan.kind, counts, plan.summed, plan.loss, plan.tuned.report.predicted_us, plan.measured_us, kept)


def _key(precisions: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    return frozenset(precisions.items())


def _counts(precisions: Mapping[str, str], layers: int) -> dict[str, int]:
    """How many of so many layers have each precision."""
    return dict(Counter([*precisions.values(), *[FLOAT32] * (layers - len(precisions))]).most_common())
