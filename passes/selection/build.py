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
    IR value, and for each value the formats that it may have by their numbers."""

    problem: Problem
    function: Function
    layers: tuple[Layer | None, ...]
    values: tuple[Value, ...]
    candidates: dict[Layer, tuple[Candidate, ...]]
    outputs: tuple[Format, ...]
    formats: tuple[dict[int, Format], ...]

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
    names = {value: _names(formats) for value, formats in wanted.items()}
    builder = ProblemBuilder(_stored_formats(names), name=name or function.name)
    number: dict[Value, int] = {}
    order: list[Value] = []

    def adapts(value: Value) -> int:
        pairs = itertools.permutations(wanted[value], 2)
        known = names[value]
        found = {(known[s], known[t]): c.cost_us for s, t in pairs if (c := costs.adapt(value.type, s, t)) is not None}
        return builder.adapts(found)

    def new_value(value: Value) -> int:
        order.append(value)
        number[value] = builder.value(adapts(value), elements=value.type.elements, name=value.name)
        return number[value]

    placed: list[Layer | None] = []
    for argument in function.arguments:
        out = names[argument][argument.type.format]
        builder.place(
            argument.name,
            builder.table(f"input {out}", [builder.routine(out, [], [out], 0.0)]),
            (),
            (new_value(argument),),
            op="input",
        )
        placed.append(None)
    for layer in layers:
        inputs = [v for v in layer.operands if not isinstance(v, Constant)]
        ports = [_ports(c, inputs, layer.results, names) for c in candidates[layer]]
        rows = [
            builder.routine(
                c.path,
                read,
                given,
                c.cost_us,
                std=c.spread_us,
                samples=c.samples,
                resources=c.resources,
            )
            for c, (read, given) in zip(candidates[layer], ports, strict=True)
        ]
        table = builder.table(_table_key(layer, candidates[layer], ports), rows)
        results = [new_value(r) for r in layer.results]
        builder.place(layer.results[0].name, table, [number[v] for v in inputs], results, op=layer.op)
        placed.append(layer)
    for value, format in zip(function.outputs, output_formats, strict=True):
        if isinstance(value, Constant):
            continue
        builder.output(value.name, number[value], names[value][format])
        placed.append(None)
    formats = tuple({builder.format(n): f for f, n in names[value].items()} for value in order)
    return BuiltProblem(builder.build(), function, tuple(placed), tuple(order), candidates, output_formats, formats)


def conversion_formats(formats: Iterable[Format]) -> list[Format]:
    """The formats of a value, and those that its conversions may pass through.

    A layout changes while the split stays, by rows if anything is held by rows; so every layout is there in that split.
    """
    formats = list(formats)
    present = {f.split for f in formats}
    kept = next((s for s in ("rows", "channels") if s in present), "")
    return list(dict.fromkeys([*formats, *(attrs.evolve(f, split=kept) for f in formats)]))


def _names(formats: Iterable[Format]) -> dict[Format, str]:
    """What the formats of one value are called in the problem: scales are left out, since no two values need to have
    them in common. Else a network on integers had as many formats as it has values."""
    scaled: dict[str, list[str]] = {}
    found = {}
    for format in formats:
        storage, scale, _ = format.dtype.partition("<")
        if scale:
            known = scaled.setdefault(storage, [])
            if format.dtype not in known:
                known.append(format.dtype)
            place = known.index(format.dtype)
            found[format] = str(attrs.evolve(format, dtype=f"{storage}#{place}" if place else storage))
        else:
            found[format] = str(format)
    return found


def _ports(
    candidate: Candidate, operands: Sequence[Value], results: Sequence[Value], names: dict[Value, dict[Format, str]]
) -> tuple[list[str], list[str]]:
    """The names of the formats that a candidate reads and gives."""
    read = [names[v][f] for v, f in zip(operands, candidate.operands, strict=True)]
    return read, [names[v][f] for v, f in zip(results, candidate.results, strict=True)]


def _stored_formats(names: dict[Value, dict[Format, str]]) -> list[StoredFormat]:
    """The formats of the problem: devices by number, and bytes of an element."""
    device, size = {}, {}
    for value, known in names.items():
        for format, name in known.items():
            device[name], size[name] = format.device, value.type.dtype.bits / 8
    devices = list(dict.fromkeys(device.values()))
    return [StoredFormat(name, devices.index(device[name]), size[name]) for name in size]


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


def _table_key(layer: Layer, options: Sequence[Candidate], ports: Sequence[tuple[list[str], list[str]]]) -> str:
    # Layers of one signature may still differ in what is allowed (patterns for some layers), in what costs depend on,
    # and in what they use, so the routines with all of that are part of the key.
    parts = ([c.path, c.context, *read, *given, *_uses(c)] for c, (read, given) in zip(options, ports, strict=True))
    routines = dict.fromkeys(map(" ".join, parts))
    return f"{signature(layer)} | {', '.join(routines)}"


def _uses(candidate: Candidate) -> list[str]:
    return [f"{resource}={amount!r}" for resource, amount in candidate.resources.items()]
