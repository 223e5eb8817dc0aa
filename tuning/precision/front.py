"""The front of latency against loss: plans of which none is both slower and less accurate than another."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs


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

        figure = Figure(figsize=(6, 4), layout="constrained")
        axes = figure.add_subplot()
        times = [p.time_us / 1e3 for p in self.points]
        losses = [p.loss for p in self.points]
        axes.plot(times, losses, color="0.7", drawstyle="steps-post", zorder=1)
        axes.scatter(times, losses, zorder=2)
        for point, time, loss in zip(self.points, times, losses, strict=True):
            words = ", ".join(f"{n} {p}" for p, n in point.layers.items())
            axes.annotate(words, (time, loss), textcoords="offset points", xytext=(4, 4), fontsize=7)
        if all(0 < loss < math.inf for loss in losses):
            axes.set_yscale("log")
        axes.set_xlabel("time of a run, ms")
        axes.set_ylabel(f"loss by {self.metric}")
        axes.set_title(f"{self.samples} samples", fontsize=9)
        figure.savefig(path)
