"""Running networks over samples to see what accuracy they lose."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs
import numpy as np

from plait.backends.reference.evaluate import bind_inputs
from plait.backends.runner import Runner
from plait.ir.diagnostics import Diagnostic
from plait.ir.module import Module
from plait.passes.quantize.types import QuantizationError
from plait.tuning.calibration import Progress, Run, Sample, Samples, runner_of
from plait.tuning.precision.metrics import Metric, Outputs


def measure_loss(
    module: Module | Runner,
    reference: Module | Runner | Sequence[Outputs],
    samples: Samples,
    metric: Metric,
    *,
    threads: int = 1,
    progress: Progress = lambda done, what: None,
) -> float:
    """What a network loses against the float network, by a metric over all samples.

    Args:
        module: static shapes; where all its layers have routines, these are what runs. Others get routines by rules of
            thumb.
        reference: the float network, of the same inputs and outputs; or its outputs, as `outputs_of` gives them.
        threads: number of threads that share the work of each layer.
        progress: called after each run over a sample.

    Raises:
        RunError: P401, a sample does not fit the inputs.
        QuantizationError: P520, there are no samples.
        MetricError: P521, the metric is not for such outputs, or fails.
    """
    if isinstance(reference, (Module, Runner)):
        reference = outputs_of(reference, samples, threads=threads, progress=progress)
    return metric.loss(reference, outputs_of(module, samples, threads=threads, progress=progress))


def outputs_of(
    module: Module | Runner,
    samples: Samples,
    *,
    threads: int = 1,
    progress: Progress = lambda done, what: None,
) -> list[Outputs]:
    """The outputs of a network for each sample; arguments as of `measure_loss`."""
    run: Callable[[Sample], Outputs] | None = None
    found: list[Outputs] = []
    for sample in samples():
        if run is None:
            run = _run_of(module, threads)
        if isinstance(module, Module):
            bind_inputs(module.main, sample)
        found.append(run(sample))
        progress(len(found), "accuracy")
    if not found:
        raise QuantizationError(Diagnostic("P520", "there are no samples to measure the accuracy with"))
    return found


def _run_of(module: Module | Runner, threads: int) -> Callable[[Sample], Outputs]:
    if isinstance(module, Module) and all(layer.via for layer in module.main):
        module = Runner(module, threads)
    if isinstance(module, Runner):
        runner = module
        return lambda sample: runner.run(**sample)
    return _Untuned(runner_of(module, module.main.outputs, threads), tuple(module.main.output_names))


@attrs.frozen(eq=False)
class _Untuned:
    run: Run
    names: tuple[str, ...]

    def __call__(self, sample: Sample) -> Outputs:
        return {name: np.asarray(a) for name, a in zip(self.names, self.run(sample), strict=True)}
