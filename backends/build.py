"""From a module to an executable: routines lower their layers, memory is planned, places become references."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from plait.backends.descriptor import RoutinePath
from plait.backends.errors import DescriptorError, RoutineError
from plait.backends.executable import Call, Computed, Executable, Field, Port, View
from plait.backends.lowering import KernelCall, Lowering, Place, PythonCall, kernel_field_order, kernel_options
from plait.backends.memory import assign_offsets, set_live_ranges
from plait.backends.partition import parse_variant
from plait.backends.routine import Routine, data_operands, find_routine, refuse_value
from plait.ir.diagnostics import Diagnostic, join_names
from plait.ir.layer import Layer
from plait.ir.module import Function, Module
from plait.ir.types import Type
from plait.ir.values import Array, Value
from plait.kernels_pyx import Ref, aligned_empty, arena, external


def build(module: Module, threads: int = 1) -> Executable:
    """Lower the function `main`: weights are packed and memory is planned. Equal modules give equal executables.

    Args:
        module: each layer must have a routine (`via`).
        threads: number of threads that share the work of each layer.

    Raises:
        RoutineError: P403, a layer has no routine, or one that is unknown or refuses it, or a dimension is symbolic.
    """
    return assemble(module, lower(module, threads))


def lower(module: Module, threads: int, *, views: bool = True) -> Lowering:
    """The steps of a module over buffers, which have live ranges but no places.

    Args:
        views: values may lie inside others that are read beside them. Otherwise what would be a view is copied, so that
            the memory of a value is that of no other while anything reads it.

    Raises:
        RoutineError: as `build`.
    """
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
    from plait.backends.cpu.movement import copy

    lowering = Lowering(threads, lambda name: module.constants[name].data)
    copies = _bind_externals(lowering, function)
    _lower_layers(lowering, tuple(function), views)
    for output, place in copies:
        lowering.start_layer(-1)
        copy(lowering, lowering.place(output), place, 1, (output.type.nbytes,), (1,), (1,))
    set_live_ranges(lowering.steps)
    return lowering


def assemble(module: Module, lowering: Lowering) -> Executable:
    """An executable of a module from its steps: places the buffers that have live ranges."""
    function = module.main
    arena_bytes = assign_offsets(lowering.buffers)
    resolver = _Resolver()
    steps = tuple(
        resolver.call(step) if isinstance(step, KernelCall) else resolver.computed(step) for step in lowering.steps
    )
    return Executable(
        lowering.threads,
        tuple(port(v.name, v.type) for v in function.arguments),
        tuple(port(n, v.type) for n, v in zip(function.output_names, function.outputs, strict=True)),
        len(tuple(function)),
        arena_bytes,
        steps,
        tuple(resolver.constants),
    )


def port(name: str, type: Type) -> Port:
    """The input or output of this name and (tensor) type."""
    return Port(name, str(type), np.dtype(type.dtype.numpy), tuple(type.storage_shape), tuple(type.static_shape))


class _Resolver:
    """Turns places into references, and numbers the constants as they are first met."""

    def __init__(self) -> None:
        self.constants: list[Array] = []
        self._numbers: dict[int, int] = {}

    def call(self, step: KernelCall) -> Call:
        names = kernel_field_order(step.kernel)
        if unknown := sorted(step.fields.keys() - set(names)):
            raise ValueError(f"kernel {step.kernel} has no field {unknown[0]!r}; its fields are: {', '.join(names)}")
        fields = kernel_options(step.kernel) | step.fields
        if missing := [n for n in names if n not in fields]:
            raise ValueError(f"kernel {step.kernel} needs a value for its field {missing[0]!r}")
        return Call(step.kernel, tuple(self._value(fields[n]) for n in names), step.layer)

    def computed(self, step: PythonCall) -> Computed:
        return Computed(
            step.run,
            tuple(None if place is None else self._view(value, place) for value, place in step.operands),
            tuple(self._view(value, place) for value, place in step.results),
            step.layer,
        )

    def _value(self, field: int | float | Place | None) -> Field:
        return self._ref(field) if isinstance(field, Place) else field

    def _view(self, value: Value, place: Place) -> View:
        return View(self._ref(place), np.dtype(value.type.dtype.numpy), tuple(value.type.storage_shape))

    def _ref(self, place: Place) -> Ref:
        root, offset = place.buffer.root(), place.offset + place.buffer.root_offset()
        if root.constant is not None:
            return Ref(-1 - self._number(root.constant), offset)
        if root.external is not None:
            return external(root.external, offset)
        return arena(root.offset + offset)

    def _number(self, data: Array) -> int:
        if id(data) not in self._numbers:  # buffers keep their arrays, so ids stay taken
            self._numbers[id(data)] = len(self.constants)
            self.constants.append(_bytes(data))
        return self._numbers[id(data)]


def _bytes(data: Array) -> Array:
    """The bytes of an array, where they are if they are aligned."""
    flat = data.reshape(-1).view(np.uint8)
    if flat.ctypes.data % 64 == 0:
        return flat
    aligned: Array = aligned_empty(flat.shape, np.uint8)
    aligned[...] = flat
    return aligned


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


def _lower_layers(lowering: Lowering, layers: Sequence[Layer], views: bool) -> None:
    found = [_routine_of(layer) for layer in layers]
    if problems := [r for r in found if isinstance(r, Diagnostic)]:
        raise RoutineError(problems)
    chosen = [r for r in found if not isinstance(r, Diagnostic)]
    # Where a value is wanted must be known before it is made.
    if views:
        lowering.settle(a for layer, (routine, _) in zip(layers, chosen, strict=True) for a in routine.aliases(layer))
    else:
        lowering.refuse_views()
    for index, (layer, (routine, variant)) in enumerate(zip(layers, chosen, strict=True)):
        plain, way = parse_variant(variant)
        lowering.start_layer(index, way)
        routine.lower(layer, lowering, plain)


def _routine_of(layer: Layer) -> tuple[Routine, str] | Diagnostic:
    """The routine of a layer and the variant; or what is wrong with its choice."""
    if layer.via is None:
        return Diagnostic("P403", f"{layer.describe()} has no routine", layer.span, hint="tune the module first")
    try:
        path = RoutinePath.parse(layer.via)
    except DescriptorError as error:
        return Diagnostic("P403", f"{layer.describe()} has no routine: {error.diagnostics[0].message}", layer.span)
    routine = find_routine(layer.op, path)
    if routine is None:
        return Diagnostic("P403", f"{layer.describe()} wants routine {layer.via}, which is not installed", layer.span)
    problem = _refusal(routine, path, layer)
    return problem or (routine, path.variant)


def _refusal(routine: Routine, path: RoutinePath, layer: Layer) -> Diagnostic | None:
    """Why a routine cannot run a layer as the module has it, or None."""
    if reason := routine.refuse(layer):
        return Diagnostic("P403", f"routine {path} refuses {layer.describe()}: {reason}", layer.span)
    if not routine.has_variant(layer, path.variant):
        return Diagnostic(
            "P403",
            f"routine {routine.path} of {layer.describe()} has no variant {path.variant!r}",
            layer.span,
            hint=f"it has {join_names([repr(v) for v in routine.variants(layer)])}",
        )
    operands, results = routine.formats_of(layer, path.variant)
    found = tuple(v.type.format for v in data_operands(layer))
    # Where an operand is held makes it slow to read, not wrong; a type without split says nothing of it.
    if tuple(f.whole for f in found) == tuple(f.whole for f in operands) and all(
        r.type.format in (f, f.whole) for r, f in zip(layer.results, results, strict=True)
    ):
        return None
    return Diagnostic(
        "P403",
        f"routine {path} of {layer.describe()} takes {join_names([str(f) for f in operands])} and gives "
        f"{join_names([str(f) for f in results])}, but the types say "
        f"{join_names([str(f) for f in found])} and "
        f"{join_names([str(r.type.format) for r in layer.results])}",
        layer.span,
        hint="insert adapt layers",
    )
