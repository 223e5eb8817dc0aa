"""What quantization did to each layer: how far its result is from that in floats, or why it stayed in floats."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np

from plait.ir.dtypes import Array, DType, Quantized
from plait.ir.layer import Layer
from plait.ir.module import Module
from plait.ir.quantization import dequantize
from plait.ir.types import TensorType
from plait.ir.values import Value
from plait.passes.quantize.plan import Plan
from plait.tuning.calibration import Progress, Run, Samples, parts, runner_of


@attrs.define(eq=False)
class Distance:
    """Signal and noise, summed over samples."""

    signal: float = 0.0
    noise: float = 0.0

    def add(self, wanted: Array, found: Array) -> None:
        """Take an array and what came in its place."""
        exact = wanted.astype(np.float64)
        self.signal += float(np.sum(exact**2))
        self.noise += float(np.sum((found.astype(np.float64) - exact) ** 2))

    @property
    def sqnr(self) -> float:
        """Signal to quantization noise in dB; infinite without noise."""
        if self.noise == 0:
            return math.inf
        return 10 * math.log10(self.signal / self.noise) if self.signal else -math.inf


@attrs.frozen
class LayerReport:
    """One layer of the float network."""

    index: int
    name: str
    op: str
    type: str
    """The element type of its result now."""
    reason: str
    """Why it stays in floats; empty if it computes on integers."""
    sqnr: float | None
    """dB of its first result against floats, everything before it being quantized too; None if it was not compared."""


@attrs.frozen
class QuantizationReport:
    """All layers in order, and layers whose results were not equalised, with the reasons."""

    layers: tuple[LayerReport, ...]
    skipped: tuple[str, ...]
    equalized: int
    """How many pairs of layers were equalised."""
    method: str

    @property
    def integer(self) -> tuple[LayerReport, ...]:
        """Layers that compute on integers."""
        return tuple(row for row in self.layers if not row.reason)

    @property
    def floats(self) -> tuple[LayerReport, ...]:
        """Layers that stay in floats."""
        return tuple(row for row in self.layers if row.reason)

    @property
    def worst_first(self) -> tuple[LayerReport, ...]:
        """Layers that were compared, by their SQNR."""
        compared = [row for row in self.layers if row.sqnr is not None]
        return tuple(sorted(compared, key=lambda row: (row.sqnr, row.index)))

    @property
    def output_sqnr(self) -> float | None:
        """dB of the last layer that was compared: of the result of the network."""
        return next((row.sqnr for row in reversed(self.layers) if row.sqnr is not None), None)

    def summary(self) -> str:
        """Lines for people."""
        kinds = Counter(row.op for row in self.integer)
        lines = [
            f"{len(self.integer)} of {len(self.layers)} layers compute on integers: "
            + ", ".join(f"{n} {op}" for op, n in kinds.most_common())
        ]
        if (sqnr := self.output_sqnr) is not None:
            lines.append(f"the result of the last layer has {sqnr:.1f} dB")
        if self.equalized:
            lines.append(f"{self.equalized} pairs of layers were equalised")
        if self.floats:
            reasons = Counter(f"{row.op}: {row.reason}" for row in self.floats)
            lines += [f"{len(self.floats)} stay in floats:"]
            lines += [f"  {n} {what}" for what, n in reasons.most_common()]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """As JSON data, schema `quantization/1`."""
        return {"schema": "quantization/1", **attrs.asdict(self)}


def compare_layers(
    reference: Module,
    module: Module,
    pairs: Mapping[Value, Value],
    samples: Samples,
    progress: Progress = lambda done, what: None,
    threads: int = 1,
) -> dict[Value, Distance]:
    """How far values of a quantized module are from those of the float module.

    Args:
        pairs: values of `reference` and what they became in `module`.
    """
    found = {value: Distance() for value in pairs}
    done = 0
    for part in parts([v for v in pairs if v.owner is not None]):
        floats: Run | None = None
        integers: Run | None = None
        for sample in samples():
            if floats is None or integers is None:
                floats = runner_of(reference, part, threads)
                integers = runner_of(module, [pairs[v] for v in part], threads)
            for value, wanted, stored in zip(part, floats(sample), integers(sample), strict=True):
                found[value].add(wanted, numbers(module, pairs[value], stored))
            done += 1
            progress(done, "comparison")
    return found


def numbers(module: Module, value: Value, stored: Array) -> Array:
    """What the elements of a value stand for."""
    dtype = value.type.dtype
    if not isinstance(dtype, Quantized):
        return stored
    return dequantize(stored, dtype, lambda name: module.constants[name].data)


def describe_layers(plan: Plan, now: Mapping[Layer, Value]) -> list[LayerReport]:
    """A row without SQNR for each layer of the float network.

    Args:
        now: those layers in order, and what the first result of each has become.
    """
    return [
        LayerReport(i, layer.results[0].name, layer.op, str(value.type.dtype), plan.reasons.get(layer, ""), None)
        for i, (layer, value) in enumerate(now.items())
    ]


def is_number(value: Value) -> bool:
    """Whether a value of the float network can be compared."""
    return isinstance(value.type, TensorType) and value.type.dtype is DType.F32 and value.type.is_static
