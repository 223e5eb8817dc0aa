"""The joint choice of precision and routine for each layer, as one selection problem on the float network.

The candidates of a layer are its routines in floats and, for each precision in which it has a twin, the ways to run
that (`macros`). Conversions of values are those of layout and casts between precisions (`conversions`), with measured
costs: where a cast stands, who shares it and in which layout it is done is chosen as for any other conversion. A macro
uses of the resource `loss` what its layer loses in that precision, so that a budget bounds the sum.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from plait.backends.profiling.job import STREAMED, Job, Result
from plait.ir.dtypes import ElementType
from plait.ir.layer import Layer
from plait.ir.layout import Format
from plait.ir.types import Type
from plait.ir.values import Value
from plait.passes.selection.build import Candidate
from plait.tuning.costs import MeasuredCosts
from plait.tuning.entries import Entries
from plait.tuning.moving import moved_shares
from plait.tuning.precision.conversions import Conversions, as_made, as_wanted
from plait.tuning.precision.forced import Forced, has_match
from plait.tuning.precision.macros import Macro, Piece, shape_of
from plait.tuning.precision.materialize import materialize
from plait.tuning.precision.prepared import finish
from plait.tuning.precision.twins import Twin, Twins, data_of

LOSS = "loss"
"""The resource that budgets limit."""
Losses = Mapping[str, Mapping[str, float]]
"""What is lost where a layer alone has a precision: by the name of its first result, then by precision."""


class JointEntries:
    """All that is to be measured for the joint choice.

    Args:
        forced: which routines layers may have; a precision in which a layer has none of them is none for it.

    Raises:
        DescriptorError: P404, a pattern names no layer, or no routine in floats of a layer that it names.
    """

    def __init__(self, twins: Twins, *, threads: int = 1, state: str = STREAMED, forced: Forced | None = None) -> None:
        self.twins = twins
        self.forced = forced or Forced(twins.prepared)
        self.floats = Entries(twins.module.main, threads=threads, state=state, patterns=self.forced.patterns)
        self.conversions = Conversions(threads, state)
        self.low: dict[Value, dict[ElementType, None]] = {}
        """The types of low precision that values may have."""
        self.pieces: dict[tuple[str, str], Piece] = {}
        moved = {p: self._moved(p) for p in {p for found in twins.by_layer.values() for p in found}}
        known: dict[object, Piece] = {}
        for index, layer in enumerate(twins.module.main):
            pattern = self.forced.of(index, layer)
            wanted = pattern is not None and has_match(self.floats.options[layer], pattern)
            for precision, twin in twins.by_layer[layer.results[0].name].items():
                shares = moved[precision].get(twin.layer, {})
                inner = twin.inner.clone()
                finish(inner)
                key = (shape_of(inner), tuple(shares.items()), pattern)
                if key not in known:
                    known[key] = Piece(inner, threads, state, shares, () if pattern is None else (pattern,))
                if pattern is not None and wanted and not has_match(known[key].options(), pattern):
                    continue
                self.pieces[twin.layer, precision] = known[key]
                self._add_formats(layer, twin, known[key])

    def jobs(self) -> Iterator[Job]:
        """All jobs, with repetitions."""
        yield from self.floats.jobs()
        for piece in dict.fromkeys(self.pieces.values()):
            yield from piece.jobs()
        yield from self.conversions.jobs()

    def _moved(self, precision: str) -> dict[str, dict[str, float]]:
        """What routines of twins of one layer move where all that can be is of this precision."""
        of_one = {
            n
            for n, found in self.twins.by_layer.items()
            if precision in found and len(found[precision].inner.main.body) == 1
        }
        whole = materialize(
            self.twins.prepared, {n: precision for n, found in self.twins.by_layer.items() if precision in found}
        )
        found: dict[str, dict[str, float]] = {}
        for (layer, base), share in moved_shares(whole.main).items():
            if layer.results[0].name in of_one:
                found.setdefault(layer.results[0].name, {})[base] = share
        return found

    def _add_formats(self, layer: Layer, twin: Twin, piece: Piece) -> None:
        inner = twin.inner.main
        ends = [(v, low, piece.read(i)) for i, (v, low) in enumerate(zip(data_of(layer), inner.arguments, strict=True))]
        ends += [(v, low, piece.given(i)) for i, (v, low) in enumerate(zip(layer.results, inner.outputs, strict=True))]
        for value, low, formats in ends:
            if low.type.dtype != value.type.dtype:
                self.low.setdefault(value, {})[low.type.dtype] = None
                self.conversions.add(value.type, low.type.dtype, formats)


class JointCosts:
    """A `CostSource` of the joint choice.

    Args:
        losses: layers have a precision only where it is said, and finite, what that loses.
    """

    def __init__(self, entries: JointEntries, results: Mapping[Job, Result], losses: Losses) -> None:
        self.entries, self.losses = entries, losses
        self.floats = MeasuredCosts(entries.floats, results)
        self.conversions = entries.conversions.priced(results)
        self.macros: dict[Piece, list[Macro]] = {p: p.macros(results) for p in dict.fromkeys(entries.pieces.values())}

    def candidates(self, layer: Layer, index: int) -> Sequence[Candidate]:
        found = list(self.floats.candidates(layer, index))
        name = layer.results[0].name
        for precision, twin in self.entries.twins.by_layer[name].items():
            loss = self.losses.get(name, {}).get(precision, math.inf)
            if math.isfinite(loss) and (name, precision) in self.entries.pieces:
                macros = self.macros[self.entries.pieces[name, precision]]
                found += (_candidate(layer, twin, macro, loss) for macro in macros)
        return found

    def adapt(self, type: Type, source: Format, target: Format) -> Candidate | None:
        if source.dtype == target.dtype == type.format.dtype:
            return self.floats.adapt(type, source, target)
        return self.conversions.between(type, source, target)

    def through(self, value: Value) -> Iterator[Format]:
        """The formats of a value that casts may have it in."""
        for dtype in self.entries.low.get(value, ()):
            yield from self.entries.conversions.through(value.type, dtype)


def _candidate(layer: Layer, twin: Twin, macro: Macro, loss: float) -> Candidate:
    inner = twin.inner.main
    wanted: dict[Value, Format] = {}
    for value, low, format in zip(data_of(layer), inner.arguments, macro.operands, strict=True):
        wanted[value] = as_wanted(format, low.type.dtype) if low.type.dtype != value.type.dtype else format
    results = tuple(
        as_made(format, low.type.dtype) if low.type.dtype != value.type.dtype else format
        for value, low, format in zip(layer.results, inner.outputs, macro.results, strict=True)
    )
    operands = tuple(wanted[v] for v in layer.operands if v in wanted)
    path = f"{twin.precision}:{macro.path}"
    return Candidate(
        path, operands, results, macro.cost_us, macro.spread_us, macro.samples, twin.precision, {LOSS: loss}
    )
