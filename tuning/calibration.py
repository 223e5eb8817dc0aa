"""Running a network over samples to see which numbers its values take.

The network runs compiled, with the values of interest as outputs, a part of them at a time if they are many; what is
remembered of them has a fixed size, however many samples there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import islice

import numpy as np

from plait.backends.errors import RoutineError
from plait.backends.reference import evaluate
from plait.backends.reference.evaluate import bind_inputs
from plait.ir.diagnostics import Diagnostic
from plait.ir.layer import Layer
from plait.ir.module import Module
from plait.ir.types import TensorType
from plait.ir.values import Array, Constant, Value
from plait.passes.quantize.moments import Moments
from plait.passes.quantize.observers import Channels, Histogram
from plait.passes.quantize.plan import x_of
from plait.passes.quantize.ranges import Range
from plait.passes.quantize.types import QuantizationError
from plait.tuning.untuned import observed, untuned_program

Sample = Mapping[str, Array]
"""Inputs by name."""
Samples = Callable[[], Iterable[Sample]]
"""Gives the same samples, one by one, each time that it is called."""
Progress = Callable[[int, str], None]
"""Told how many runs are done, and what they are for."""
Take = Callable[[Value, Array], None]
Run = Callable[[Sample], "list[Array]"]

_AT_ONCE = 512 << 20
"""Bytes of values that a run yields at most, if it is not a single one."""


def channels_of(
    module: Module, values: Sequence[Value], samples: Samples, progress: Progress, threads: int = 1
) -> dict[Value, Channels]:
    """What each channel of values of `main` holds over all samples.

    Raises:
        RunError: P401, a sample does not fit the inputs.
        QuantizationError: P520, there are no samples.
    """
    found = {value: Channels() for value in values}
    run_over(module, values, samples, lambda v, data: found[v].add(data), partial(_tell, progress, "ranges"), threads)
    return found


def histograms_of(
    module: Module, ranges: Mapping[Value, Range], samples: Samples, progress: Progress, threads: int = 1
) -> dict[Value, Histogram]:
    """The distribution of values of `main` over all samples, within ranges that are known.

    Raises:
        RunError: P401, a sample does not fit the inputs.
        QuantizationError: P520, there are no samples.
    """
    found = {value: Histogram(range) for value, range in ranges.items()}
    tell = partial(_tell, progress, "histograms")
    run_over(module, list(ranges), samples, lambda v, data: found[v].add(data), tell, threads)
    return found


def moments_of(
    module: Module, layers: Sequence[Layer], samples: Samples, progress: Progress, threads: int = 1
) -> dict[Layer, Moments]:
    """What layers of `main` multiply with their weights, over all samples.

    Raises:
        RunError: P401, a sample does not fit the inputs.
        QuantizationError: P520, there are no samples.
    """
    found = {layer: Moments(layer) for layer in layers}
    readers: dict[Value, list[Moments]] = {}
    for layer, moments in found.items():
        readers.setdefault(x_of(layer), []).append(moments)

    def take(value: Value, data: Array) -> None:
        for moments in readers[value]:
            moments.add(data)

    run_over(module, list(readers), samples, take, partial(_tell, progress, "moments"), threads)
    return found


def _tell(progress: Progress, what: str, done: int) -> None:
    progress(done, what)


def run_over(
    module: Module,
    values: Sequence[Value],
    samples: Samples,
    take: Take,
    tell: Callable[[int], None] = lambda done: None,
    threads: int = 1,
) -> None:
    """Hand the numbers of values of `main` to `take`, for each sample.

    Args:
        take: called with a value and an array, which it must not keep.
        tell: called after each run with the number of runs so far.

    Raises:
        RunError: P401, a sample does not fit the inputs.
        QuantizationError: P520, there are no samples.
    """
    arguments = {a: i for i, a in enumerate(module.main.arguments)}
    made = [v for v in values if v not in arguments and not isinstance(v, Constant)]
    done = 0
    for number, part in enumerate(parts(made) or [[]]):
        run: Run | None = None
        for sample in samples():
            inputs = bind_inputs(module.main, sample)
            if run is None:
                run = runner_of(module, part, threads)
            if number == 0:
                for value in values:
                    if value in arguments:
                        take(value, inputs[arguments[value]])
            for value, data in zip(part, run(sample), strict=True):
                take(value, data)
            done += 1
            tell(done)
        if run is None:
            raise QuantizationError(Diagnostic("P520", "there are no samples to calibrate with"))


def first_of(samples: Samples, count: int) -> Samples:
    """The first `count` samples."""
    return lambda: islice(samples(), count)


def runner_of(module: Module, values: Sequence[Value], threads: int = 1) -> Run:
    """What computes values of `main` for a sample: a program, or the reference where there are no routines."""
    try:
        program = untuned_program(observed(module, values), threads)
    except RoutineError:
        return partial(_by_reference, module, values)
    names = [a.name for a in module.main.arguments]
    return lambda sample: program.run([np.ascontiguousarray(sample[name]) for name in names])


def _by_reference(module: Module, values: Sequence[Value], sample: Sample) -> list[Array]:
    found: dict[Value, Array] = {}
    wanted = set(values)

    def keep(value: Value, data: Array) -> None:
        if value in wanted:
            found[value] = data

    evaluate(module, sample, values=keep)
    return [found[v] for v in values]


def parts(values: Sequence[Value]) -> list[list[Value]]:
    """Values in parts that fit into memory at once, in order."""
    found: list[list[Value]] = []
    size = 0
    for value in values:
        assert isinstance(value.type, TensorType)
        size += value.type.nbytes
        if not found or size > _AT_ONCE:
            found.append([])
            size = value.type.nbytes
        found[-1].append(value)
    return found
