"""Conversions of values between precisions and layouts, as selection sees them.

A value of a float network has one type in each precision. Its formats in a type of low precision come in two kinds: as
a layer made it, and as a copy that a cast made of floats, which the text of its dtype says. Bytes that a layer made may
become floats; a copy may not: it would give a reader in floats numbers that were rounded on the way, where the layer
that made them was to compute in floats.

    made in qu8  ->  f32  ->  copy in bf16        made in qu8  ->  copy in qu8, the same bytes

Floats that a cast made are a kind of their own for a while: the result of a layer may be changed between layouts in
which no layer has it.

Formats leave scales out: a value has one type in each precision anyway, and so the formats of a network are few.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping

import attrs

from plait.backends.profiling.job import Job, Result
from plait.ir.dtypes import ElementType, Quantized
from plait.ir.layers.elementwise import Cast
from plait.ir.layout import Format
from plait.ir.module import Function
from plait.ir.region import Region
from plait.ir.types import TensorType, Type
from plait.ir.values import Value
from plait.passes.selection.build import Candidate, conversion_formats
from plait.tuning.costs import MeasuredCosts
from plait.tuning.entries import Entries, Movement, is_free, may_convert, movement

_COPY, _WIDENED = " copy", " widened"


def as_made(format: Format, dtype: ElementType) -> Format:
    """A format of a type in which a layer leaves a value."""
    return attrs.evolve(format, dtype=str(_without_scale(dtype)))


def as_wanted(format: Format, dtype: ElementType) -> Format:
    """A format of a type in which a layer takes a value."""
    return attrs.evolve(format, dtype=f"{_without_scale(dtype)}{_COPY}")


def as_widened(format: Format) -> Format:
    """A format of floats in which a cast leaves a value."""
    return attrs.evolve(format, dtype=f"{format.dtype}{_WIDENED}")


def _without_scale(dtype: ElementType) -> ElementType:
    """A type whose conversions take as long: of quantized ones the storage counts, and whether 0 is stored as 0."""
    if not isinstance(dtype, Quantized):
        return dtype
    return attrs.evolve(dtype, scale=1.0, zero=0 if dtype.zero == 0 else 1)


def _text(format: Format) -> str:
    return format.dtype.removesuffix(_COPY).removesuffix(_WIDENED)


class Conversions:
    """The entries of conversions that meet a type of low precision, measured once for all values of a shape."""

    def __init__(self, threads: int, state: str) -> None:
        self.threads, self.state = threads, state
        self.types: dict[str, ElementType] = {}
        self.movements: dict[tuple[ElementType, Type, Format, Format], Movement | None] = {}
        self.casts: dict[tuple[ElementType, Type, bool], Entries] = {}

    def add(self, type: Type, dtype: ElementType, formats: Iterable[Format]) -> None:
        """Note a value of a float type, and its formats in a type of low precision (their dtypes do not count)."""
        plain = _without_scale(dtype)
        self.types[str(plain)] = plain
        for quantizes in (True, False):
            if (plain, type, quantizes) not in self.casts:
                self.casts[plain, type, quantizes] = self._cast(type, plain, quantizes)
        layouts = [attrs.evolve(f, dtype="") for f in (*formats, *self.through(type, dtype))]
        for moved in (plain, type.dtype):
            self._add_movements(type, moved, layouts)

    def _add_movements(self, type: Type, dtype: ElementType, formats: Iterable[Format]) -> None:
        typed = _with_dtype(type, dtype)
        bare = dict.fromkeys(attrs.evolve(f, dtype=dtype.value) for f in formats)
        for source, target in itertools.permutations(conversion_formats(bare), 2):
            if (dtype, type, source, target) not in self.movements and may_convert(source, target):
                self.movements[dtype, type, source, target] = movement(typed, source, target, self.threads, self.state)

    def through(self, type: Type, dtype: ElementType) -> list[Format]:
        """All formats between which a value may be cast from floats to a type of low precision, and back."""
        found: dict[Format, None] = {}
        for quantizes in (True, False):
            entries = self.casts[_without_scale(dtype), type, quantizes]
            for layer, options in entries.options.items():
                for option in options:
                    (read,), (given,) = entries.formats(layer, option)
                    low = (as_wanted(given, dtype), read) if quantizes else (as_made(read, dtype), as_widened(given))
                    found.update(dict.fromkeys(low))
        return list(found)

    def jobs(self) -> Iterator[Job]:
        """What measures them."""
        for entries in self.casts.values():
            yield from entries.jobs()
        yield from (m.job for m in self.movements.values() if m is not None)

    def priced(self, results: Mapping[Job, Result]) -> PricedConversions:
        """Their costs by what was measured."""
        return PricedConversions(self, results)

    def _cast(self, type: Type, dtype: ElementType, quantizes: bool) -> Entries:
        low = _with_dtype(type, dtype)
        source, target = (type, low) if quantizes else (low, type)
        function = Function("main", [Value("x", source)])
        region: Region = function.body
        cast = region.append(Cast(function.arguments[0], to=target.dtype), ["y"])
        function.set_outputs(cast.results)
        return Entries(function, threads=self.threads, state=self.state)


class PricedConversions:
    """Costs of conversions that meet a type of low precision."""

    def __init__(self, entries: Conversions, results: Mapping[Job, Result]) -> None:
        self.entries, self.results = entries, results
        self.casts: dict[tuple[ElementType, Type, bool], list[Candidate]] = {}
        for key, cast in entries.casts.items():
            (layer,) = cast.function
            self.casts[key] = list(MeasuredCosts(cast, results).candidates(layer, 0))

    def between(self, type: Type, source: Format, target: Format) -> Candidate | None:
        """The conversion of a value of a float type between two formats."""
        floats = type.format.dtype
        if source.dtype == target.dtype:
            return self._moved(type, source, target)
        if _text(source) == _text(target):
            same = attrs.evolve(source, dtype=target.dtype)
            onwards = target.dtype.endswith(_COPY) or source.dtype.endswith(_WIDENED)
            free = onwards and (same == target or is_free(same, target))
            return Candidate("", (source,), (target,), 0.0) if free else None
        if _text(source) == floats and target.dtype.endswith(_COPY):
            return self._cast(type, source, target, quantizes=True)
        if target.dtype == f"{floats}{_WIDENED}" and not source.dtype.endswith(_COPY):
            return self._cast(type, source, target, quantizes=False)
        return None

    def _moved(self, type: Type, source: Format, target: Format) -> Candidate | None:
        if is_free(source, target):
            return Candidate("", (source,), (target,), 0.0)
        plain = self.entries.types.get(_text(source), type.dtype)
        origin, end = (attrs.evolve(f, dtype=plain.value) for f in (source, target))
        found = self.entries.movements.get((plain, type, origin, end))
        if found is None or (result := self.results.get(found.job)) is None or not result.ok:
            return None
        return Candidate(found.job.routine, (source,), (target,), result.cost_us)

    def _cast(self, type: Type, source: Format, target: Format, *, quantizes: bool) -> Candidate | None:
        dtype = self.entries.types[_text(target if quantizes else source)]
        best: Candidate | None = None
        for option in self.casts[dtype, type, quantizes]:
            read = attrs.evolve(option.operands[0], dtype=source.dtype)
            given = attrs.evolve(option.results[0], dtype=target.dtype)
            if given != target or not (read == source or is_free(source, read)):
                continue
            if best is None or option.cost_us < best.cost_us:
                best = Candidate(option.path, (source,), (target,), option.cost_us)
        return best


def _with_dtype(type: Type, dtype: ElementType) -> TensorType:
    assert isinstance(type, TensorType)
    return attrs.evolve(type, dtype=dtype)
