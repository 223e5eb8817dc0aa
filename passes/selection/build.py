"""From a function and the costs of its routines to a selection problem.

Costs come through `CostSource`, so that this package sees no kernel and no clock.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

import attrs

from plait.ir.isolate import signature
from plait.ir.layer import Layer
from plait.ir.layout import ANY_SPLIT, Format
from plait.ir.module import Function
from plait.ir.types import Type
from plait.ir.values import Constant, Value
from plait.passes.selection.builder import ProblemBuilder
from plait.passes.selection.problem import Format as StoredFormat
from plait.passes.selection.problem import Problem


@attrs.frozen
class Candidate:
    """A routine that can run a layer: its path (variant included), formats of the non-constant operands and of the
    results, and cost. `context` names what the cost depends on beside the layer: layers of one signature may differ in
    it. `resources` are what it uses of what budgets limit."""

    path: str
    operands: tuple[Format, ...]
    results: tuple[Format, ...]
    cost_us: float
    spread_us: float | None = None
    samples: int | None = None
    context: str = ""
    resources: Mapping[str, float] = attrs.field(factory=dict, hash=False)


class CostSource(Protocol):
    """Where candidates and costs come from."""

    def candidates(self, layer: Layer, index: int) -> Sequence[Candidate]:
        """Routines that can run the `index`-th layer, at most one variant each."""
        ...

    def adapt(self, type: Type, source: Format, target: Format) -> Candidate | None:
        """The conversion of a tensor between two formats, or None if there is none."""
        ...


@attrs.frozen
class BuiltProblem:
    """A problem with the objects behind its numbers: problem layer -> IR layer (None for inputs and outputs), value ->
    IR value."""

    problem: Problem
    function: Function
    layers: tuple[Layer | None, ...]
    values: tuple[Value, ...]
    candidates: dict[Layer, tuple[Candidate, ...]]
    outputs: tuple[Format, ...]
    formats: tuple[Format, ...]

    def candidate(self, layer: int, choice: int) -> Candidate | None:
        """The candidate chosen for a layer of the problem."""
        ir_layer = self.layers[layer]
        return None if ir_layer is None else self.candidates[ir_layer][choice]


def build_problem(
    function: Function,
    costs: CostSource,
    *,
    name: str = "",
    through: Callable[[Value], Iterable[Format]] = lambda value: (),
) -> BuiltProblem:
    """State the choice of routines for a function. Arguments and outputs keep the formats that their types have,
    outputs in any split.

    Args:
        through: formats that conversions of a value may pass through, beside those in which it is made or wanted.

    A layer without candidates makes the problem infeasible, which the solver reports with the layer's name.
    """
    layers = list(function)
    candidates = {layer: tuple(costs.candidates(layer, i)) for i, layer in enumerate(layers)}
    wanted = _formats_of_values(function, candidates)
    output_formats = tuple(_output_format(v, wanted) for v in function.outputs)
    wanted = {value: conversion_formats([*formats, *through(value)]) for value, formats in wanted.items()}
    formats = list(dict.fromkeys(itertools.chain.from_iterable(wanted.values())))
    builder = ProblemBuilder(_stored_formats(formats, wanted), name=name or function.name)
    number: dict[Value, int] = {}
    order: list[Value] = []

    def adapts(value: Value) -> int:
        pairs = itertools.permutations(wanted[value], 2)
        found = {(str(s), str(t)): c.cost_us for s, t in pairs if (c := costs.adapt(value.type, s, t)) is not None}
        return builder.adapts(found)

    def new_value(value: Value) -> int:
        order.append(value)
        number[value] = builder.value(adapts(value), elements=value.type.elements, name=value.name)
        return number[value]

    placed: list[Layer | None] = []
    for argument in function.arguments:
        out = str(argument.type.format)
        builder.place(
            argument.name,
            builder.table(f"input {out}", [builder.routine(out, [], [out], 0.0)]),
            (),
            (new_value(argument),),
            op="input",
        )
        placed.append(None)
    for layer in layers:
        rows = [
            builder.routine(
                c.path,
                [str(f) for f in c.operands],
                [str(f) for f in c.results],
                c.cost_us,
                std=c.spread_us,
                samples=c.samples,
                resources=c.resources,
            )
            for c in candidates[layer]
        ]
        table = builder.table(_table_key(layer, candidates[layer]), rows)
        inputs = [number[v] for v in layer.operands if not isinstance(v, Constant)]
        builder.place(layer.results[0].name, table, inputs, [new_value(r) for r in layer.results], op=layer.op)
        placed.append(layer)
    for value, format in zip(function.outputs, output_formats, strict=True):
        if isinstance(value, Constant):
            continue
        builder.output(value.name, number[value], str(format))
        placed.append(None)
    return BuiltProblem(
        builder.build(), function, tuple(placed), tuple(order), candidates, output_formats, tuple(formats)
    )


def conversion_formats(formats: Iterable[Format]) -> list[Format]:
    """The formats of a value, and those that its conversions may pass through.

    A layout changes while the split stays, by rows if anything is held by rows; so every layout is there in that split.
    """
    formats = list(formats)
    present = {f.split for f in formats}
    kept = next((s for s in ("rows", "channels") if s in present), "")
    return list(dict.fromkeys([*formats, *(attrs.evolve(f, split=kept) for f in formats)]))


def _stored_formats(formats: Sequence[Format], wanted: dict[Value, list[Format]]) -> list[StoredFormat]:
    """The formats of the problem: devices by number, and bytes of an element."""
    devices = list(dict.fromkeys(f.device for f in formats))
    size = {f: value.type.dtype.bits / 8 for value, present in wanted.items() for f in present}
    return [StoredFormat(str(f), devices.index(f.device), size[f]) for f in formats]


def _output_format(value: Value, wanted: dict[Value, list[Format]]) -> Format:
    """The format in which an output leaves; wanted in any split where it has one."""
    format = value.type.format.whole
    if isinstance(value, Constant):
        return format
    if any(f.split for f in wanted[value]):
        format = attrs.evolve(format, split=ANY_SPLIT)
    if format not in wanted[value]:
        wanted[value].append(format)
    return format


def _formats_of_values(function: Function, candidates: dict[Layer, tuple[Candidate, ...]]) -> dict[Value, list[Format]]:
    """Every format in which a value may be made or wanted, in a fixed order."""
    found: dict[Value, dict[Format, None]] = {a: {a.type.format: None} for a in function.arguments}
    for layer, options in candidates.items():
        data = [v for v in layer.operands if not isinstance(v, Constant)]
        for result in layer.results:
            found.setdefault(result, {})
        for option in options:
            for value, format in itertools.chain(
                zip(data, option.operands, strict=True), zip(layer.results, option.results, strict=True)
            ):
                found[value][format] = None
    return {value: list(formats) for value, formats in found.items()}


def _table_key(layer: Layer, options: Sequence[Candidate]) -> str:
    # Layers of one signature may still differ in what is allowed (patterns for some layers), in what costs depend on,
    # in the scales of their values and in what they use, so the routines with all of that are part of the key.
    parts = ([c.path, c.context, *map(str, c.operands + c.results), *_uses(c)] for c in options)
    routines = dict.fromkeys(map(" ".join, parts))
    return f"{signature(layer)} | {', '.join(routines)}"


def _uses(candidate: Candidate) -> list[str]:
    return [f"{resource}={amount!r}" for resource, amount in candidate.resources.items()]
