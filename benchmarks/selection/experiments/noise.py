"""What noise in measurements costs: regret of the plan, and how wrong its promise is."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.selection.experiments.experiment import Experiment, Row, Scale, distinct, percent
from benchmarks.selection.experiments.repriced import Costs, entries, repriced
from benchmarks.selection.suites import instance
from benchmarks.support.markdown import MarkdownTable
from plait.passes.selection import evaluate, solver

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NETWORKS = ("resnet50/f6/r40/s0", "mobilenetv2/f6/r40/s0", "googlenet/f6/r40/s0")
SIGMAS = (0.01, 0.03, 0.1)
SAMPLES = (1, 3, 10, 30)
STATISTICS: Mapping[str, Callable[[Costs], Costs]] = {
    "min": lambda samples: samples.min(axis=0),
    "lower quartile": lambda samples: np.quantile(samples, 0.25, axis=0),
    "median": lambda samples: np.median(samples, axis=0),
}
_INTERRUPTED = 0.1
"""Share of samples that something interrupts, for up to half of their time."""


def measure(scale: Scale) -> list[Row]:
    """One row for each instance, amount of noise, number of samples, statistic and repetition."""
    rows: list[Row] = []
    for name in scale.pick(NETWORKS, ("residual:14/f4/r8/s0",)):
        problem = instance(name)
        true, best = entries(problem), solver("exact")(problem).cost
        for sigma in scale.pick(SIGMAS, SIGMAS[-1:]):
            for seed in range(scale.pick(8, 1)):
                random = np.random.default_rng([seed, int(1000 * sigma)])
                samples = _samples(true, sigma, max(SAMPLES), random)
                for count in scale.pick(SAMPLES, (1, 10)):
                    for statistic, reduce in STATISTICS.items():
                        plan = solver("exact")(repriced(problem, reduce(samples[:count])))
                        real = evaluate(problem, plan.choice)[0]
                        rows.append(
                            {
                                "instance": name,
                                "sigma": sigma,
                                "seed": seed,
                                "samples": count,
                                "statistic": statistic,
                                "regret": real / best - 1,
                                "promise": plan.cost / real - 1,
                            }
                        )
    return rows


def _samples(true: Costs, sigma: float, count: int, random: np.random.Generator) -> Costs:
    """Samples of all entries: normal noise, some interrupted, and a bias of the session of half the noise."""
    bias = 1 + random.normal(0, sigma / 2, true.shape)
    noise = 1 + random.normal(0, sigma, (count, *true.shape))
    interrupted = random.random(noise.shape) < _INTERRUPTED
    noise += interrupted * random.uniform(0, 0.5, noise.shape)
    return np.asarray(true * np.maximum(bias * noise, 0.05))


def _mean(rows: Sequence[Row], field: str, **where: object) -> float:
    return statistics.fmean(row[field] for row in rows if all(row[k] == v for k, v in where.items()))


def table(rows: Sequence[Row]) -> MarkdownTable:
    """Means over instances and repetitions: regret, promise."""
    made = MarkdownTable((">noise", ">samples", *(f">{s}: regret, promise" for s in STATISTICS)))
    for sigma in distinct(rows, "sigma"):
        for count in distinct(rows, "samples"):
            cells = []
            for statistic in STATISTICS:
                where = {"sigma": sigma, "samples": count, "statistic": statistic}
                regret, promise = _mean(rows, "regret", **where), _mean(rows, "promise", **where)
                cells.append(f"{percent(regret, 2)}, {100 * promise:+.1f} %")
            made.add(percent(sigma, 0), count, *cells)
    return made


def draw(figure: Figure, rows: Sequence[Row]) -> None:
    """Regret and promise against the number of samples, a line for each statistic and amount of noise."""
    left, right = figure.subplots(1, 2)
    counts = distinct(rows, "samples")
    sigmas = distinct(rows, "sigma")
    for n, statistic in enumerate(STATISTICS):
        for m, sigma in enumerate(sigmas):
            for ax, field in ((left, "regret"), (right, "promise")):
                ys = [100 * _mean(rows, field, sigma=sigma, samples=c, statistic=statistic) for c in counts]
                style = {"color": f"C{n}", "linestyle": (":", "--", "-")[m % 3], "marker": "o", "markersize": 3}
                ax.plot(counts, ys, label=f"{statistic}, noise {100 * sigma:.0f} %", **style)
    for ax in (left, right):
        ax.set(xscale="log", xlabel="samples")
        ax.set_xticks(counts, counts)
        ax.minorticks_off()
    left.set(ylabel="regret: % above the optimum")
    right.set(ylabel="promise: % of the predicted over the true cost")
    right.axhline(0, color="black", linewidth=0.6)
    figure.legend(*left.get_legend_handles_labels(), loc="outside right upper", fontsize=7, handlelength=4)


EXPERIMENT = Experiment(
    "noise",
    "What does noise in measurements do to the plan?",
    "All routines are measured with normal noise, one in ten samples interrupted, and a bias of the session of half "
    "the noise; conversions are known. Regret is what the chosen plan really costs above the optimum. The promise is "
    "too good where it is negative.",
    measure,
    table,
    draw,
    (9.5, 3.6),
)
