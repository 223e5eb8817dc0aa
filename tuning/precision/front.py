"""The front of latency against loss: plans of which none is both slower and less accurate than another."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from plait.tuning.precision.metrics import show_loss


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

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Time in ms, loss, summed noise in dB, and layers of each point, for people."""
        return [
            (
                f"{p.time_us / 1e3:.3f}",
                show_loss(self.metric, p.loss),
                show_loss("sqnr", p.summed),
                ", ".join(f"{n} {name}" for name, n in p.layers.items()),
            )
            for p in self.points
        ]


def front_of(
    realize: Callable[[float], FrontPoint], least: float, most: float, count: int, metric: str, samples: int
) -> Front:
    """The front through plans for several budgets.

    Args:
        realize: makes, tunes and measures the plan for a budget of summed losses.
        least, most: the least loss of a layer, and the sum of the fastest plan: where budgets make a difference.
        count: how many plans to make, at least 2: all in float32, the fastest, and others between.
    """
    return front(metric, samples, [realize(budget) for budget in budgets(least, most, count)])


def budgets(least: float, most: float, count: int) -> list[float]:
    """Budgets of summed losses, in ratios that are alike: 0 first, no bound last."""
    if count < 2:
        raise ValueError(f"a front has at least 2 points, not {count}")
    inner = count - 2
    if not (0 < least <= most < math.inf):
        inner = 0
    steps = [(i + 1) / (inner + 1) for i in range(inner)]
    return [0.0, *(least * (most / least) ** s for s in steps), math.inf]


def front(metric: str, samples: int, points: Sequence[FrontPoint]) -> Front:
    """The front of some plans: without those that another beats in both, or equals."""
    kept: list[FrontPoint] = []
    for point in sorted(points, key=lambda p: (p.time_us, p.loss)):
        if not kept or point.loss < kept[-1].loss:
            kept.append(point)
    return Front(metric, samples, tuple(reversed(kept)), len(points) - len(kept))
