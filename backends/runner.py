"""Runners: a program as a Python callable with named inputs and outputs."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from plait.backends.errors import RunError
from plait.backends.program import Program
from plait.ir.diagnostics import Diagnostic
from plait.ir.module import Module
from plait.ir.types import DType, TensorType, Type
from plait.ir.values import Array


class Runner:
    """A model ready to run.

        runner = plait.open("tuned.plait")
        probabilities = runner(image)             # one input and one output: array in, array out
        outputs = runner(image=image, mask=mask)  # by name; several outputs come as a dict

    Runners are thread-safe: calls from several threads run at the same time, each in memory of its own.
    """

    def __init__(self, module: Module, threads: int = 1) -> None:
        self.module = module
        self.program = Program(module, threads)

    @property
    def inputs(self) -> dict[str, Type]:
        """Names and types of the inputs."""
        return {v.name: v.type for v in self.program.inputs}

    @property
    def outputs(self) -> dict[str, Type]:
        """Names and types of the outputs."""
        return {n: v.type for n, v in zip(self.program.output_names, self.program.outputs, strict=True)}

    def __call__(self, /, *arrays: Array, **named: Array) -> Any:
        """Run on positional or named inputs.

        Raises:
            RunError: P401, an input is missing, unknown, or has another dtype or shape.
        """
        results = self.run(*arrays, **named)
        return next(iter(results.values())) if len(results) == 1 else results

    def run(self, /, *arrays: Array, **named: Array) -> dict[str, Array]:
        """Like a call, but always gives a dict of all outputs."""
        outputs = self.program.run(check_inputs(self.inputs, arrays, named))
        return dict(zip(self.program.output_names, outputs, strict=True))

    def random_inputs(self, seed: int = 0) -> dict[str, Array]:
        """Standard-normal inputs (integers: zeros) from a seeded generator."""
        return random_inputs(self.inputs, seed)


def check_inputs(types: dict[str, Type], arrays: tuple[Array, ...], named: dict[str, Array]) -> list[Array]:
    """Arrays in the order of `types`, C-contiguous; each has the shape in which its type is stored.

    Raises:
        RunError: P401 with every problem found.
    """
    given: dict[str, Any] = dict(zip(types, arrays, strict=False))
    _want_arrays(types)
    problems = []
    if len(arrays) > len(types):
        problems.append(f"{len(arrays)} inputs were given, the model takes {len(types)} ({', '.join(types)})")
    for name, array in named.items():
        if name not in types:
            problems.append(f"there is no input {name!r} (inputs: {', '.join(types)})")
        elif name in given:
            problems.append(f"input {name!r} is given twice")
        given[name] = array
    ordered = []
    for name, type in types.items():
        if name not in given:
            problems.append(f"input {name!r} ({type}) is missing")
            continue
        array = np.asarray(given[name])
        if array.shape != type.storage_shape:
            stored = "" if type.storage_shape == type.static_shape else f" (how {type} is stored)"
            problems.append(
                f"input {name!r} has shape {list(array.shape)}, the model takes {list(type.storage_shape)}{stored}"
            )
        elif array.dtype != type.dtype.numpy:
            problems.append(f"input {name!r} has dtype {array.dtype}, the model takes {type.dtype.numpy}")
        ordered.append(np.ascontiguousarray(array))
    if problems:
        raise RunError([Diagnostic("P401", p) for p in problems])
    return ordered


def random_inputs(types: dict[str, Type], seed: int) -> dict[str, Array]:
    """Standard-normal arrays of these types (integers: zeros).

    Raises:
        RunError: P401, an input is a sequence, an optional value, or text, or too large for any memory.
    """
    _want_arrays(types)
    if large := [(n, t) for n, t in types.items() if isinstance(t, TensorType) and t.nbytes > sys.maxsize // 8]:
        raise RunError([Diagnostic("P401", f"input {n!r} is {t}, more than memory can hold") for n, t in large])
    rng = np.random.default_rng(seed)
    return {
        name: np.asarray(rng.standard_normal(t.storage_shape), t.dtype.numpy)
        if t.dtype.is_float
        else np.zeros(t.storage_shape, t.dtype.numpy)
        for name, t in types.items()
    }


def _want_arrays(types: dict[str, Type]) -> None:
    strange = [(n, t) for n, t in types.items() if not isinstance(t, TensorType) or t.dtype is DType.STRING]
    if strange:
        hint = "plait.backends.reference.evaluate takes lists and strings"
        raise RunError(
            [Diagnostic("P401", f"input {n!r} is {t}, not an array of numbers", hint=hint) for n, t in strange]
        )
