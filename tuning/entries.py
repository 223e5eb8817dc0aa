"""What a function can be made of: routines for its layers, conversions of its values, and the jobs that measure
them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import attrs

from plait.backends.descriptor import RoutinePattern, allowed
from plait.backends.errors import DescriptorError
from plait.backends.partition import with_split
from plait.backends.profiling.job import STREAMED, Job
from plait.backends.routine import CUTS, Routine, applicable, data_operands, known_routines
from plait.ir.diagnostics import Diagnostic
from plait.ir.isolate import isolate, signature
from plait.ir.layer import Layer
from plait.ir.layers.elementwise import Adapt
from plait.ir.layout import ANY_SPLIT, Format
from plait.ir.module import Function
from plait.ir.region import Region
from plait.ir.text.printer import print_module
from plait.ir.types import Type
from plait.ir.values import Value
from plait.passes.selection.build import conversion_formats
from plait.tuning.moving import moved_shares

Conversion = tuple[str, tuple[object, ...], Format, Format]
"""Dtype and shape of a value, and the formats that it has and gets."""


@attrs.frozen
class Option:
    """A routine with one variant, on one layer.

    `moved` is the share of its elements that a routine still moves in the network, measured alone it moves all.
    """

    routine: Routine
    variant: str
    job: Job
    moved: float = 1.0

    @property
    def context(self) -> str:
        """What its cost depends on beside the layer."""
        if self.moved == 1:
            return ""
        return f"moves {self.moved:.6f}" if self.moved else "moves nothing"


@attrs.frozen(eq=False)
class Movement:
    """A conversion with the job that measures it, and an adapt layer like it."""

    job: Job
    layer: Layer


class Entries:
    """Options of layers and conversions of values; nothing is measured here.

    Args:
        patterns: restrict the routines; the last pattern that names a layer decides for it.
        state: where data are when a sample begins, see `plait.backends.profiling.job`.
        check: whether the error of each routine is wanted as well.

    Raises:
        DescriptorError: P404, a pattern names layers explicitly and matches none of their routines, or matches nothing
            at all.
    """

    def __init__(
        self,
        function: Function,
        *,
        threads: int = 1,
        patterns: Sequence[RoutinePattern] = (),
        state: str = STREAMED,
        check: bool = False,
    ) -> None:
        self.function, self.threads, self.state = function, threads, state
        self.check = check
        self.patterns = tuple(patterns)
        self._used: set[str] = set()
        self._moved = moved_shares(function)
        self.options = {layer: self._allowed_options(layer, i) for i, layer in enumerate(function)}
        self._check_patterns()
        self.conversions = self._conversions()

    def jobs(self) -> Iterator[Job]:
        """All jobs, with repetitions."""
        for options in self.options.values():
            yield from (o.job for o in options if o.moved)
        yield from (m.job for m in self.conversions.values())

    def conversion(self, type: Type, source: Format, target: Format) -> Movement | None:
        """The conversion of a value, or None if there is none."""
        return self.conversions.get((type.dtype.value, type.shape, source, target))

    def formats(self, layer: Layer, option: Option) -> tuple[tuple[Format, ...], tuple[Format, ...]]:
        """Formats as selection sees them: on several threads images whose split is not stated are read alike in any."""
        operands, results = option.routine.formats_of(layer, option.variant)
        if self.threads == 1:
            return operands, results
        data = zip(data_operands(layer), operands, strict=True)
        return tuple(f if f.split or v.type.rank != 4 else attrs.evolve(f, split=ANY_SPLIT) for v, f in data), results

    # --- layers ---

    def _allowed_options(self, layer: Layer, index: int) -> list[Option]:
        legal = [routine for routine, reason in applicable(layer) if reason is None]
        options = [self._option(layer, r, v) for r in legal for v in r.variants_on(layer, self.threads)]
        pattern = allowed(self.patterns, index, layer.results[0].name)
        if pattern is None:
            return options
        chosen = [o for o in options if pattern.matches(o.routine.path_with(o.variant))]
        if chosen:
            self._used.add(pattern.text)
            return chosen
        if pattern.is_about_layers and not pattern.lenient:
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
        option = option_for(layer, routine, variant, self.threads, self.state)
        option = attrs.evolve(option, job=attrs.evolve(option.job, check=True)) if self.check else option
        return attrs.evolve(option, moved=self._moved.get((layer, routine.path.base), 1.0))

    def _check_patterns(self) -> None:
        places = [(i, layer.results[0].name) for i, layer in enumerate(self.options)]
        for pattern in self.patterns:
            if pattern.lenient:
                continue
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

    # --- conversions ---

    def _conversions(self) -> dict[Conversion, Movement]:
        formats: dict[Value, dict[Format, None]] = {}
        for value in (*self.function.arguments, *self.function.outputs):
            formats.setdefault(value, {})[value.type.format.whole] = None
        for layer, options in self.options.items():
            values = (*data_operands(layer), *layer.results)
            for option in options:
                for value, format in zip(values, itertools.chain(*self.formats(layer, option)), strict=True):
                    formats.setdefault(value, {})[format] = None
        found: dict[Conversion, Movement | None] = {}
        for value, present in formats.items():
            for source, target in itertools.permutations(conversion_formats(present), 2):
                key = (value.type.dtype.value, value.type.shape, source, target)
                if key not in found:
                    found[key] = movement(value.type, source, target, self.threads, self.state)
        return {key: movement for key, movement in found.items() if movement is not None}


def movement(type: Type, source: Format, target: Format, threads: int, state: str = STREAMED) -> Movement | None:
    """The conversion of a tensor between two formats of its dtype, or None if there is none to measure."""
    if not may_convert(source, target):
        return None
    adapt = detached_adapt(type, source, target)
    routine = next((r for r, reason in applicable(adapt) if reason is None), None)
    if routine is None:
        return None
    way = target.split if source.split == target.split else ""
    return Movement(option_for(adapt, routine, with_split("", way), threads, state).job, adapt)


def is_free(source: Format, target: Format) -> bool:
    """Whether a value is at hand in another split at no cost: for readers that take any, where each core has read all,
    and where nothing is said, as of arguments, which one core has written and none is near to."""
    if source.whole != target.whole or source.split == ANY_SPLIT or not target.split:
        return False
    return target.split == ANY_SPLIT or source.split in ("", "all")


def may_convert(source: Format, target: Format) -> bool:
    """Whether a conversion is to be measured: of the split, or of the layout in one split."""
    if source.whole == target.whole:
        return source.split in CUTS and target.split not in ("", ANY_SPLIT)
    return source.split == target.split and source.split not in (ANY_SPLIT, "all")


def detached_adapt(type: Type, source: Format, target: Format) -> Layer:
    """An adapt layer alone in a region, from one format to another."""
    argument = Value("x", type.with_format(source))
    return Region([argument]).append(Adapt(argument), ["y"], [type.with_format(target)])


def option_for(layer: Layer, routine: Routine, variant: str, threads: int, state: str = STREAMED) -> Option:
    """The job that measures a routine on a layer."""
    path = str(routine.path_with(variant))
    module = isolate(layer)
    (alone,) = module.main
    operands, results = routine.formats_of(layer, variant)
    for value, format in zip(data_operands(alone), operands, strict=True):
        value.type = value.type.with_format(format)
    for value, format in zip(alone.results, results, strict=True):
        value.type = value.type.with_format(format)
    alone.via, alone.cost_us = path, None
    job = Job(signature(layer), path, routine.full_version, threads, print_module(module, locations=False), state)
    return Option(routine, variant, job)
