"""How much each layer alone, in each precision, disturbs the outputs of a network.

The float network runs once over a few samples, layer by layer. At each layer, its twins in lower precision get what
the layer reads; what a twin gives takes the place of the result, and the rest of the network runs on from there. The
loss is the power of the difference at the outputs over the power of the outputs (`noise_over_signal`). Errors of
different layers are all but independent, so that losses of layers add up to about that of the network with all of them.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

import attrs
import numpy as np

from plait.backends.profiling.database import ProfileDatabase
from plait.backends.profiling.sensitivities import add_sensitivities, find_sensitivities
from plait.ir.diagnostics import Diagnostic
from plait.ir.layer import Layer
from plait.ir.module import Module
from plait.ir.values import Array
from plait.passes.quantize.types import QuantizationError
from plait.tuning.calibration import Progress, Sample, Samples, first_of, runner_of
from plait.tuning.precision.fingerprint import network_print, samples_print
from plait.tuning.precision.stepping import Run, Stepper

SAMPLES = 8
"""Enough to rank layers; the loss of a whole network is measured, over all samples."""

ENOUGH, CLEAR = 3, 0.1
"""After so many samples, further ones are not run to the outputs where the standard error of the mean is a tenth."""

Twins = Mapping[str, Mapping[str, Module]]
"""For layers, by the name of their first result, and precisions: a network of that layer alone. It takes the operands
that are no constants, by their names, in float32, and gives the results in float32."""


@attrs.frozen
class Sensitivity:
    """One layer in one precision."""

    loss: float
    """Noise over signal at the outputs, if all other layers compute in float32."""
    local: float
    """The same at the results of the layer itself."""


Sensitivities = dict[str, dict[str, Sensitivity]]
"""By layer and precision."""


def sensitivities(
    module: Module,
    twins: Twins,
    samples: Samples,
    *,
    count: int = SAMPLES,
    threads: int = 1,
    database: ProfileDatabase | None = None,
    progress: Progress = lambda done, what: None,
) -> Sensitivities:
    """The sensitivity of each layer that has twins.

    Args:
        module: the float network that the layers are of; static shapes.
        count: how many samples to look at; the first ones.
        threads: number of threads that share the work of each layer.
        database: where what is known is found, and what is found out is kept.
        progress: called after each layer with the number of runs through layers so far.

    Raises:
        RunError: P401, a sample does not fit the inputs.
        QuantizationError: P520, there are no samples.
        RoutineError: P403, a layer has no routine.
        ProfileError: P501.
    """
    few = list(first_of(samples, count)())
    if not few:
        raise QuantizationError(Diagnostic("P520", "there are no samples to find sensitivities with"))
    known: Sensitivities = {name: {} for name in twins}
    prints: dict[tuple[str, str], str] = {}
    context = ""
    if database is not None:
        context = f"{network_print(module)}:{samples_print(few)}"
        prints = {(name, p): network_print(twin) for name, some in twins.items() for p, twin in some.items()}
        rows = find_sensitivities(database, context)
        for (name, precision), twin in prints.items():
            if row := rows.get((name, precision, twin)):
                known[name][precision] = Sensitivity(*row)
    missing = {
        name: {p: twin for p, twin in some.items() if p not in known[name]}
        for name, some in twins.items()
        if any(p not in known[name] for p in some)
    }
    if missing:
        search = _Search(module, few, threads)
        layers = {layer.results[0].name: layer for layer in module.main}
        # In the order of the network, so that runs go on from layer to layer.
        ordered = [name for name in layers if name in missing]
        for done, name in enumerate(ordered, 1):
            found = search.layer(layers[name], missing[name])
            if database is not None:
                new = [(name, p, prints[name, p], s.loss, s.local) for p, s in found.items()]
                add_sensitivities(database, context, new)
            known[name].update(found)
            progress(done * len(few), "sensitivity")
    return {name: {p: known[name][p] for p in some} for name, some in twins.items()}


class _Search:
    """Runs over all samples that go through the network side by side: a twin is compiled once, and then dropped."""

    def __init__(self, module: Module, samples: Sequence[Sample], threads: int) -> None:
        self.threads = threads
        self.stepper = Stepper(module, threads)
        self.runs = [self.stepper.start(s) for s in samples]
        self.spare = self.stepper.spare(self.runs[0])
        self.wanted = [self._rest(run) for run in self.runs]

    def layer(self, layer: Layer, twins: Mapping[str, Module]) -> dict[str, Sensitivity]:
        """The sensitivity of the next layer for each precision."""
        name = layer.results[0].name
        found: dict[str, list[list[Array]]] = {p: [] for p in twins}
        runs = {p: runner_of(twin, twin.main.outputs, self.threads) for p, twin in twins.items()}
        for run in self.runs:
            self.stepper.advance(run, name, through=False)
            operands = self.stepper.operands(run, name, layer)
            for precision, twin in twins.items():
                read = {a.name: np.array(operands[a.name]) for a in twin.main.arguments}
                found[precision].append([np.array(a) for a in runs[precision](read)])
            self.stepper.advance(run, name, through=True)
        exact = [[np.array(a) for a in self.stepper.results(run, name)] for run in self.runs]
        return {p: self._sensitivity(name, exact, arrays) for p, arrays in found.items()}

    def _sensitivity(self, name: str, exact: list[list[Array]], found: list[list[Array]]) -> Sensitivity:
        local = _ratio(_powers(exact), _powers(_differences(exact, found)))
        if not local:
            return Sensitivity(0.0, 0.0)
        outputs: list[list[Array]] = []
        shares: list[float] = []
        for run, arrays, wanted in zip(self.runs, found, self.wanted, strict=True):
            outputs.append(self._rest(run, name, arrays))
            shares.append(_ratio(_powers([wanted]), _powers(_differences([wanted], outputs[-1:]))))
            if _is_clear(shares):
                break
        seen = self.wanted[: len(outputs)]
        return Sensitivity(_ratio(_powers(seen), _powers(_differences(seen, outputs))), local)

    def _rest(self, run: Run, name: str = "", results: Sequence[Array] = ()) -> list[Array]:
        """The outputs, from where a run stands, with other results of the layer that it has come through."""
        self.stepper.copy(run, self.spare)
        if name:
            self.stepper.replace(self.spare, name, results)
        return [np.array(a) for a in self.stepper.finish(self.spare)]


def _is_clear(shares: Sequence[float]) -> bool:
    """Whether the mean of some numbers is known well enough: most of the time goes into runs to the outputs."""
    if len(shares) < ENOUGH or not all(map(math.isfinite, shares)):
        return False
    return statistics.stdev(shares) <= CLEAR * statistics.fmean(shares) * math.sqrt(len(shares))


def _differences(wanted: list[list[Array]], found: list[list[Array]]) -> list[list[Array]]:
    with np.errstate(invalid="ignore"):
        return [
            [a.astype(np.float64) - b.astype(np.float64) for a, b in zip(*pair, strict=True)]
            for pair in zip(wanted, found, strict=True)
        ]


def _powers(samples: list[list[Array]]) -> list[float]:
    """The power of each output over all samples."""
    return [
        math.fsum(float(np.sum(a.astype(np.float64) ** 2)) for a in arrays) for arrays in zip(*samples, strict=True)
    ]


def _ratio(signal: Sequence[float], noise: Sequence[float]) -> float:
    """Noise over signal: the mean over the outputs."""
    ratios = [
        0.0 if n == 0 else n / s if math.isfinite(n) and s else math.inf for s, n in zip(signal, noise, strict=True)
    ]
    return math.fsum(ratios) / len(ratios) if ratios else 0.0
