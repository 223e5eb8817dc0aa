"""Costs of routines and conversions, measured: which jobs a function needs, and what their results say."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence

import attrs

from plait.backends.descriptor import RoutinePattern, allowed
from plait.backends.errors import DescriptorError
from plait.backends.profiling.job import Job, Result
from plait.backends.profiling.profiler import Profiler, Progress
from plait.backends.routine import Routine, applicable, data_operands, known_routines
from plait.ir.diagnostics import Diagnostic
from plait.ir.isolate import isolate, signature
from plait.ir.layer import Layer
from plait.ir.layers.elementwise import Adapt
from plait.ir.layout import Format
from plait.ir.module import Function
from plait.ir.region import Region
from plait.ir.text.printer import print_module
from plait.ir.types import Type
from plait.ir.values import Value
from plait.passes.selection.build import Candidate
from plait.tuning.moving import moved_shares


@attrs.frozen
class Option:
    """A routine with one variant, on one layer.

    `moved` is the share of its elements that a routine still moves in the network, measured alone it moves all.
    """

    routine: Routine
    variant: str
    job: Job
    moved: float = 1.0


class MeasuredCosts:
    """A `CostSource` over the routine registry and a profiler. All measuring happens in the constructor.

    Args:
        patterns: restrict the routines; the last pattern that names a layer decides for it.

    Raises:
        DescriptorError: P404, a pattern names layers explicitly and matches none of their routines, or matches nothing
            at all.
    """

    def __init__(
        self,
        function: Function,
        profiler: Profiler,
        *,
        threads: int = 1,
        patterns: Sequence[RoutinePattern] = (),
        progress: Progress | None = None,
    ) -> None:
        self.threads = threads
        self.patterns = tuple(patterns)
        self._used: set[str] = set()
        layers = list(function)
        self._moved = moved_shares(function)
        self._options = {layer: self._allowed_options(layer, i) for i, layer in enumerate(layers)}
        self._check_patterns()
        self._conversions = self._conversion_jobs(function)
        jobs = [o.job for options in self._options.values() for o in options if o.moved]
        jobs += self._conversions.values()
        self.results: dict[Job, Result] = profiler.measure(jobs, progress)

    @property
    def entries(self) -> int:
        """Number of distinct measurements that the function needs."""
        return len(self.results)

    def candidates(self, layer: Layer, index: int) -> Sequence[Candidate]:
        best: dict[str, Candidate] = {}
        for option in self._options[layer]:
            found = self._candidate(layer, option)
            if found is None:
                continue
            base = option.routine.path.base
            if base not in best or found.cost_us < best[base].cost_us:
                best[base] = found
        return list(best.values())

    def _candidate(self, layer: Layer, option: Option) -> Candidate | None:
        """What an option costs here; None if it could not be measured."""
        operands, results = option.routine.formats(layer)
        path, share = option.job.routine, option.moved
        if not share:
            return Candidate(path, operands, results, 0.0, context="moves nothing")
        result = self.results[option.job]
        if not result.ok:
            return None
        context = "" if share == 1 else f"moves {share:.6f}"
        cost, spread = result.cost_us * share, result.spread_us * share
        return Candidate(path, operands, results, cost, spread, len(result.samples), context)

    def adapt(self, type: Type, source: Format, target: Format) -> Candidate | None:
        job = self._conversions.get((type.dtype.value, type.shape, source, target))
        if job is None or not self.results[job].ok:
            return None
        result = self.results[job]
        return Candidate(job.routine, (source,), (target,), result.cost_us, result.spread_us, len(result.samples))

    def for_copy(self, function: Function) -> MeasuredCosts:
        """The same costs for a clone of the function."""
        twin = copy.copy(self)
        twin._options = dict(zip(function, self._options.values(), strict=True))
        return twin

    def failures(self) -> list[tuple[Job, Result]]:
        """Measurements that gave no time."""
        return [(job, result) for job, result in self.results.items() if not result.ok]

    # --- jobs ---

    def _allowed_options(self, layer: Layer, index: int) -> list[Option]:
        legal = [routine for routine, reason in applicable(layer) if reason is None]
        options = [self._option(layer, r, v) for r in legal for v in r.variants(layer)]
        pattern = allowed(self.patterns, index, layer.results[0].name)
        if pattern is None:
            return options
        chosen = [o for o in options if pattern.matches(o.routine.path_with(o.variant))]
        if chosen:
            self._used.add(pattern.text)
            return chosen
        if pattern.layers.ranges or pattern.layers.names:
            raise DescriptorError(
                Diagnostic(
                    "P404",
                    f"--routine {pattern.text!r} matches no routine of {layer.describe()}",
                    hint=f"it has {', '.join(sorted({r.path.base for r in legal})) or 'none'}",
                )
            )
        # A pattern for all layers restricts those that have such routines.
        return options

    def _option(self, layer: Layer, routine: Routine, variant: str) -> Option:
        option = option_for(layer, routine, variant, self.threads)
        return attrs.evolve(option, moved=self._moved.get((layer, routine.path.base), 1.0))

    def _check_patterns(self) -> None:
        places = [(i, layer.results[0].name) for i, layer in enumerate(self._options)]
        for pattern in self.patterns:
            if not any(place in pattern.layers for place in places):
                raise DescriptorError(
                    Diagnostic(
                        "P404",
                        f"--routine {pattern.text!r} names no layer of the model",
                        hint=f"layers are numbered 0 to {len(places) - 1} after optimisation",
                    )
                )
            if pattern.text not in self._used and not any(pattern.matches(r.path) for r in known_routines()):
                raise DescriptorError(
                    Diagnostic(
                        "P404", f"--routine {pattern.text!r} matches no routine", hint="`plait routines` lists them"
                    )
                )

    def _conversion_jobs(self, function: Function) -> dict[tuple[str, tuple[object, ...], Format, Format], Job]:
        formats: dict[tuple[str, tuple[object, ...]], dict[Format, None]] = {}
        types: dict[tuple[str, tuple[object, ...]], Type] = {}

        def note(value: Value, format: Format) -> None:
            key = (value.type.dtype.value, value.type.shape)
            types[key] = value.type
            formats.setdefault(key, {})[format] = None

        for value in (*function.arguments, *function.outputs):
            note(value, value.type.format)
        for layer, options in self._options.items():
            for option in options:
                operands, results = option.routine.formats(layer)
                for value, format in itertools.chain(
                    zip(data_operands(layer), operands, strict=True), zip(layer.results, results, strict=True)
                ):
                    note(value, format)
        jobs = {}
        for key, present in formats.items():
            for source, target in itertools.permutations(present, 2):
                adapt = detached_adapt(types[key], source, target)
                routine = next((r for r, reason in applicable(adapt) if reason is None), None)
                if routine is not None:
                    jobs[(*key, source, target)] = option_for(adapt, routine, "", self.threads).job
        return jobs


def detached_adapt(type: Type, source: Format, target: Format) -> Layer:
    """An adapt layer alone in a region, from one format to another."""
    argument = Value("x", type.with_format(source))
    return Region([argument]).append(Adapt(argument), ["y"], [type.with_format(target)])


def option_for(layer: Layer, routine: Routine, variant: str, threads: int) -> Option:
    """The job that measures a routine on a layer."""
    path = str(routine.path_with(variant))
    module = isolate(layer)
    (alone,) = module.main
    operands, results = routine.formats(layer)
    for value, format in zip(data_operands(alone), operands, strict=True):
        value.type = value.type.with_format(format)
    for value, format in zip(alone.results, results, strict=True):
        value.type = value.type.with_format(format)
    alone.via, alone.cost_us = path, None
    job = Job(signature(layer), path, routine.full_version, threads, print_module(module, locations=False))
    return Option(routine, variant, job)
