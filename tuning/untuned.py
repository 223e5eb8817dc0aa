"""Running modules that nobody has tuned, at once: routines are chosen by rules of thumb rather than by measurements.

For work that needs a network's numbers and is done in seconds, such as calibration. The reference would take minutes,
tuning longer than the work.
"""

from __future__ import annotations

from collections.abc import Sequence

from plait.backends.null import FixedCosts
from plait.backends.program import Program
from plait.ir.module import Module
from plait.ir.values import Value
from plait.passes.base import PassContext
from plait.passes.dce import Dce
from plait.tuning.tuner import tune

RULES: dict[str, float | None] = {
    "*": 60.0,
    **{f"cpu/{dtype}/nchw16c": 20.0 for dtype in ("f32", "bf16", "f16")},
    "cpu/bf16/nchw16c/winograd_f4": 40.0,
    "cpu/*/nchw16c/winograd_f2": 100.0,
    "cpu/*/nchw16c/winograd_f6": 100.0,
    "*/naive": 5_000.0,
    "cpu/*/*/reference": 20_000.0,
    "adapt *": 5.0,
}
"""What routines cost, as far as one can say without looking at layers: blocked kernels are fast, references slow."""


def untuned_program(module: Module, threads: int = 1) -> Program:
    """A program for a module with static shapes, in a moment.

    Raises:
        RoutineError: P403, a layer has no routine.
    """
    return Program(untuned_module(module, threads), threads)


def untuned_module(module: Module, threads: int = 1) -> Module:
    """The module that such a program runs: each layer has a routine.

    Raises:
        RoutineError: P403, a layer has no routine.
    """
    return tune(module, FixedCosts(RULES), threads=threads).module


def observed(module: Module, values: Sequence[Value]) -> Module:
    """A copy of a module that yields these values of its function `main`, in this order, and computes nothing else."""
    copy = module.clone()
    twins = twins_of(module, copy)
    copy.main.set_outputs([twins[v] for v in values], [str(i) for i in range(len(values))])
    Dce().run(copy, PassContext())
    return copy


def twins_of(module: Module, copy: Module) -> dict[Value, Value]:
    """For the arguments of `main`, and the results of its layers, the same in a copy of the module."""
    twins: dict[Value, Value] = dict(zip(module.main.arguments, copy.main.arguments, strict=True))
    for layer, twin in zip(module.main, copy.main, strict=True):
        twins.update(zip(layer.results, twin.results, strict=True))
    return twins
