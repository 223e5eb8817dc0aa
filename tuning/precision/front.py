"""The front of latency against loss: plans of which none is both slower and less accurate than another."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

_SHORT = {"float32": "f32", "bfloat16": "bf16", "float16": "f16", "qint8": "q8"}


@attrs.frozen
class FrontPoint:
    """One plan. Times in microseconds."""

    predicted_us: float
    measured_us: float | None
    """The median of whole runs; None if it was not run."""
    loss: float
    """By the metric, measured over all samples."""
    summed: float
    """What its layers lose, each alone, added up: noise over signal."""
    layers: Mapping[str, int]
    """How many layers have each precision."""

    @property
    def time_us(self) -> float:
        """The time that was measured, else that which was predicted."""
        return self.predicted_us if self.measured_us is None else self.measured_us


@attrs.frozen
class Front:
    """Plans from the most accurate to the fastest."""

    metric: str
    samples: int
    points: tuple[FrontPoint, ...]
    dropped: int = 0
    """Plans that were found, too, but lose to one of these in both."""

    def to_json(self) -> dict[str, Any]:
        """As JSON data, schema `precision-front/1`."""
        return {"schema": "precision-front/1", **attrs.asdict(self)}

    def plot(self, path: Path) -> None:
        """Write a figure of loss against time. Needs matplotlib.

        Raises:
            ImportError: matplotlib is missing.
            ValueError: the name ends in no format that matplotlib writes.
        """
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7, 4.5), layout="constrained")
        axes = figure.add_subplot()
        times = [p.time_us / 1e3 for p in self.points]
        losses = [p.loss for p in self.points]
        # With the time of a point, and up to that of the next slower one, its loss is the least.
        axes.plot(times, losses, color="0.7", drawstyle="steps-pre", zorder=1)
        axes.scatter(times, losses, zorder=2)
        for point, time, loss in zip(self.points, times, losses, strict=True):
            words = " + ".join(f"{n} {_SHORT.get(p, p)}" for p, n in point.layers.items())
            axes.annotate(words, (time, loss), textcoords="offset points", xytext=(3, 4), fontsize=7, rotation=20)
        positive = [loss for loss in losses if 0 < loss < math.inf]
        if positive:
            # Losses are of many sizes, and floats may lose nothing.
            axes.set_yscale("symlog", linthresh=min(positive), linscale=0.5)
            axes.set_ylim(-0.3 * min(positive), 6 * max(positive))
        axes.margins(x=0.15)
        axes.set_xlabel("time of a run, ms")
        axes.set_ylabel(f"loss by {self.metric}")
        axes.set_title(f"layers by precision; {self.samples} samples", fontsize=9)
        figure.savefig(path)
