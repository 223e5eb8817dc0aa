"""`quantize`: from a float network and samples of its inputs to one that computes on integers, with a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from plait.ir.diagnostics import Diagnostic, did_you_mean
from plait.ir.dtypes import Array, Quantized
from plait.ir.layer import Layer
from plait.ir.layers.linear import Matmul
from plait.ir.module import Module
from plait.ir.types import TensorType
from plait.ir.values import Constant, Value
from plait.ir.verify import verify
from plait.passes.options import matches, words
from plait.passes.quantize.convert import quantize_layers
from plait.passes.quantize.correct import bias_corrections
from plait.passes.quantize.equalize import Pair, Skipped, equalize, pairs_of
from plait.passes.quantize.fit import fit_weights
from plait.passes.quantize.methods import METHODS
from plait.passes.quantize.moments import layers_at_once
from plait.passes.quantize.observers import Channels
from plait.passes.quantize.plan import WEIGHTED, Plan, make_plan, x_of
from plait.passes.quantize.prepare import PIPELINE, prepare
from plait.passes.quantize.ranges import Range
from plait.passes.quantize.types import QuantizationError, choose_types
from plait.passes.quantize.weights import QuantizedWeights
from plait.tuning.api import optimized
from plait.tuning.calibration import Progress, Samples, channels_of, first_of, histograms_of, moments_of
from plait.tuning.quantize_report import QuantizationReport, compare_layers, describe_layers, is_number
from plait.tuning.untuned import twins_of


def _method(instance: object, attribute: object, value: str) -> None:
    if value not in METHODS:
        raise ValueError(f"unknown method {value!r}; {did_you_mean(value, METHODS) or 'known: ' + ', '.join(METHODS)}")


@attrs.frozen
class QuantizeOptions:
    """How a network is quantized.

    Args:
        method: how ranges of values are chosen from what was observed: one of
            `plait.passes.quantize.methods.METHODS`.
        keep_float: kinds of layers, or patterns (`*`, `?`) of the names of their results, that stay in floats.
        equalize: scale channels so that they make good use of 8 bits, see `plait.passes.quantize.equalize`.
        round_together: round weights so that their errors make up for each other, see
            `plait.passes.quantize.rounding`.
        bias_correction: take the mean error of rounded weights off the biases.
        report_samples: on how many samples, at most, layers are compared with those in floats; 0: on none.
        threads: number of threads that share the work of each layer while the network is observed.
    """

    method: str = attrs.field(default="mse", validator=_method)
    keep_float: tuple[str, ...] = attrs.field(default=(), converter=words)
    equalize: bool = True
    round_together: bool = True
    bias_correction: bool = True
    report_samples: int = attrs.field(default=4, validator=attrs.validators.ge(0))
    threads: int = attrs.field(default=1, validator=attrs.validators.ge(1))


@attrs.frozen(eq=False)
class Quantization:
    """A quantized module, the float module that it was made of (prepared and equalised), and what was done."""

    module: Module
    reference: Module
    report: QuantizationReport


def quantize_module(
    module: Module,
    samples: Samples,
    options: QuantizeOptions | None = None,
    progress: Progress = lambda done, what: None,
) -> Quantization:
    """Quantize a network of static shapes. The module itself is not changed.

    Args:
        samples: gives the same samples each time that it is called.
        progress: called after each run over a sample.

    Raises:
        QuantizationError: P520, there are no samples, nothing can be quantized or something is already, numbers are not
            finite, or a pattern of layers to keep matches none.
        RunError: P401, a sample does not fit the inputs.
    """
    check_floats(module)
    options = options or QuantizeOptions()
    kept = Kept(options.keep_float)
    module = optimized(module, PIPELINE)
    prepare(module, kept)
    plan = make_plan(module.main, kept)
    kept.check(module)
    if not plan.integer:
        reasons = [f"{layer.describe()}: {reason}" for layer, reason in plan.reasons.items()]
        hint = "; ".join(reasons[:3]) or "the network has no layers"
        raise QuantizationError(Diagnostic("P520", "no layer can be quantized", hint=hint))
    found = calibrate(module, plan, samples, options, progress)
    reference = module.clone()
    twins = twins_of(module, reference)
    layers = list(module.main)
    stored = quantize_layers(module, plan, found.types, found.corrections, found.weights)
    verify(module)
    now = {layer: stored.get(layer.results[0], layer.results[0]) for layer in layers}
    rows = describe_layers(plan, now)
    if options.report_samples:
        compared = {twins[layer.results[0]]: value for layer, value in now.items() if is_number(layer.results[0])}
        few = first_of(samples, options.report_samples)
        distances = compare_layers(reference, module, compared, few, progress, options.threads)
        rows = [
            attrs.evolve(row, sqnr=distances[twin].sqnr) if (twin := twins[layer.results[0]]) in distances else row
            for row, layer in zip(rows, layers, strict=True)
        ]
    skipped = tuple(str(pair) for pair in found.pairs if isinstance(pair, Skipped))
    report = QuantizationReport(tuple(rows), skipped, len(found.pairs) - len(skipped), options.method)
    return Quantization(module, reference, report)


def check_floats(module: Module) -> None:
    """Refuse a network of which something is quantized already: its numbers are no measure of what is lost.

    Raises:
        QuantizationError: P520.
    """
    for value in module.main.body.values():
        if isinstance(value.type, TensorType) and isinstance(value.type.dtype, Quantized):
            message = f"the network is quantized already: %{value.name} is {value.type.dtype}"
            raise QuantizationError(Diagnostic("P520", message, hint="give the float network that it was made of"))


@attrs.frozen(eq=False)
class Calibration:
    """What samples say of a plan: types of its values, the integers of weights that are not each rounded by itself,
    what to add to biases, and which layers were equalised or why not."""

    types: Mapping[Value, Quantized]
    weights: Mapping[Layer, QuantizedWeights]
    corrections: Mapping[Layer, Array]
    pairs: tuple[Pair | Skipped, ...]


def calibrate(
    module: Module, plan: Plan, samples: Samples, options: QuantizeOptions, progress: Progress
) -> Calibration:
    """Choose the types of a plan by running a prepared module, whose weights are equalised in place.

    Raises:
        QuantizationError: P520, there are no samples, or numbers are not finite.
        RunError: P401, a sample does not fit the inputs.
    """
    channels = _observe(module, plan, samples, options, progress)
    pairs = tuple(pairs_of(plan)) if options.equalize else ()
    if pairs:
        by = equalize(module, plan, channels)
        channels = {v: c.divided(by[v]) if v in by else c for v, c in channels.items()}
    types = choose_types(plan, _ranges(module, plan, channels, samples, options, progress))
    weights = _weights(module, plan, types, samples, options, progress)
    corrections = bias_corrections(plan, types, channels, weights) if options.bias_correction else {}
    return Calibration(types, weights, corrections, pairs)


def _observe(
    module: Module, plan: Plan, samples: Samples, options: QuantizeOptions, progress: Progress
) -> dict[Value, Channels]:
    read = [x_of(layer) for layer in plan.integer if isinstance(layer, WEIGHTED)]
    values = list(dict.fromkeys((*plan.observed(), *(v for v in read if not isinstance(v, Constant)))))
    channels = channels_of(module, values, samples, progress, options.threads)
    for value, found in channels.items():
        if not found.range.is_finite:
            message = f"%{value.name} holds numbers that are not finite"
            raise QuantizationError(Diagnostic("P520", message, hint="does the model take such inputs?"))
    return channels


def _ranges(
    module: Module,
    plan: Plan,
    channels: Mapping[Value, Channels],
    samples: Samples,
    options: QuantizeOptions,
    progress: Progress,
) -> dict[Value, Range]:
    whole = {v: channels[v].range for v in plan.observed()}
    if options.method == "minmax":
        return whole
    histograms = histograms_of(module, whole, samples, progress, options.threads)
    return {v: METHODS[options.method](histogram) for v, histogram in histograms.items()}


def _weights(
    module: Module,
    plan: Plan,
    types: Mapping[Value, Quantized],
    samples: Samples,
    options: QuantizeOptions,
    progress: Progress,
) -> dict[Layer, QuantizedWeights]:
    """Weights that are rounded by what was observed, as many layers at a time as memory holds."""
    found: dict[Layer, QuantizedWeights] = {}
    if not options.round_together:
        return found
    for part in layers_at_once(plan):
        for layer, moments in moments_of(module, part, samples, progress, options.threads).items():
            corrected = options.bias_correction and not isinstance(layer, Matmul)
            found[layer] = fit_weights(layer, types[x_of(layer)], moments, corrected)
    return found


class Kept:
    """Whether a layer is to stay in floats, by patterns; remembers which of them were of use."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self.patterns = tuple(patterns)
        self.used: set[str] = set()

    def __call__(self, layer: Layer) -> bool:
        found = [p for p in self.patterns if matches((p,), layer.op, *(r.name for r in layer.results))]
        self.used.update(found)
        return bool(found)

    def check(self, module: Module) -> None:
        """Refuse patterns that match nothing.

        Raises:
            QuantizationError: P520.
        """
        names = sorted({layer.op for layer in module.main} | {r.name for layer in module.main for r in layer.results})
        unused = [p for p in self.patterns if p not in self.used]
        if unused:
            message = f"no layer is called {unused[0]!r}, which is to stay in floats"
            raise QuantizationError(Diagnostic("P520", message, hint=did_you_mean(unused[0], names)))
