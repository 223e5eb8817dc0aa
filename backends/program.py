"""Programs: a function lowered to executable form. Weights are packed, memory is planned, and one call runs it all.

Kernel calls between two Python steps run as one call without the interpreter; a program without Python steps is a
single such call.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np

from plait.backends.descriptor import RoutinePath
from plait.backends.errors import DescriptorError, RoutineError
from plait.backends.lowering import KernelCall, Lowering, Place, PythonCall, Step
from plait.backends.memory import assign_offsets, set_live_ranges
from plait.backends.routine import data_operands, find_routine, refuse_value
from plait.ir.diagnostics import Diagnostic, join_names
from plait.ir.layer import Layer
from plait.ir.module import Function, Module
from plait.ir.values import Array, Value
from plait.kernels_pyx import Plan, Ref, aligned_empty, arena, external, null


@attrs.frozen
class Segment:
    """Kernel calls [first, last) of the plan."""

    first: int
    last: int


class Program:
    """An executable function. Thread-safe: each running call has an arena of its own.

    Args:
        module: each layer of its function `main` must have a routine (`via`).
        threads: number of threads that share the work of each layer.

    Raises:
        RoutineError: P403, a layer has no routine, or one that is unknown or refuses it, or a dimension is symbolic.
    """

    def __init__(self, module: Module, threads: int = 1) -> None:
        function = module.main
        if symbols := function.symbols():
            raise RoutineError(
                Diagnostic(
                    "P403",
                    f"dimensions {join_names(symbols)} are symbolic; a program needs numbers",
                    hint="bind them first",
                )
            )
        if reasons := [r for v in (*function.arguments, *function.outputs) if (r := refuse_value(v))]:
            raise RoutineError([Diagnostic("P403", reason) for reason in reasons])
        self.inputs: tuple[Value, ...] = tuple(function.arguments)
        self.outputs: tuple[Value, ...] = function.outputs
        self.output_names = tuple(function.output_names)
        self.layers: tuple[Layer, ...] = tuple(function)
        self.threads = threads
        from plait.backends.cpu.movement import copy

        lowering = Lowering(threads)
        self._copies = _bind_externals(lowering, function)
        _lower_layers(lowering, self.layers)
        for output, place in self._copies:
            lowering.start_layer(-1)
            copy(lowering, lowering.place(output), place, 1, (output.type.nbytes,), (1,), (1,))
        self._steps: list[Step] = lowering.steps
        self.buffers = lowering.buffers
        set_live_ranges(self._steps)
        self.arena_bytes = assign_offsets(self.buffers)
        self._plan, self._order = self._assemble()
        self.layer_of_op = [s.layer for s in self._steps if isinstance(s, KernelCall)]
        self._arenas: list[Array] = []
        self._lock = threading.Lock()

    def _assemble(self) -> tuple[Plan, list[Segment | PythonCall]]:
        plan = Plan(self.threads)
        for value in self.inputs:
            plan.add_external(value.type.nbytes)
        for value in self.outputs:
            plan.add_external(value.type.nbytes, writable=True)
        order: list[Segment | PythonCall] = []
        first = 0
        for step in self._steps:
            if isinstance(step, PythonCall):
                if len(plan) > first:
                    order.append(Segment(first, len(plan)))
                    first = len(plan)
                order.append(step)
            else:
                plan.add(step.kernel, **{k: _resolve(v, plan) for k, v in step.fields.items()})
        if len(plan) > first:
            order.append(Segment(first, len(plan)))
        plan.arena_bytes = self.arena_bytes
        return plan, order

    @property
    def is_single_call(self) -> bool:
        """Whether a run is one call of compiled code."""
        return all(isinstance(part, Segment) for part in self._order) and len(self._order) <= 1

    @property
    def constant_bytes(self) -> int:
        """Bytes of packed weights and other constants."""
        return sum(b.nbytes for b in self.buffers if b.constant is not None)

    def allocate_outputs(self) -> list[Array]:
        """Arrays for the outputs, in the shape in which they are stored."""
        return [np.empty(v.type.storage_shape, v.type.dtype.numpy) for v in self.outputs]

    def run(self, inputs: Sequence[Array], outputs: Sequence[Array] | None = None) -> list[Array]:
        """Compute the outputs.

        Inputs are C-contiguous arrays of the exact storage shape and dtype; `outputs` are written if given.
        """
        outputs = self.allocate_outputs() if outputs is None else list(outputs)
        externals = [*inputs, *outputs]
        if self.is_single_call:
            self._plan.run(externals)
            return outputs
        self._check_externals(externals)
        memory = self._take_arena()
        try:
            for part in self._order:
                if isinstance(part, Segment):
                    self._plan.run(externals, memory, part.first, part.last)
                else:
                    self._run_python(part, externals, memory)
        finally:
            with self._lock:
                self._arenas.append(memory)
        return outputs

    def layer_times(self, inputs: Sequence[Array], outputs: Sequence[Array] | None = None) -> Array:
        """Run once and return the nanoseconds of each layer, barriers included."""
        import time

        outputs = self.allocate_outputs() if outputs is None else list(outputs)
        externals = [*inputs, *outputs]
        times = np.zeros(len(self.layers) + 1, np.int64)
        memory = self._take_arena()
        for part in self._order:
            if isinstance(part, Segment):
                spent = self._plan.run_timed(externals, memory, part.first, part.last)
                np.add.at(times, self.layer_of_op[part.first : part.last], spent)
            else:
                start = time.perf_counter_ns()
                self._run_python(part, externals, memory)
                times[part.layer] += time.perf_counter_ns() - start
        with self._lock:
            self._arenas.append(memory)
        return times

    def time(self, inputs: Sequence[Array], repeats: int) -> Array:
        """Run `repeats` times in a row; nanoseconds of each."""
        import time

        outputs = self.allocate_outputs()
        if self.is_single_call:
            return self._plan.time_op(0, len(self._plan), repeats, [*inputs, *outputs])
        times = np.zeros(repeats, np.int64)
        for i in range(repeats):
            start = time.perf_counter_ns()
            self.run(inputs, outputs)
            times[i] = time.perf_counter_ns() - start
        return times

    def _check_externals(self, externals: list[Array]) -> None:
        # What the plan checks itself where all is one call; a Python step would write into a copy, or take another
        # array's place.
        wanted = [v.type.nbytes for v in (*self.inputs, *self.outputs)]
        if len(externals) != len(wanted):
            raise ValueError(f"this program takes {len(wanted)} external buffers, got {len(externals)}")
        for i, (array, nbytes) in enumerate(zip(externals, wanted, strict=True)):
            if not array.flags.c_contiguous or array.nbytes != nbytes:
                raise ValueError(
                    f"external buffer {i} has {array.nbytes} bytes{'' if array.flags.c_contiguous else ', with gaps'}, "
                    f"the program expects {nbytes}"
                )

    def _take_arena(self) -> Array:
        with self._lock:
            if self._arenas:
                return self._arenas.pop()
        return aligned_empty((max(self.arena_bytes, 64),), np.uint8)

    def _run_python(self, step: PythonCall, externals: list[Array], memory: Array) -> None:
        operands = [None if place is None else _view(value, place, externals, memory) for value, place in step.operands]
        results = step.run(*operands)
        for (value, place), result in zip(
            step.results, results if isinstance(results, tuple) else (results,), strict=True
        ):
            _view(value, place, externals, memory)[...] = result


def _bind_externals(lowering: Lowering, function: Function) -> list[tuple[Value, Place]]:
    """Bind inputs and outputs to external arrays; returns the outputs that must be copied there at the end."""
    for index, value in enumerate(function.arguments):
        lowering.bind(value, index)
    copies = []
    for index, value in enumerate(function.outputs, len(function.arguments)):
        if lowering.is_bound(value) or value.owner is None:
            # An argument, a constant, or a value yielded twice: it lives elsewhere already.
            copies.append((value, lowering.external(value, index)))
        else:
            lowering.bind(value, index)
    return copies


def _lower_layers(lowering: Lowering, layers: Sequence[Layer]) -> None:
    problems = []
    for index, layer in enumerate(layers):
        lowering.start_layer(index)
        if layer.via is None:
            problems.append(
                Diagnostic("P403", f"{layer.describe()} has no routine", layer.span, hint="tune the module first")
            )
            continue
        try:
            path = RoutinePath.parse(layer.via)
        except DescriptorError as error:
            problems.append(
                Diagnostic("P403", f"{layer.describe()} has no routine: {error.diagnostics[0].message}", layer.span)
            )
            continue
        routine = find_routine(layer.op, path)
        if routine is None:
            problems.append(
                Diagnostic("P403", f"{layer.describe()} wants routine {layer.via}, which is not installed", layer.span)
            )
            continue
        if reason := routine.refuse(layer):
            problems.append(Diagnostic("P403", f"routine {path} refuses {layer.describe()}: {reason}", layer.span))
            continue
        if path.variant not in (known := routine.variants(layer)):
            problems.append(
                Diagnostic(
                    "P403",
                    f"routine {routine.path} of {layer.describe()} has no variant {path.variant!r}",
                    layer.span,
                    hint=f"it has {join_names([repr(v) for v in known])}",
                )
            )
            continue
        operands, results = routine.formats(layer)
        found = tuple(v.type.format for v in data_operands(layer))
        if (found, tuple(r.type.format for r in layer.results)) != (operands, results):
            problems.append(
                Diagnostic(
                    "P403",
                    f"routine {path} of {layer.describe()} takes {join_names([str(f) for f in operands])} and gives "
                    f"{join_names([str(f) for f in results])}, but the types say "
                    f"{join_names([str(f) for f in found])} and "
                    f"{join_names([str(r.type.format) for r in layer.results])}",
                    layer.span,
                    hint="insert adapt layers",
                )
            )
            continue
        routine.lower(layer, lowering, path.variant)
    if problems:
        raise RoutineError(problems)


def _resolve(field: Any, plan: Plan) -> Any:
    if not isinstance(field, Place):
        return null if field is None else field
    root, offset = field.buffer.root(), field.offset + field.buffer.root_offset()
    if root.constant is not None:
        ref = plan.add_constant(root.constant)
        return Ref(ref.base, ref.offset + offset)
    if root.external is not None:
        return external(root.external, offset)
    return arena(root.offset + offset)


def _view(value: Value, place: Place, externals: list[Array], memory: Array) -> Array:
    root, offset = place.buffer.root(), place.offset + place.buffer.root_offset()
    if root.constant is not None:
        data = root.constant.reshape(-1).view(np.uint8)
    elif root.external is not None:
        data = externals[root.external].reshape(-1).view(np.uint8)
    else:
        data, offset = memory, root.offset + offset
    return data[offset : offset + value.type.nbytes].view(value.type.dtype.numpy).reshape(value.type.storage_shape)
