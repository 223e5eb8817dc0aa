"""Kernels against the NumPy reference.

Each layer gets the inputs that the reference has, so that errors do not add up. Outputs of whole runs come beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import numpy as np

from plait.backends.descriptor import RoutinePath
from plait.backends.profiling.accuracy import difference
from plait.backends.program import Program
from plait.backends.reference import evaluate
from plait.backends.routine import Routine, applicable, data_operands
from plait.backends.runner import Runner, random_inputs
from plait.ir.isolate import isolate
from plait.ir.layer import Layer
from plait.ir.module import Module
from plait.ir.numbers import on_arrays
from plait.ir.types import Type
from plait.ir.values import Array, Constant, Value


@attrs.frozen
class LayerError:
    """How far one result of a layer, computed by a routine, is from its reference."""

    index: int
    name: str
    op: str
    routine: str
    error: float
    """2-norm of the difference by 2-norm of the reference."""
    largest: float
    """Largest absolute difference."""


@attrs.frozen
class Comparison:
    """Errors of layers, the worst first, and of the outputs of whole runs."""

    layers: tuple[LayerError, ...]
    outputs: tuple[LayerError, ...]
    checked: int
    """Results of layers that were compared."""

    @property
    def worst(self) -> float:
        """The largest relative error of a layer or output."""
        return max((e.error for e in (*self.layers, *self.outputs)), default=0.0)

    def to_json(self) -> dict[str, Any]:
        """As JSON data, schema `comparison/1`."""
        return {"schema": "comparison/1", "worst": self.worst, **attrs.asdict(self)}

    def __str__(self) -> str:
        rows = [f"{e.name} ({e.op}, {e.routine}): {e.error:.2e}" for e in self.layers[:5]]
        return f"worst error {self.worst:.2e} of {self.checked} results: " + "; ".join(rows)


def compare_plans(
    module: Module,
    original: Module | None = None,
    *,
    threads: int = 1,
    all_routines: bool = False,
    inputs: Mapping[str, Array] | None = None,
    seed: int = 0,
) -> Comparison:
    """Compare a tuned module with the reference.

    Args:
        module: a module whose layers have routines.
        original: the module before optimisation, whose reference is the measure of whole runs (default: `module`).
        all_routines: check every routine and variant that can run a layer, not only the chosen one.

    Raises:
        RunError: P401, an input does not fit.
        RoutineError: P403, a layer has no routine.
    """
    runner = Runner(module, threads)
    arrays = dict(random_inputs(runner.inputs, seed) if inputs is None else inputs)
    actual = runner.run(**arrays)
    wanted = evaluate(original or module, arrays)
    outputs = tuple(_difference(0, name, "output", "whole run", actual[name], wanted[name]) for name in wanted)
    layers = list(_layer_errors(module, arrays, threads, all_routines))
    layers.sort(key=lambda e: (-e.error if e.error == e.error else -np.inf, e.index))
    return Comparison(tuple(layers), outputs, len(layers))


def _layer_errors(
    module: Module, inputs: Mapping[str, Array], threads: int, all_routines: bool
) -> Iterator[LayerError]:
    live: dict[Value, Array] = {a: np.asarray(inputs[a.name]) for a in module.main.arguments}
    readers = {v: layer for layer in module.main for v in layer.operands}
    for index, layer in enumerate(module.main):
        slots = [None if v is None else v.data if isinstance(v, Constant) else live[v] for v in layer.operand_slots()]
        wanted = on_arrays(layer, lambda name: module.constants[name].data)(*slots)
        for path, alone in _ways(module, layer, all_routines):
            data = {v: live[v] for v in layer.operands if not isinstance(v, Constant)}
            given = [pack(array, a.type) for array, a in zip(data.values(), alone.main.arguments, strict=True)]
            results = Program(alone, threads).run(given)
            for value, result, reference, single in zip(
                layer.results, results, wanted, alone.main.outputs, strict=True
            ):
                yield _difference(index, value.name, layer.op, path, unpack(result, single.type), reference)
        live.update(zip(layer.results, wanted, strict=True))
        for value in {*layer.operands, *layer.results}:
            if readers.get(value, layer) is layer:
                live.pop(value, None)


def _ways(module: Module, layer: Layer, all_routines: bool) -> Iterator[tuple[str, Module]]:
    """The routines to check with the layer alone in a module: the chosen one, or all that are legal."""
    chosen = isolate(layer, module.constants)
    (alone,) = chosen.main
    alone.via = layer.via
    if not all_routines or layer.op == "adapt":
        yield layer.via or "", chosen
        return
    for routine, refusal in applicable(layer):
        for variant in routine.variants(layer) if refusal is None else ():
            path = routine.path_with(variant)
            yield str(path), _with_routine(module, layer, routine, path)


def _with_routine(module: Module, layer: Layer, routine: Routine, path: RoutinePath) -> Module:
    made = isolate(layer, module.constants)
    (alone,) = made.main
    operands, results = routine.formats(layer)
    for value, format in zip(data_operands(alone), operands, strict=True):
        value.type = value.type.with_format(format)
    for value, format in zip(alone.results, results, strict=True):
        value.type = value.type.with_format(format)
    alone.via = str(path)
    return made


def pack(array: Array, type: Type) -> Array:
    """An array as it is stored. Padding lanes are NaN (or 0), so that a kernel which reads them is found out."""
    return type.layout.pack(array, np.nan if type.dtype.is_float else 0)


def unpack(array: Array, type: Type) -> Array:
    """A stored array in logical order, without padding lanes."""
    return type.layout.unpack(array, type.static_shape)


def _difference(index: int, name: str, op: str, routine: str, actual: Array, wanted: Array) -> LayerError:
    return LayerError(index, name, op, routine, *difference(actual, wanted))
