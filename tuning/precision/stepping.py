"""Running a network layer by layer: to read what a layer reads, to put another result in its place, and to go on from
there as often as one likes.

A run has memory of its own, the arena of the program. A copy of it is a run that stands at the same layer.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np

from plait.backends.build import assemble, lower
from plait.backends.program import Program
from plait.backends.reference.evaluate import bind_inputs
from plait.ir.layer import Layer
from plait.ir.layers.elementwise import Adapt
from plait.ir.module import Module
from plait.ir.values import Array, Constant, Value
from plait.tuning.calibration import Sample
from plait.tuning.untuned import untuned_module


@attrs.define(eq=False)
class Run:
    """A run over one sample that stands before a layer."""

    inputs: list[Array]
    outputs: list[Array]
    arena: Array
    at: int = 0
    """The next step."""

    @property
    def externals(self) -> list[Array]:
        return [*self.inputs, *self.outputs]


class Stepper:
    """A float network, compiled without measurements, that runs layer by layer.

    Args:
        module: static shapes.
        threads: number of threads that share the work of each layer.

    Raises:
        RoutineError: P403, a layer has no routine.
    """

    def __init__(self, module: Module, threads: int = 1) -> None:
        self.module = untuned_module(module, threads)
        # What takes the place of a view would take that of what it is a view of, too.
        lowering = lower(self.module, threads, views=False)
        self._program = Program(assemble(self.module, lowering))
        self._lowering = lowering
        layers = list(self.module.main)
        # By their order: an adapt that is put behind a layer may take over its name.
        placed = [(i, layer) for i, layer in enumerate(layers) if not isinstance(layer, Adapt)]
        names = [layer.results[0].name for layer in module.main if not isinstance(layer, Adapt)]
        self._layers = dict(zip(names, placed, strict=True))
        self._ends = _ends([step.layer for step in lowering.steps], len(layers))

    def start(self, sample: Sample) -> Run:
        """A run over a sample, before the first layer.

        Raises:
            RunError: P401, the sample does not fit the inputs.
        """
        inputs = [np.ascontiguousarray(a) for a in bind_inputs(self.module.main, sample)]
        return Run(inputs, self._program.allocate_outputs(), self._program.allocate_arena())

    def spare(self, run: Run) -> Run:
        """A run of the same sample for `copy` to make use of."""
        return Run(run.inputs, self._program.allocate_outputs(), self._program.allocate_arena())

    def copy(self, run: Run, into: Run) -> None:
        """Let a run stand where another does."""
        into.arena[...] = run.arena
        for mine, other in zip(into.outputs, run.outputs, strict=True):
            mine[...] = other
        into.inputs, into.at = run.inputs, run.at

    def advance(self, run: Run, layer: str, *, through: bool) -> None:
        """Go on to a layer, named by its first result: to its begin, or through it."""
        index = self._layers[layer][0]
        self._go(run, self._ends[index if through else index - 1] if through or index else 0)

    def finish(self, run: Run) -> list[Array]:
        """Go on to the end; gives the outputs, which the next run of the same memory writes over."""
        self._go(run, len(self._lowering.steps))
        function = self.module.main
        return [_logical(v, a) for v, a in zip(function.outputs, run.outputs, strict=True)]

    def operands(self, run: Run, layer: str, original: Layer) -> dict[str, Array]:
        """What a layer is about to read, constants apart, by the names that they have in the original network. The
        arrays are good until the run goes on."""
        read = zip(original.operand_slots(), self._layers[layer][1].operand_slots(), strict=True)
        return {
            old.name: _logical(new, self._view(run, new))
            for old, new in read
            if old is not None and new is not None and not isinstance(old, Constant)
        }

    def results(self, run: Run, layer: str) -> list[Array]:
        """What a layer has just given. The arrays are good until the run goes on."""
        return [_logical(v, self._view(run, v)) for v in self._layers[layer][1].results]

    def replace(self, run: Run, layer: str, results: Sequence[Array]) -> None:
        """Put other numbers in the place of what a layer has just given."""
        for value, array in zip(self._layers[layer][1].results, results, strict=True):
            self._view(run, value)[...] = value.type.layout.pack(array)

    def _go(self, run: Run, end: int) -> None:
        if end > run.at:
            self._program.run_steps(run.at, end, run.externals, run.arena)
            run.at = end

    def _view(self, run: Run, value: Value) -> Array:
        """A value as it lies in memory."""
        buffer = self._lowering.place(value).buffer
        root = buffer.root()
        memory = run.arena if root.external is None else run.externals[root.external].reshape(-1).view(np.uint8)
        begin = buffer.root_offset() + (root.offset if root.external is None else 0)
        shape, dtype = tuple(value.type.storage_shape), np.dtype(value.type.dtype.numpy)
        nbytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        return memory[begin : begin + nbytes].view(dtype).reshape(shape)


def _ends(layers: Sequence[int], count: int) -> list[int]:
    """For each layer, the step after its last one. Layers without steps end where the one before does."""
    ends = [0] * count
    for step, layer in enumerate(layers):
        if layer >= 0:
            ends[layer] = step + 1
    for i in range(1, count):
        ends[i] = max(ends[i], ends[i - 1])
    return ends


def _logical(value: Value, stored: Array) -> Array:
    return value.type.layout.unpack(stored, tuple(value.type.static_shape))
