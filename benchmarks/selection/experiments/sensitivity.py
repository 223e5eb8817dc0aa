"""How firmly choices stand: what routines would have to cost to be chosen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmarks.selection.experiments.experiment import Experiment, Row, Scale, distinct, percent, short
from benchmarks.selection.suites import SUITES, instance
from benchmarks.support.markdown import MarkdownTable
from plait.passes.selection import sensitivity, solver

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NETWORKS = ("resnet50/f6/r40/s0", "densenet121/f6/r40/s0", "bert_12/f6/r40/s0")


def measure(scale: Scale) -> list[Row]:
    """One row for each layer that has a choice: the plan's loss without its routine, and the speed-ups the others
    need."""
    rows: list[Row] = []
    for name in (*scale.pick(SUITES["measured"], ()), *scale.pick(NETWORKS, ("residual:14/f4/r8/s0",))):
        problem = instance(name)
        plan = solver("exact")(problem)
        for layer in sensitivity(problem, plan):
            routines = problem.routines(layer.layer)
            if len(routines) == 1:
                continue
            needed = [
                r.loss / routines[r.routine].cost
                for r in layer.routines
                if r.routine != layer.chosen and math.isfinite(r.loss) and routines[r.routine].cost > 0
            ]
            rows.append(
                {
                    "instance": name,
                    "layer": problem.layers[layer.layer].name,
                    "chosen": routines[layer.chosen].name,
                    "margin": layer.margin / plan.cost if math.isfinite(layer.margin) else None,
                    "needed": sorted(round(x, 5) for x in needed),
                }
            )
    return rows


def table(rows: Sequence[Row]) -> MarkdownTable:
    """One line for each network: layers whose choice hardly matters, and routines that are close to being chosen."""
    made = MarkdownTable(
        (
            "network",
            ">layers",
            ">margin below 0.1 % of the plan",
            ">above 1 %",
            ">routines",
            ">chosen if 10 % faster",
            ">never",
        )
    )
    for name in distinct(rows, "instance"):
        some = [row for row in rows if row["instance"] == name]
        margins = [math.inf if row["margin"] is None else row["margin"] for row in some]
        needed = [x for row in some for x in row["needed"]]
        made.add(
            short(name),
            len(some),
            percent(sum(m < 0.001 for m in margins) / len(some), 0),
            percent(sum(m > 0.01 for m in margins) / len(some), 0),
            len(needed),
            percent(sum(x <= 0.1 for x in needed) / len(needed), 0),
            percent(sum(x >= 1 for x in needed) / len(needed), 0),
        )
    return made


def draw(figure: Figure, rows: Sequence[Row]) -> None:
    """Left: margins of layers, sorted. Right: share of routines by the speed-up they need."""
    left, right = figure.subplots(1, 2)
    for n, name in enumerate(distinct(rows, "instance")):
        some = [row for row in rows if row["instance"] == name]
        style = {"color": f"C{n}", "label": short(name), "linestyle": "-" if name.startswith("measured") else "--"}
        margins = sorted((max(100 * row["margin"], 1e-4) for row in some if row["margin"] is not None), reverse=True)
        left.step([100 * (k + 1) / len(margins) for k in range(len(margins))], margins, where="pre", **style)
        needed = sorted(100 * x for row in some for x in row["needed"])
        right.step(needed, [100 * (k + 1) / len(needed) for k in range(len(needed))], where="post", **style)
    left.set(yscale="log", xlabel="% of layers", ylabel="margin: % of the plan lost without the choice")
    right.set(xlim=(0, 100), xlabel="% faster to be chosen", ylabel="% of routines")
    right.legend()


EXPERIMENT = Experiment(
    "sensitivity",
    "How firmly do choices stand?",
    "Min-marginals of the optimum. A layer's margin is what the plan loses when the chosen routine is forbidden. A "
    "routine is chosen if it gets faster on that layer by what the plan with it costs more; above 100 % it would have "
    "to take no time at all, and more.",
    measure,
    table,
    draw,
    (8.5, 3.6),
)
