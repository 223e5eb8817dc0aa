"""Gap against time of all solvers, and their performance profiles."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmarks.selection.experiments.experiment import Experiment, Row, Scale, distinct, percent
from benchmarks.selection.records import Limits, contradictions, references
from benchmarks.selection.runner import run_all
from benchmarks.selection.suites import SUITES, instance
from benchmarks.support.markdown import MarkdownTable, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SOLVERS = (
    "fastest",
    "single_format",
    "greedy",
    "chain_dp",
    "path_dp",
    "pbqp{graph=pairwise}",
    "pbqp",
    "coordinate_descent",
    "annealing",
    "lns",
    "min_sum",
    "beam{width=16}",
    "beam{width=128}",
    "frontier",
    "highs",
    "toulbar2",
    "exact",
)
_FLOOR = 1e-6
"""Where plans without a gap are drawn."""


def measure(scale: Scale) -> list[Row]:
    """One row for each solver and instance; gaps are from the best plan that any solver found."""
    solvers = scale.pick(SOLVERS, ("fastest", "greedy", "pbqp", "exact"))
    names = SUITES[scale.pick("compare", "tiny")]
    records = list(run_all(names, solvers, Limits(scale.pick(2.0, 10.0), 2000), instance, scale.log))
    if wrong := contradictions(records):
        raise AssertionError("; ".join(wrong))
    best = references(records)
    return [
        {
            "instance": r.instance,
            "solver": r.solver,
            "status": r.status,
            "seconds": r.seconds,
            "gap": _finite(best[r.instance].gap(r)) if r.instance in best else None,
            "proven": r.status == "optimal",
            "reference_proven": r.instance in best and best[r.instance].proven,
            "memory": r.memory,
        }
        for r in records
    ]


def _finite(gap: float) -> float | None:
    return gap if math.isfinite(gap) else None


def table(rows: Sequence[Row]) -> MarkdownTable:
    """One line for each solver."""
    made = MarkdownTable(
        ("solver", ">plan found", ">best known", ">proven", ">mean gap", ">worst gap", ">median s", ">worst s", ">MiB")
    )
    for solver in distinct(rows, "solver"):
        some = [row for row in rows if row["solver"] == solver]
        gaps = [row["gap"] for row in some if row["gap"] is not None]
        times = [row["seconds"] for row in some]
        made.add(
            f"`{solver}`",
            f"{len(gaps)} of {len(some)}",
            sum(gap <= 1e-9 for gap in gaps),
            sum(row["proven"] for row in some),
            percent(statistics.fmean(gaps) if gaps else None, 2),
            percent(max(gaps, default=None), 2),
            number(statistics.median(times), ".3f"),
            number(max(times), ".2f"),
            number(max((row["memory"] for row in some if row["memory"] is not None), default=None), ".0f"),
        )
    return made


def draw(figure: Figure, rows: Sequence[Row]) -> None:
    """Time and gap, large markers are medians and means; share of instances within a gap, and proven within a time."""
    left, middle, right = figure.subplots(1, 3, width_ratios=(1.25, 1, 1))
    colors = [f"C{n}" for n in range(10)]
    for n, solver in enumerate(distinct(rows, "solver")):
        some = [row for row in rows if row["solver"] == solver]
        solved = [row for row in some if row["gap"] is not None]
        gaps = sorted(row["gap"] for row in solved)
        style = {"color": colors[n % 10], "marker": "o^s"[n // 10 % 3]}
        if gaps:
            left.plot(
                [row["seconds"] for row in solved],
                [max(row["gap"], _FLOOR) for row in solved],
                linestyle="",
                markersize=2,
                alpha=0.35,
                **style,
            )
            where = statistics.median(row["seconds"] for row in solved), max(statistics.fmean(gaps), _FLOOR)
            left.plot(*where, markersize=7, linestyle="", markeredgecolor="black", label=solver, zorder=3, **style)
        shares = [(k + 1) / len(some) for k in range(len(gaps))]
        line = {"color": colors[n % 10], "linestyle": ("-", "--", ":")[n // 10 % 3], "linewidth": 1.2}
        reached = [_FLOOR, *(max(gap, _FLOOR) for gap in gaps), 10]
        middle.step(reached, [0, *shares, shares[-1] if shares else 0], where="post", **line)
        proofs = sorted(row["seconds"] for row in some if row["proven"])
        if proofs:
            proven = [(k + 1) / len(some) for k in range(len(proofs))]
            right.step([1e-4, *proofs, 10], [0, *proven, proven[-1]], where="post", **line)
    left.set(xscale="log", yscale="log", xlabel="seconds", ylabel="gap to the best known (lowest: none)")
    middle.set(xscale="log", xlim=(_FLOOR, 3), ylim=(0, 1.02), xlabel="gap", ylabel="share of instances within the gap")
    right.set(xscale="log", xlim=(1e-3, 3), ylim=(0, 1.02), xlabel="seconds", ylabel="share of instances proven")
    figure.legend(loc="outside right upper", fontsize=7)


EXPERIMENT = Experiment(
    "solvers",
    "What do solvers lose, and how long do they take?",
    "Every solver on every instance of the suite `compare`, in a process of its own, killed after two seconds or with "
    "more than 2 GB. All plans are checked, and no solver's bound may lie above another's plan. A run that was killed "
    "has no gap.",
    measure,
    table,
    draw,
    (12.5, 4.0),
)
