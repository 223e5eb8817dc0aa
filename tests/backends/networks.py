"""Networks for tests of whole programs, and ways to run them that show reads of memory that nobody owns."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np

from plait.backends.build import assemble
from plait.backends.executable import Call
from plait.backends.lowering import Lowering
from plait.backends.null import FixedCosts
from plait.backends.profiling.job import Job
from plait.backends.program import Program
from plait.frontends.onnx import import_onnx
from plait.ir.module import Module
from plait.ir.values import Array
from plait.kernels_pyx import aligned_empty
from plait.passes.manager import PassManager
from plait.passes.pipeline import Pipeline
from plait.testing.random_models import random_model
from plait.tuning import tune

WORLDS: dict[str, Callable[[Job], float]] = {
    "nchw": lambda job: 1.0 if "/nchw/" in job.routine else 50.0,
    "nhwc": lambda job: 1.0 if "/nhwc/" in job.routine else 50.0,
    "nchw16c": lambda job: 1.0 if "/nchw16c/" in job.routine else 50.0,
    "reference": lambda job: 1.0 if "/reference" in job.routine else 50.0,
}
"""Costs that make one layout, or the reference, cheap; `mixed` has none in common."""


@functools.cache
def network(seed: int) -> Module:
    """A random network, optimised. Not to be changed."""
    module = import_onnx(random_model(seed)).module
    PassManager(Pipeline.parse("default")).run(module)
    return module


@functools.cache
def tuned(seed: int, world: str = "mixed") -> Module:
    """The random network with routines. Not to be changed."""
    costs = FixedCosts(lambda job: _without_reference(job)) if world == "mixed" else FixedCosts(WORLDS[world])
    return tune(network(seed), costs).module


def _without_reference(job: Job) -> float | None:
    # Python steps end the calls of kernels: without them memory is reused more.
    return 5000.0 if "/reference" in job.routine else FixedCosts().cost(job)


def run_and_poison(module: Module, lowering: Lowering, inputs: Sequence[Array]) -> list[Array]:
    """Run step by step; memory is NaN until it is written, and again as soon as its buffer is dead.

    Args:
        lowering: the module's, with live ranges.
    """
    program = Program(assemble(module, lowering))
    outputs = program.allocate_outputs()
    for output in outputs:
        output.reshape(-1).view(np.uint8)[...] = 0xFF
    externals = [*inputs, *outputs]
    memory = aligned_empty((max(program.arena_bytes, 64),), np.uint8)
    memory[...] = 0xFF
    buffers = [b for b in lowering.buffers if b.alias is None and b.in_arena and b.first >= 0]
    kernels = 0
    for index, step in enumerate(program.executable.steps):
        if isinstance(step, Call):
            program._plan.run(externals, memory, kernels, kernels + 1)
            kernels += 1
        else:
            program._run_python(step, externals, memory)
        for buffer in buffers:
            if buffer.last == index:
                memory[buffer.offset : buffer.offset + buffer.nbytes] = 0xFF
    return outputs
