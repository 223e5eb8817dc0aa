"""How much has to be measured for a proven optimum, if lower bounds are known for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.selection.experiments.experiment import Experiment, Row, Scale, distinct, percent, short
from benchmarks.selection.experiments.repriced import entries, repriced, used
from benchmarks.selection.suites import SUITES, instance
from benchmarks.support.markdown import MarkdownTable
from plait.passes.selection import Problem, solver

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NETWORKS = tuple(f"{name}/f6/r40/s0" for name in ("vgg16", "resnet50", "mobilenetv3", "inception_v3", "yolov8"))
QUALITIES = (0.2, 0.35, 0.5, 0.65, 0.8, 0.95)


def measure(scale: Scale) -> list[Row]:
    """One row for each instance and quality of bounds."""
    rows: list[Row] = []
    for name in (*scale.pick(NETWORKS, SUITES["tiny"][:1]), *scale.pick(SUITES["measured"], ())):
        problem = instance(name)
        for quality in scale.pick(QUALITIES, (0.5,)):
            rows.append({"instance": name, "quality": quality, **_profiled(problem, quality)})
    return rows


def _profiled(problem: Problem, quality: float) -> Row:
    """Solve with bounds, measure what the plan uses, until it uses measured entries only: then it is the optimum.

    A bound is at least the share ``quality`` of the truth, evenly spread up to the truth.
    """
    true = entries(problem)
    bounds = true * np.random.default_rng(0).uniform(quality, 1.0, true.shape)
    # Entries that are free, such as inputs, need no measuring.
    known = true == 0
    free, rounds = int(known.sum()), 0
    while True:
        rounds += 1
        plan = solver("exact")(repriced(problem, np.where(known, true, bounds)))
        missing = [entry for entry in used(problem, plan.choice) if not known[entry]]
        if not missing:
            break
        known[missing] = True
    return {
        "entries": (int(known.sum()) - free) / (len(true) - free),
        "time": float(true[known].sum() / true.sum()),
        "rounds": rounds,
        "cost": plan.cost,
    }


def table(rows: Sequence[Row]) -> MarkdownTable:
    """Share of entries, share of time, rounds."""
    qualities = distinct(rows, "quality")
    made = MarkdownTable(("network", *(f">bounds {q:.0%} or better" for q in qualities)))
    for name in distinct(rows, "instance"):
        cells = [row for row in rows if row["instance"] == name]
        made.add(short(name), *(f"{percent(r['entries'])}, {percent(r['time'])}, {r['rounds']}" for r in cells))
    return made


def draw(figure: Figure, rows: Sequence[Row]) -> None:
    """Share of entries, and of the time of one run of each, against the quality of bounds."""
    axes = figure.subplots(1, 2)
    for ax, field, label in zip(axes, ("entries", "time"), ("entries", "measuring time"), strict=True):
        for n, name in enumerate(distinct(rows, "instance")):
            some = [row for row in rows if row["instance"] == name]
            style = "--" if name.startswith("measured") else "-"
            xs, ys = [100 * row["quality"] for row in some], [100 * row[field] for row in some]
            ax.plot(xs, ys, style, marker="o", markersize=3, color=f"C{n}", label=short(name))
        ax.set(xlabel="least bound, % of the truth", ylabel=f"% of {label}", ylim=(0, None))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right upper", fontsize=7)


EXPERIMENT = Experiment(
    "lazy",
    "How much has to be measured?",
    "Every routine has a lower bound at first. Solve, measure what the plan uses, and again, until the plan uses "
    "measured routines only: it is optimal then. Equal layers are measured once. Cells: share of the entries "
    "measured, share of the time to run all of them once, rounds.",
    measure,
    table,
    draw,
    (9.0, 3.6),
)
