"""In which precisions layers may compute, and what accuracy that may cost."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from plait.ir.diagnostics import did_you_mean
from plait.tuning.calibration import Progress
from plait.tuning.pictures import Pictures
from plait.tuning.precision.metrics import METRICS, Metric, metric_of
from plait.tuning.precision.twins import PRECISIONS
from plait.tuning.quantize import QuantizeOptions
from plait.tuning.samples import Given

DEFAULT = ("float32", "qint8", "bfloat16")


def precisions_of(names: str | Sequence[str]) -> tuple[str, ...]:
    """Precisions by name, each once, float32 first: some layer may have no other.

    Args:
        names: such as `float32,qint8`, or a sequence of names.

    Raises:
        ValueError: a name is not one of `PRECISIONS`.
    """
    given = [n.strip() for n in names.split(",")] if isinstance(names, str) else list(names)
    for name in given:
        if name not in PRECISIONS:
            hint = did_you_mean(name, PRECISIONS) or f"known are {', '.join(PRECISIONS)}"
            raise ValueError(f"unknown precision {name!r}; {hint}")
    return tuple(dict.fromkeys((PRECISIONS[0], *given)))


def _metric(given: str | Metric) -> Metric:
    return given if isinstance(given, Metric) else metric_of(given)


@attrs.frozen
class PrecisionOptions:
    """A bound on what a network may lose, and what it is measured with.

        options = plait.PrecisionOptions("photos", max_loss="1%")
        tuned = plait.tune("model.onnx", precision=options)
        print(tuned.precision.summary())

    Args:
        calibrate: samples that are like what the network will see, as `plait.quantize` takes them. They choose the
            types of 8 bits, and the loss is measured over all of them.
        precisions: those that layers may have, of `float32`, `qint8`, `bfloat16`, `float16`; float32 is always one.
        metric: how the loss is measured: `top1`, `sqnr`, `module:function` (see
            `plait.tuning.precision.metrics.metric_of`), or a `Metric`.
        max_loss: by that metric; a number, or a text such as `1%`, for sqnr also `20dB`.
        sensitivity_samples: over how many samples, at most, the sensitivity of single layers is found out.
        quantize: how types of 8 bits are chosen, and what stays in floats.
        pictures: how pictures among the samples become numbers.
        seed: of random samples.
        progress: called as `progress(done, what)` after each run over a sample.
    """

    calibrate: Given = attrs.field(repr=False)
    precisions: tuple[str, ...] = attrs.field(default=DEFAULT, converter=precisions_of, kw_only=True)
    metric: Metric = attrs.field(factory=lambda: METRICS["top1"], converter=_metric, kw_only=True)
    max_loss: float | str = attrs.field(default=0.01, kw_only=True)
    sensitivity_samples: int = attrs.field(default=8, validator=attrs.validators.ge(1), kw_only=True)
    quantize: QuantizeOptions = attrs.field(factory=lambda: QuantizeOptions(report_samples=0), kw_only=True)
    pictures: Pictures = attrs.field(factory=Pictures, kw_only=True)
    seed: int = attrs.field(default=0, kw_only=True)
    progress: Progress = attrs.field(default=lambda done, what: None, kw_only=True, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        if not self.bound >= 0:
            raise ValueError(f"max_loss is {self.max_loss}, but no network loses less than 0")

    @property
    def bound(self) -> float:
        """`max_loss` as a number."""
        return self.metric.parse(self.max_loss) if isinstance(self.max_loss, str) else float(self.max_loss)
