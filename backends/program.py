"""Programs: executables that run. Kernel calls between two Python steps are one call without the interpreter; an
executable without Python steps is a single such call."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from plait.backends.executable import Computed, Executable, Port, View
from plait.kernels_pyx import Plan, aligned_empty, arena, external

if TYPE_CHECKING:
    from plait.ir.module import Module
    from plait.ir.values import Array

_COLD_BYTES = 128 << 20
"""More than caches hold."""
_ARENA, _FIRST_EXTERNAL = arena(0).base, external(0).base


class Segment(NamedTuple):
    """Kernel calls [first, last) of the plan."""

    first: int
    last: int


class Span(NamedTuple):
    """The part that one thread had in a step of a run, in nanoseconds of `time.perf_counter_ns`."""

    step: int
    thread: int
    begin: int
    end: int


class Program:
    """An executable function. Thread-safe: each running call has an arena of its own.

    Args:
        source: an executable, or a module to lower (see `plait.backends.build`).
        threads: of a module: number of threads that share the work of each layer.

    Raises:
        RoutineError: P403, a layer has no routine, or one that is unknown or refuses it, or a dimension is symbolic.
    """

    def __init__(self, source: Module | Executable, threads: int = 1) -> None:
        if isinstance(source, Executable):
            self.executable = source
        else:
            from plait.backends.build import build

            self.executable = build(source, threads)
        self._plan, self._order = _assemble(self.executable)
        self._layer_of_call = [s.layer for s in self.executable.steps if not isinstance(s, Computed)]
        self._arenas: list[Array] = []  # pop and append are atomic

    @property
    def inputs(self) -> tuple[Port, ...]:
        """The inputs, in order."""
        return self.executable.inputs

    @property
    def outputs(self) -> tuple[Port, ...]:
        """The outputs, in order."""
        return self.executable.outputs

    @property
    def threads(self) -> int:
        """Number of threads that share the work of each layer."""
        return self.executable.threads

    @property
    def arena_bytes(self) -> int:
        """Bytes of memory that each running call has of its own."""
        return self.executable.arena_bytes

    @property
    def is_single_call(self) -> bool:
        """Whether a run is one call of compiled code."""
        return all(isinstance(part, Segment) for part in self._order) and len(self._order) <= 1

    @property
    def constant_bytes(self) -> int:
        """Bytes of packed weights and other constants."""
        return sum(c.nbytes for c in self.executable.constants)

    def allocate_outputs(self) -> list[Array]:
        """Arrays for the outputs, in the shape in which they are stored."""
        return [np.empty(p.shape, p.dtype) for p in self.outputs]

    def allocate_arena(self) -> Array:
        """Memory for a run of one's own, see `run_steps`."""
        arena: Array = aligned_empty((max(self.arena_bytes, 64),), np.uint8)
        return arena

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
            self._arenas.append(memory)
        return outputs

    def run_steps(self, first: int, last: int, externals: list[Array], memory: Array) -> None:
        """Run the steps [first, last) of the executable.

        Args:
            externals: the inputs, then the outputs.
            memory: of `allocate_arena`, as the steps before have left it.
        """
        self._check_externals(externals)
        calls = sum(not isinstance(s, Computed) for s in self.executable.steps[:first])
        for computed, steps in itertools.groupby(self.executable.steps[first:last], lambda s: isinstance(s, Computed)):
            found = list(steps)
            if not computed:
                self._plan.run(externals, memory, calls, calls + len(found))
                calls += len(found)
                continue
            for step in found:
                assert isinstance(step, Computed)
                self._run_python(step, externals, memory)

    def layer_times(self, inputs: Sequence[Array], outputs: Sequence[Array] | None = None) -> Array:
        """Run once and return the nanoseconds of each layer, barriers included; the last: copies of outputs."""
        times = np.zeros(self.executable.layers + 1, np.int64)
        for part, found in self._run_parts(self._plan.run_timed, inputs, outputs):
            if isinstance(part, Segment):
                np.add.at(times, self._layer_of_call[part.first : part.last], found)
            else:
                begin, end = found
                times[part.layer] += end - begin
        return times

    def trace(self, inputs: Sequence[Array], outputs: Sequence[Array] | None = None) -> list[Span]:
        """Run once and return when each thread worked on each step; a Python step is work of thread 0."""
        spans: list[Span] = []
        first = 0
        for part, found in self._run_parts(self._plan.run_traced, inputs, outputs):
            stamps = found if isinstance(part, Segment) else found.reshape(1, 1, 2)
            for step, threads in enumerate(stamps.tolist(), first):
                spans += [Span(step, thread, *stamp) for thread, stamp in enumerate(threads)]
            first += len(stamps)
        return spans

    def _run_parts(
        self, run: Callable[..., Array], inputs: Sequence[Array], outputs: Sequence[Array] | None
    ) -> Iterator[tuple[Segment | Computed, Array]]:
        """Run once, part by part: a segment with what `run` returned, a Python step with its begin and end."""
        externals = [*inputs, *(self.allocate_outputs() if outputs is None else outputs)]
        memory = self._take_arena()
        try:
            for part in self._order:
                if isinstance(part, Segment):
                    yield part, run(externals, memory, part.first, part.last)
                else:
                    begin = time.perf_counter_ns()
                    self._run_python(part, externals, memory)
                    yield part, np.array([begin, time.perf_counter_ns()])
        finally:
            self._arenas.append(memory)

    def time(self, inputs: Sequence[Array], repeats: int, *, cold: bool = False) -> Array:
        """Run `repeats` times in a row; nanoseconds of each.

        Args:
            cold: fill the caches with other data before each run.
        """
        outputs = self.allocate_outputs()
        if self.is_single_call:
            return self._plan.time_op(0, len(self._plan), repeats, [*inputs, *outputs], flush=cold)
        times = np.zeros(repeats, np.int64)
        other = np.zeros(_COLD_BYTES if cold else 0, np.uint8)
        for i in range(repeats):
            other += 1
            start = time.perf_counter_ns()
            self.run(inputs, outputs)
            times[i] = time.perf_counter_ns() - start
        return times

    def evict_constants(self) -> None:
        """Bring weights from every cache back to memory, so that the next run reads them from there."""
        self._plan.evict_constants()

    def _check_externals(self, externals: list[Array]) -> None:
        # What the plan checks itself where all is one call; a Python step would write into a copy, or take another
        # array's place.
        wanted = [p.nbytes for p in (*self.inputs, *self.outputs)]
        if len(externals) != len(wanted):
            raise ValueError(f"this program takes {len(wanted)} external buffers, got {len(externals)}")
        for i, (array, nbytes) in enumerate(zip(externals, wanted, strict=True)):
            if not array.flags.c_contiguous or array.nbytes != nbytes:
                raise ValueError(
                    f"external buffer {i} has {array.nbytes} bytes{'' if array.flags.c_contiguous else ', with gaps'}, "
                    f"the program expects {nbytes}"
                )

    def _take_arena(self) -> Array:
        try:
            return self._arenas.pop()
        except IndexError:
            return self.allocate_arena()

    def _run_python(self, step: Computed, externals: list[Array], memory: Array) -> None:
        operands = [None if view is None else self._view(view, externals, memory) for view in step.operands]
        results = step.run(*operands)
        for view, result in zip(step.results, results if isinstance(results, tuple) else (results,), strict=True):
            self._view(view, externals, memory)[...] = result

    def _view(self, view: View, externals: list[Array], memory: Array) -> Array:
        base, offset = view.ref
        if base < 0:
            data = self.executable.constants[-1 - base]
        elif base == _ARENA:
            data = memory
        else:
            data = externals[base - _FIRST_EXTERNAL].reshape(-1).view(np.uint8)
        nbytes = int(np.prod(view.shape, dtype=np.int64)) * view.dtype.itemsize
        return data[offset : offset + nbytes].view(view.dtype).reshape(view.shape)


def _assemble(executable: Executable) -> tuple[Plan, list[Segment | Computed]]:
    plan = Plan(executable.threads)
    for port in executable.inputs:
        plan.add_external(port.nbytes)
    for port in executable.outputs:
        plan.add_external(port.nbytes, writable=True)
    plan.arena_bytes = executable.arena_bytes
    plan.add_calls([s for s in executable.steps if not isinstance(s, Computed)], executable.constants)
    order: list[Segment | Computed] = []
    first = last = 0
    for step in executable.steps:
        if not isinstance(step, Computed):
            last += 1
            continue
        if last > first:
            order.append(Segment(first, last))
        order.append(step)
        first = last
    if last > first:
        order.append(Segment(first, last))
    return plan, order
