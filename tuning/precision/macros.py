"""What the twin of a layer costs, by the formats in which it takes and gives numbers of low precision.

A twin of several layers (a convolution and a table; the parts of squeeze and excitation) is a selection problem of its
own, whose borders have fixed formats: it is solved for each combination of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

import attrs

from plait.backends.descriptor import RoutinePattern
from plait.backends.profiling.job import Job, Result
from plait.backends.routine import data_operands
from plait.ir.isolate import signature
from plait.ir.layer import Layer
from plait.ir.layout import ANY_SPLIT, Format
from plait.ir.module import Function, Module
from plait.ir.types import Type
from plait.ir.values import Value
from plait.passes.selection import solver
from plait.passes.selection.build import Candidate, build_problem
from plait.tuning.costs import MeasuredCosts
from plait.tuning.entries import Entries, Option


@attrs.frozen
class Macro:
    """One way to run a twin: formats of its arguments and outputs, and the least cost for them."""

    path: str
    operands: tuple[Format, ...]
    results: tuple[Format, ...]
    cost_us: float
    spread_us: float | None = None
    samples: int | None = None


class Piece:
    """The inner part of a twin with its entries.

    Args:
        moved: for a twin of one layer: which shares of their elements its routines move in the network, by the base of
            their paths, see `plait.tuning.moving`.
        patterns: restrict the routines.
    """

    def __init__(
        self,
        inner: Module,
        threads: int,
        state: str,
        moved: Mapping[str, float],
        patterns: Sequence[RoutinePattern] = (),
    ) -> None:
        self.module = inner.clone()
        self.function = self.module.main
        self.entries = Entries(self.function, threads=threads, state=state, patterns=patterns)
        for options in self.entries.options.values():
            options[:] = [attrs.evolve(o, moved=moved.get(o.routine.path.base, o.moved)) for o in options]

    def jobs(self) -> Iterator[Job]:
        """What measures it."""
        return self.entries.jobs()

    def options(self) -> Iterator[Option]:
        """The routines of all its layers."""
        return itertools.chain.from_iterable(self.entries.options.values())

    def read(self, argument: int) -> list[Format]:
        """The formats in which an argument may be wanted."""
        value = self.function.arguments[argument]
        found: dict[Format, None] = {}
        for layer, options in self.entries.options.items():
            places = [i for i, v in enumerate(data_operands(layer)) if v is value]
            for option in options if places else ():
                operands, _ = self.entries.formats(layer, option)
                found.update(dict.fromkeys(operands[i] for i in places))
        return list(found)

    def given(self, output: int) -> list[Format]:
        """The formats in which an output may be left."""
        value = self.function.outputs[output]
        assert value.owner is not None
        at = value.owner.results.index(value)
        options = self.entries.options[value.owner]
        return list(dict.fromkeys(self.entries.formats(value.owner, o)[1][at] for o in options))

    def macros(self, results: Mapping[Job, Result]) -> list[Macro]:
        """The ways to run it, by what was measured."""
        costs = MeasuredCosts(self.entries, results)
        layers = list(self.function)
        if len(layers) == 1 and sorted(map(id, data_operands(layers[0]))) == sorted(map(id, self.function.arguments)):
            return list(self._of_one(layers[0], costs))
        return list(self._of_several(costs))

    def _of_one(self, layer: Layer, costs: MeasuredCosts) -> Iterator[Macro]:
        order = [data_operands(layer).index(a) for a in self.function.arguments]
        gives = [layer.results.index(v) for v in self.function.outputs]
        for c in costs.candidates(layer, 0):
            operands = tuple(c.operands[i] for i in order)
            given = tuple(c.results[i] for i in gives)
            yield Macro(c.path, operands, given, c.cost_us, c.spread_us, c.samples)

    def _of_several(self, costs: MeasuredCosts) -> Iterator[Macro]:
        body = self.function.body
        for operands in itertools.product(*(self.read(i) for i in range(len(body.arguments)))):
            for argument, format in zip(body.arguments, operands, strict=True):
                argument.type = argument.type.with_format(format.whole if format.split == ANY_SPLIT else format)
            for given in itertools.product(*(self.given(i) for i in range(len(body.outputs)))):
                for value, format in zip(body.outputs, given, strict=True):
                    value.type = value.type.with_format(format)
                cost = _least(self.function, costs, dict(zip(body.outputs, given, strict=True)))
                if cost is not None:
                    yield Macro(f"{len(body)} layers", operands, given, cost)


@attrs.frozen(eq=False)
class _Leaving:
    """Costs of which only candidates count that leave some values in given formats."""

    costs: MeasuredCosts
    given: Mapping[Value, Format]

    def candidates(self, layer: Layer, index: int) -> Sequence[Candidate]:
        found = self.costs.candidates(layer, index)
        wanted = [(i, self.given[r]) for i, r in enumerate(layer.results) if r in self.given]
        return [c for c in found if all(c.results[i] == format for i, format in wanted)]

    def adapt(self, type: Type, source: Format, target: Format) -> Candidate | None:
        return self.costs.adapt(type, source, target)


def _least(function: Function, costs: MeasuredCosts, given: Mapping[Value, Format]) -> float | None:
    """The least cost of a function whose arguments and outputs have the formats of their types; None without a plan."""
    problem = build_problem(function, _Leaving(costs, given)).problem
    found = solver("exact")(problem)
    return found.cost if found.found else None


def shape_of(module: Module) -> tuple[object, ...]:
    """What the entries of a module depend on: its layers but for the scales of quantized types, and who reads what."""
    numbers: dict[Value, int] = {v: i for i, v in enumerate(module.main.arguments)}
    found: list[object] = [str(len(numbers))]
    for layer in module.main:
        found.append((signature(layer), tuple(numbers[v] for v in data_operands(layer))))
        for result in layer.results:
            numbers[result] = len(numbers)
    return (*found, tuple(numbers[v] for v in module.main.outputs))
