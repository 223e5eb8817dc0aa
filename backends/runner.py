"""Runners: a program as a Python callable with named inputs and outputs."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from plait.backends.executable import Executable, Port
from plait.backends.program import Program

if TYPE_CHECKING:
    from plait.ir.layer import Layer
    from plait.ir.module import Module
    from plait.ir.types import Type
    from plait.ir.values import Array


class Runner:
    """A model ready to run.

        runner = plait.open("tuned.plait")
        probabilities = runner(image)             # one input and one output: array in, array out
        outputs = runner(image=image, mask=mask)  # by name; several outputs come as a dict

    Runners are thread-safe: calls from several threads run at the same time, each in memory of its own.

    Args:
        module: a module whose layers have routines, or a function that gives the module of `executable`.
        threads: number of threads that share the work of each layer; an executable has its own.
        executable: default: `module` lowered.
    """

    def __init__(
        self, module: Module | Callable[[], Module], threads: int = 1, executable: Executable | None = None
    ) -> None:
        self._source = module
        self.program = Program(self.module, threads) if executable is None else Program(executable)

    @functools.cached_property
    def module(self) -> Module:
        """The IR that runs; of a package, it is read when it is first asked for."""
        return self._source() if callable(self._source) else self._source

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers of the function that runs, in order."""
        return tuple(self.module.main)

    @property
    def inputs(self) -> dict[str, Type]:
        """Names and types of the inputs."""
        return {v.name: v.type for v in self.module.main.arguments}

    @property
    def outputs(self) -> dict[str, Type]:
        """Names and types of the outputs."""
        return {n: v.type for n, v in zip(self.module.main.output_names, self.module.main.outputs, strict=True)}

    def __call__(self, /, *arrays: Array, **named: Array) -> Any:
        """Run on positional or named inputs.

        Raises:
            RunError: P401, an input is missing, unknown, or has another dtype or shape.
        """
        results = self.run(*arrays, **named)
        return next(iter(results.values())) if len(results) == 1 else results

    def run(self, /, *arrays: Array, **named: Array) -> dict[str, Array]:
        """Like a call, but always gives a dict of all outputs."""
        outputs = self.program.run(match_inputs(self.program.inputs, arrays, named))
        return {port.name: array for port, array in zip(self.program.outputs, outputs, strict=True)}

    def random_inputs(self, seed: int = 0) -> dict[str, Array]:
        """Standard-normal inputs (integers: zeros) from a seeded generator."""
        return random_inputs(self.inputs, seed)


def check_inputs(types: dict[str, Type], arrays: tuple[Array, ...], named: dict[str, Array]) -> list[Array]:
    """Arrays in the order of `types`, C-contiguous; each has the shape in which its type is stored.

    Raises:
        RunError: P401 with every problem found.
    """
    from plait.backends.build import port

    _want_arrays(types)
    return match_inputs([port(n, t) for n, t in types.items()], arrays, named)


def match_inputs(ports: Sequence[Port], arrays: tuple[Array, ...], named: dict[str, Array]) -> list[Array]:
    """Arrays in the order of `ports`, C-contiguous.

    Raises:
        RunError: P401 with every problem found.
    """
    names = [port.name for port in ports]
    given: dict[str, Any] = dict(zip(names, arrays, strict=False))
    problems = []
    if len(arrays) > len(ports):
        problems.append(f"{len(arrays)} inputs were given, the model takes {len(ports)} ({', '.join(names)})")
    for name, array in named.items():
        if name not in names:
            problems.append(f"there is no input {name!r} (inputs: {', '.join(names)})")
        elif name in given:
            problems.append(f"input {name!r} is given twice")
        given[name] = array
    ordered = []
    for port in ports:
        name = port.name
        if name not in given:
            problems.append(f"input {name!r} ({port.type}) is missing")
            continue
        array = np.asarray(given[name])
        if array.shape != port.shape:
            stored = "" if port.shape == port.logical else f" (how {port.type} is stored)"
            problems.append(f"input {name!r} has shape {list(array.shape)}, the model takes {list(port.shape)}{stored}")
        elif array.dtype != port.dtype:
            problems.append(f"input {name!r} has dtype {array.dtype}, the model takes {port.dtype}")
        ordered.append(np.ascontiguousarray(array))
    if problems:
        raise _run_error(problems)
    return ordered


def random_inputs(types: dict[str, Type], seed: int) -> dict[str, Array]:
    """Standard-normal arrays of these types (integers: zeros).

    Raises:
        RunError: P401, an input is a sequence, an optional value, or text, or too large for any memory.
    """
    _want_arrays(types)
    if large := [(n, t) for n, t in types.items() if t.nbytes > sys.maxsize // 8]:
        raise _run_error([f"input {n!r} is {t}, more than memory can hold" for n, t in large])
    rng = np.random.default_rng(seed)
    return {
        name: np.asarray(rng.standard_normal(t.storage_shape), t.dtype.numpy)
        if t.dtype.is_float
        else np.zeros(t.storage_shape, t.dtype.numpy)
        for name, t in types.items()
    }


def _want_arrays(types: dict[str, Type]) -> None:
    from plait.ir.types import DType, TensorType

    strange = [(n, t) for n, t in types.items() if not isinstance(t, TensorType) or t.dtype is DType.STRING]
    if strange:
        hint = "plait.backends.reference.evaluate takes lists and strings"
        raise _run_error([f"input {n!r} is {t}, not an array of numbers" for n, t in strange], hint)


def _run_error(problems: Sequence[str], hint: str = "") -> Exception:
    from plait.backends.errors import RunError
    from plait.ir.diagnostics import Diagnostic

    return RunError([Diagnostic("P401", p, hint=hint) for p in problems])
