"""What sharing conversions is worth: the optimum when each use pays its own, when formats are made once, and in
trees."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs

from benchmarks.selection.experiments.experiment import Experiment, Row, Scale, distinct, percent, short
from benchmarks.selection.suites import SUITES, instance
from benchmarks.support.markdown import MarkdownTable
from plait.passes.selection import evaluate, solver
from plait.passes.selection.conversion import Sharing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NETWORKS = tuple(
    f"{name}/f8/r60/s0"
    for name in (
        "resnet50",
        "inception_v3",
        "densenet121",
        "unet_plus_plus",
        "nasnet_mobile",
        "efficientdet_d0",
        "hrnet_w32",
        "yolov8",
        "bert_12",
        "llama_16",
        "fan_out",
    )
)
MODES: tuple[Sharing, ...] = ("none", "star", "tree")


def measure(scale: Scale) -> list[Row]:
    """One row for each instance and mode; `paid` is what its plan costs with conversions shared in trees."""
    rows: list[Row] = []
    for name in scale.pick(NETWORKS, SUITES["tiny"]):
        problem = instance(name)
        for mode in MODES:
            plan = solver("exact")(attrs.evolve(problem, sharing=mode))
            layers = math.fsum(problem.routines(i)[k].cost for i, k in enumerate(plan.choice))
            paid = evaluate(problem, plan.choice)[0]
            row = {"instance": name, "mode": mode, "status": plan.status, "cost": plan.cost, "layers": layers}
            rows.append({**row, "conversions": plan.cost - layers, "paid": paid})
    best = {row["instance"]: row["cost"] for row in rows if row["mode"] == "tree"}
    return [{**row, "best": best[row["instance"]]} for row in rows]


def table(rows: Sequence[Row]) -> MarkdownTable:
    """One line for each network."""
    made = MarkdownTable(
        (
            "network",
            ">none: promised",
            ">star: promised",
            ">plan of none: lost",
            ">plan of star: lost",
            ">conversions, tree",
        )
    )
    for name in distinct(rows, "instance"):
        by = {row["mode"]: row for row in rows if row["instance"] == name}
        best = by["tree"]["best"]
        promised = [percent(by[mode]["cost"] / best - 1) for mode in ("none", "star")]
        lost = [percent(by[mode]["paid"] / best - 1, 2) for mode in ("none", "star")]
        made.add(short(name), *promised, *lost, percent(by["tree"]["conversions"] / best))
    return made


def draw(figure: Figure, rows: Sequence[Row]) -> None:
    """Stacked bars: layers and conversions under each mode, and what the plan of `none` loses."""
    names = distinct(rows, "instance")
    left, right = figure.subplots(1, 2, width_ratios=(1.7, 1))
    for n, mode in enumerate(MODES):
        some = [row for row in rows if row["mode"] == mode]
        places = [k + 0.27 * (n - 1) for k in range(len(names))]
        layers = [row["layers"] / row["best"] for row in some]
        conversions = [row["conversions"] / row["best"] for row in some]
        left.bar(places, layers, 0.24, color=f"C{n}", label=mode)
        left.bar(places, conversions, 0.24, bottom=layers, color=f"C{n}", alpha=0.45)
        if mode != "tree":
            lost = [100 * (row["paid"] / row["best"] - 1) for row in some]
            right.barh([k + 0.2 * (2 * n - 1) for k in range(len(names))], lost, 0.36, color=f"C{n}", label=mode)
    left.set(ylabel="cost / optimum with trees (pale: conversions)", ylim=(0, 1.18))
    left.set_xticks(range(len(names)), [short(name) for name in names], rotation=35, ha="right")
    left.legend(loc="upper center", ncols=3)
    right.set(xlabel="% lost by choosing under this mode")
    right.set_yticks(range(len(names)), [short(name) for name in names])
    right.invert_yaxis()
    right.legend()


EXPERIMENT = Experiment(
    "sharing",
    "What is it worth to share conversions?",
    "The optimum when each use pays its own conversions (`none`), when each format is made once from the producer's "
    "copy (`star`), and when it may be made from any copy (`tree`, what an executor does). `lost` prices the plan "
    "under `tree`.",
    measure,
    table,
    draw,
    (9.5, 4.2),
)
