"""What a network loses in lower precision: one number, 0 for none, from its outputs and those of the float network.

top1: the share of rows whose largest class is another. sqnr: power of the noise over power of the signal; in dB, the
ratio the other way round. module:function: whatever a function of the user says.
"""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Callable, Mapping, Sequence

import attrs
import numpy as np

from plait.ir.diagnostics import Diagnostic, PlaitError, did_you_mean
from plait.ir.values import Array
from plait.tuning.precision.user_metric import load_function, place_of

Outputs = Mapping[str, Array]
"""What a network gives for one sample, by output."""
Compare = Callable[[Sequence[Outputs], Sequence[Outputs]], float]
"""The loss, from what the float network and another one give for the same samples."""

_LOSS = re.compile(r"([+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)\s*(%|dB)?\s*", re.ASCII)


class MetricError(PlaitError):
    """What accuracy is lost cannot be told (P521)."""


@attrs.frozen
class Metric:
    """A measure of loss, by the name that a user calls it."""

    name: str
    compare: Compare = attrs.field(eq=False, repr=False)
    in_decibels: bool = False
    """Whether the loss is a ratio of powers, noise over signal."""

    def loss(self, reference: Sequence[Outputs], outputs: Sequence[Outputs]) -> float:
        """The loss over all samples.

        Args:
            reference: the outputs of the float network, by sample.
            outputs: those of the network in question.

        Raises:
            MetricError: P521, the metric is not for such outputs, or a user's function fails or gives no number.
        """
        return self.compare(reference, outputs)

    def parse(self, text: str) -> float:
        """A loss as people write it: `1%`, `0.01`; a ratio of powers also in dB: `20dB` is 0.01.

        Raises:
            ValueError: with what is wrong.
        """
        found = _LOSS.fullmatch(text.strip())
        if found is None:
            units = "1%, 0.01 or 20dB" if self.in_decibels else "1% or 0.01"
            raise ValueError(f"{text!r} is not a loss, such as {units}")
        number, unit = float(found[1]), found[2]
        if unit == "dB":
            if not self.in_decibels:
                raise ValueError(f"{text!r}: losses by {self.name} are not in dB, as those by sqnr may be")
            return float(10 ** (-number / 10))
        if number < 0:
            raise ValueError(f"{text!r} is less than 0, the loss of the float network itself")
        return number / 100 if unit == "%" else number

    def show(self, loss: float) -> str:
        """A loss for people."""
        return show_loss(self.name, loss)


def show_loss(metric: str, loss: float) -> str:
    """A loss for people, by the name of the metric."""
    if metric == "sqnr":
        return f"{loss:.3g} ({decibels(loss):.1f} dB)"
    return f"{loss:.2%}" if metric == "top1" else f"{loss:.4g}"


def decibels(loss: float) -> float:
    """Signal over noise in dB, of noise over signal; infinite without noise."""
    return math.inf if loss == 0 else -10 * math.log10(loss)


def noise_over_signal(reference: Sequence[Outputs], outputs: Sequence[Outputs]) -> float:
    """The power of the differences over that of the reference, over all samples: the mean over the outputs, each of
    which counts alike. Infinite where numbers are not finite, or where there is noise without a signal."""
    ratios = [power_ratio([r[name] for r in reference], [o[name] for o in outputs]) for name in (reference or [{}])[0]]
    return math.fsum(ratios) / len(ratios) if ratios else 0.0


def power_ratio(wanted: Sequence[Array], found: Sequence[Array]) -> float:
    """The same for arrays of one output."""
    signal = noise = 0.0
    for exact, array in zip(wanted, found, strict=True):
        exact = exact.astype(np.float64)
        signal += float(np.sum(exact**2))
        with np.errstate(invalid="ignore", over="ignore"):
            noise += float(np.sum((array.astype(np.float64) - exact) ** 2))
    if noise == 0:
        return 0.0
    return noise / signal if math.isfinite(noise) and signal else math.inf


def other_classes(reference: Sequence[Outputs], outputs: Sequence[Outputs]) -> float:
    """The share of rows whose largest class is another, by the first output. Classes lie along the last axis, of
    images (rank 4) along the second; everything else are rows.

    Raises:
        MetricError: P521, there are no classes.
    """
    rows = changed = 0
    for wanted, found in zip(reference, outputs, strict=True):
        name, exact = next(iter(wanted.items()))
        axis = 1 if exact.ndim == 4 else -1
        if exact.ndim == 0 or exact.shape[axis] < 2 or exact.dtype.kind in "OSU":
            message = f"top1 compares classes, and output {name!r} has none: its shape is {list(exact.shape)}"
            raise _error(message, "measure another way: --metric sqnr, or module:function")
        classes = np.argmax(exact, axis)
        rows += classes.size
        # Where there is a NaN, argmax finds it.
        strange = np.isnan(found[name].astype(np.float64)).any(axis)
        changed += int(np.count_nonzero((np.argmax(found[name], axis) != classes) | strange))
    return changed / rows if rows else 0.0


METRICS: Mapping[str, Metric] = {
    "top1": Metric("top1", other_classes),
    "sqnr": Metric("sqnr", noise_over_signal, in_decibels=True),
}
"""The metrics that need no code, by name."""


def metric_of(name: str) -> Metric:
    """The metric of a name: one of `METRICS`, or `module:function`.

    The function is called as `function(reference, outputs)` with two lists, of what the float network and the network
    in question give for each sample: an array, or a dict of arrays by name where the network has several outputs. It
    returns the loss: a number, 0 for none. The module is looked for as a file in this folder first (`file.py:function`
    names any file), then where Python finds modules.

    Raises:
        MetricError: P521, there is no such metric, module or function.
    """
    if name in METRICS:
        return METRICS[name]
    if ":" not in name:
        hint = did_you_mean(name, METRICS) or f"known are {' and '.join(METRICS)}, and module:function"
        raise _error(f"there is no metric {name!r}", hint)
    try:
        function = load_function(name)
    except ValueError as error:
        raise _error(str(error)) from error.__cause__
    return Metric(name, _Asked(name, function))


@attrs.frozen(eq=False)
class _Asked:
    """A user's function, called with care."""

    name: str
    function: Callable[[list[object], list[object]], object]

    def __call__(self, reference: Sequence[Outputs], outputs: Sequence[Outputs]) -> float:
        given = [[_plain(o) for o in some] for some in (reference, outputs)]
        try:
            loss = self.function(*given)
        except Exception as error:
            raise _error(f"metric {self.name} failed{place_of(error)}: {type(error).__name__}: {error}") from error
        if isinstance(loss, np.ndarray) and loss.ndim == 0:
            loss = loss[()]
        if not isinstance(loss, numbers.Real) or isinstance(loss, (bool, np.bool_)):
            raise _error(f"metric {self.name} gives {type(loss).__name__}, not a number")
        if math.isnan(loss):
            raise _error(f"metric {self.name} gives nan, which is no loss")
        return float(loss)


def _plain(outputs: Outputs) -> object:
    return next(iter(outputs.values())) if len(outputs) == 1 else dict(outputs)


def _error(message: str, hint: str = "") -> MetricError:
    return MetricError(Diagnostic("P521", message, hint=hint))
