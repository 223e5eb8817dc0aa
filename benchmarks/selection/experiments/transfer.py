"""What a plan is worth on another machine than the one it was selected for."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmarks.selection.costs import MACHINES
from benchmarks.selection.experiments.experiment import Experiment, Row, Scale, distinct, percent
from benchmarks.selection.experiments.heatmap import heatmap
from benchmarks.selection.suites import instance
from benchmarks.support.markdown import MarkdownTable
from plait.passes.selection import evaluate, solver

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NETWORKS = ("resnet50", "mobilenetv2", "yolov8", "bert_12")
UNTUNED = "best single format"


def measure(scale: Scale) -> list[Row]:
    """One row for each network, machine the plan is from, and machine it runs on."""
    rows: list[Row] = []
    machines = scale.pick(tuple(MACHINES), ("desktop", "phone"))
    for network in scale.pick(NETWORKS, ("residual:14",)):
        problems = {m: instance(f"{network}/f8/r40/s0/{m}") for m in machines}
        plans = {m: solver("exact")(problem) for m, problem in problems.items()}
        for there, problem in problems.items():
            for here, plan in plans.items():
                loss = evaluate(problem, plan.choice)[0] / plans[there].cost - 1
                rows.append({"network": network, "from": here, "on": there, "loss": loss})
            plain = solver("single_format")(problem).cost / plans[there].cost - 1
            rows.append({"network": network, "from": UNTUNED, "on": there, "loss": plain})
    return rows


def _mean(rows: Sequence[Row], here: str, there: str) -> float:
    return statistics.fmean(row["loss"] for row in rows if row["from"] == here and row["on"] == there)


def table(rows: Sequence[Row]) -> MarkdownTable:
    """Mean slow-down over the networks."""
    machines = distinct(rows, "on")
    made = MarkdownTable(("selected for", *(f">on {m}" for m in machines)))
    for here in distinct(rows, "from"):
        made.add(here, *(percent(_mean(rows, here, there)) for there in machines))
    return made


def draw(figure: Figure, rows: Sequence[Row]) -> None:
    """The table as a heat map."""
    machines, origins = distinct(rows, "on"), distinct(rows, "from")
    ax = figure.subplots()
    origins = [*(o for o in origins if o != UNTUNED), UNTUNED]
    heatmap(ax, origins, machines, {(o, m): 100 * _mean(rows, o, m) for o in origins for m in machines})
    ax.set(xlabel="run on", ylabel="selected for", title="% slower than the machine's own optimum")


EXPERIMENT = Experiment(
    "transfer",
    "What is a plan worth on another machine?",
    "Plans for synthetic machines, priced on others with the costs of these; means over networks. Machines differ in "
    "rates, bandwidths and links, and in a part of each routine's spread (standard deviation 0.35 of the logarithm). "
    "The last line needs no measuring of routines at all.",
    measure,
    table,
    draw,
    (5.5, 3.4),
)
