"""The costs that a choice rests on: everything measured, or only what decides."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import attrs

from plait.backends.profiling.job import IN_PLACE, Job
from plait.backends.profiling.profiler import Profiler, Progress
from plait.ir.module import Module
from plait.tuning.bounds import Roof, entry_bounds
from plait.tuning.costs import MeasuredCosts
from plait.tuning.entries import Entries
from plait.tuning.in_place import InPlaceLedger
from plait.tuning.lazy import LazySearch, Outcome, Watch
from plait.tuning.ledger import Ledger
from plait.tuning.report import Certificate
from plait.tuning.template import Template

Bounds = Callable[[Entries], Mapping[Job, float]]
"""Lower bounds in microseconds of the jobs of a function; asked for only if something is not measured."""


@attrs.frozen
class Lazily:
    """How to measure only what decides.

    Args:
        deadline: of `time.monotonic`: no measurement starts after it.
        interruptible: whether a KeyboardInterrupt ends the search with the best plan so far, rather than be raised.
        watch: told of the standing before each round of measurements, and at the end.
    """

    bounds: Bounds
    deadline: float = math.inf
    interruptible: bool = False
    watch: Watch = lambda standing: None


@attrs.frozen
class Found:
    """Costs to choose by. `bound_us`: what no plan can be below, where the search was stopped before the proof."""

    costs: MeasuredCosts
    certificate: Certificate | None = None
    bound_us: float | None = None


def roofline_bounds(roof: Callable[[int], Roof | None], profiler: Profiler) -> Bounds:
    """Bounds from the limits of this machine for a number of threads, and from what others of its kind measured."""
    return lambda entries: entry_bounds(entries, roof(entries.threads), profiler.elsewhere(entries.jobs()))


def measure_all(entries: Entries, profiler: Profiler, progress: Progress | None) -> Found:
    """Measure every entry."""
    return Found(MeasuredCosts(entries, profiler.measure(entries.jobs(), progress)))


def measure_all_in_place(module: Module, entries: Entries, profiler: Profiler, progress: Progress | None) -> Found:
    """Measure every entry in plans of the network."""
    template, source = Template.of(entries)
    known = profiler.known(source.jobs)
    bounds = [0.0] * len(source.jobs)
    ledger = InPlaceLedger(
        source.jobs, profiler, bounds, progress, results=dict(known), module=module, template=template, source=source
    )
    ledger.measure([e for e, job in enumerate(source.jobs) if job not in known], {})
    return Found(MeasuredCosts(entries, ledger.results))


def measure_lazily(
    module: Module, entries: Entries, profiler: Profiler, progress: Progress | None, how: Lazily
) -> Found:
    """Measure what the optimum depends on, until it is proven or the search is stopped.

    `module` is the one whose function the entries are of.
    """
    template, source = Template.of(entries)
    known = dict(profiler.known(source.jobs))
    lower = how.bounds(entries) if len(known) < len(source.jobs) else {}
    bounds = [lower.get(job, 0.0) for job in source.jobs]
    ledger = (
        InPlaceLedger(
            source.jobs,
            profiler,
            bounds,
            progress,
            how.deadline,
            known,
            module=module,
            template=template,
            source=source,
        )
        if entries.state == IN_PLACE
        else Ledger(source.jobs, profiler, bounds, progress, how.deadline, known)
    )
    outcome = LazySearch(template, ledger, how.watch, how.interruptible).run()
    certificate = _certificate(ledger, outcome)
    if not outcome.stopped:
        return Found(MeasuredCosts(entries, ledger.results, ledger.bound_of()), certificate)
    bound = outcome.standing.bound_us
    if math.isfinite(outcome.standing.best_us):
        return Found(MeasuredCosts(entries, ledger.results), certificate, bound)
    return Found(MeasuredCosts(entries, ledger.results, ledger.bound_of()), certificate, bound)


def _certificate(ledger: Ledger, outcome: Outcome) -> Certificate:
    taken = math.fsum(r.cost_us for r in ledger.results.values() if r.ok)
    spared = math.fsum(ledger.bound_of().values())
    return Certificate(
        known=len(ledger.results),
        rounds=outcome.standing.rounds,
        repeated=outcome.repeated,
        saved=spared / (spared + taken) if spared else 0.0,
        trust=ledger.trust,
        stopped=outcome.stopped,
    )
