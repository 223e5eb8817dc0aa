"""Lower bounds on the times of routines, from what the machine can do at best.

After the roofline model (Williams, Waterman, Patterson 2009): so much arithmetic takes so long at the peak, so many
bytes take so long from the nearest memory that can hold them, and whichever takes longer is a bound.
`docs/design/tuning.md` says why each part holds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import attrs
import numpy as np

from plait.backends.descriptor import RoutinePath
from plait.backends.effort import Effort
from plait.backends.profiling.job import COLD, STREAMED, Job
from plait.backends.profiling.limits import Limits
from plait.backends.profiling.resplit import RESPLIT
from plait.backends.program import Program
from plait.backends.routine import REFERENCE, Routine
from plait.ir.dtypes import DType, Quantized
from plait.ir.layer import Layer
from plait.ir.layers.activations import Relu
from plait.ir.module import Function, Module
from plait.ir.types import TensorType
from plait.ir.values import Value
from plait.tuning.entries import Entries
from plait.tuning.work import Work, least_work

SAFETY = 0.8
"""Share of a computed bound that is trusted: limits were measured, too."""
ELSEWHERE = 0.5
"""The same of a time that another machine of this kind took."""


@attrs.frozen
class Roof:
    """What bounds are made of: limits of the machine, and the least time of a layer that Python computes."""

    limits: Limits
    python_us: float

    def least_us(self, layer: Layer, routine: Routine | None, state: str) -> float:
        """Microseconds that a routine (None: a conversion of the layout) takes at least, not yet made safe."""
        work = least_work(layer)
        declared = routine.least(layer) if routine is not None and routine.least is not None else Effort(work.flops)
        nearest = self.limits.levels[0].time_us(declared.loaded, declared.stored)
        whole = max(declared.flops / self.peak_of(layer) / 1e3, nearest, self.moving_us(work, state))
        python = routine is not None and routine.path.base == REFERENCE.base
        floor = self.python_us if python else self.limits.op_ns / 1e3
        return max(whole + sum(self.pass_us(*p) for p in declared.passes), floor)

    def peak_of(self, layer: Layer) -> float:
        """Operations in a nanosecond at best, with elements of the type that the layer reads; infinite where no peak is
        known."""
        operand = next(iter(layer.operands), None)
        dtype = None if operand is None else operand.type.dtype
        if isinstance(dtype, Quantized):
            return max(self.limits.gops.values(), default=math.inf)
        if dtype is DType.BF16:
            return max(self.limits.bf16.values(), default=math.inf)
        return self.limits.peak if dtype in (DType.F32, DType.F64) else math.inf

    def moving_us(self, work: Work, state: str) -> float:
        """The least time to move what has to be moved, from where the state has it."""
        memory = self.limits.levels[-1]
        if state == COLD:
            return memory.time_us(work.read + work.constants, 0)
        if state == STREAMED:
            return memory.time_us(work.constants, 0) + self.pass_us(work.read, work.written)
        return self.pass_us(work.read + work.constants, work.written)

    def pass_us(self, read: float, written: float) -> float:
        """The least time to read and write so many bytes once: at best each level of the memory holds what fits beyond
        the levels before it."""
        time, below = 0.0, 0.0
        left = total = read + written
        for level in self.limits.levels:
            part = left if level.capacity is None else min(left, max(0.0, level.capacity - below))
            if part:
                time += level.time_us(read * part / total, written * part / total)
            left, below = left - part, level.capacity or 0.0
        return time


def entry_bounds(entries: Entries, roof: Roof | None, elsewhere: Mapping[Job, float]) -> dict[Job, float]:
    """A safe lower bound in microseconds for each job of a function.

    Args:
        roof: None: nothing is known of the machine.
        elsewhere: microseconds that jobs took on other machines of this kind.
    """
    found: dict[Job, float] = {}
    for layer, options in entries.options.items():
        known: dict[str, float] = {}
        for option in options:
            path = option.routine.path.base
            if path not in known:
                known[path] = 0.0 if roof is None else roof.least_us(layer, option.routine, entries.state)
            found[option.job] = SAFETY * known[path]
    for movement in entries.conversions.values():
        if roof is None or RoutinePath.parse(movement.job.routine).base == RESPLIT.base:
            found[movement.job] = 0.0
        else:
            found[movement.job] = SAFETY * roof.least_us(movement.layer, None, entries.state)
    return {job: max(bound, ELSEWHERE * elsewhere.get(job, 0.0)) for job, bound in found.items()}


def python_step_us(runs: int = 50) -> float:
    """Half of the least time of a step that Python computes: of a layer with a single element."""
    # Made by hand: the parser takes a quarter of a second to start, which tuning with a full database has no need of.
    one = TensorType(DType.F32, (1,))
    layer = Relu(x=Value("x", one))
    function = Function("main", [layer.x])
    layer.via = str(REFERENCE)
    function.body.append(layer, ["y"])
    function.set_outputs(layer.results)
    module = Module()
    module.functions["main"] = function
    program = Program(module)
    inputs = [np.ones(1, np.float32)]
    times: Sequence[int] = program.time(inputs, runs).tolist()
    return min(times) / 2e3
