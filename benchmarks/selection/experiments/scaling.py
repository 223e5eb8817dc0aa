"""How the time of the exact solver grows: with layers, formats, and width."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmarks.selection.experiments.experiment import Experiment, Row, Scale, distinct, short
from benchmarks.selection.records import Limits, Record
from benchmarks.selection.runner import run
from benchmarks.selection.suites import instance
from benchmarks.selection.topologies import REAL
from benchmarks.support.markdown import MarkdownTable, number
from plait.passes.selection import problem_digest

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LENGTHS = (100, 300, 1_000, 3_000, 10_000)
_LONG = 20_000
"""Layers from which one run has to do; of others the fastest counts."""
LAYERS = (
    *(f"{family}:{n}/f6/r40/s0" for family in ("chain", "residual") for n in (*_LENGTHS, 30_000, 100_000)),
    *(f"{family}:{n}/f6/r40/s0" for family in ("cells", "pyramid") for n in _LENGTHS[:4]),
)
FORMATS = tuple(
    f"{family}/f{n}/r60/s0" for family in ("residual", "densenet121", "cells", "llama_16") for n in range(2, 11)
)
WIDTH = tuple(
    f"{name}/f8/r60/s{seed}"
    for name in (*REAL, "grid", "wide_concat", "pyramid:200", "cells:200", "random_wired:200")
    for seed in (0, 1)
)


def measure(scale: Scale) -> list[Row]:
    """One row for each instance, under what is varied."""
    panels = {
        "layers": scale.pick(LAYERS, LAYERS[:2]),
        "formats": scale.pick(FORMATS, FORMATS[:2]),
        "width": scale.pick(WIDTH, ("grid:20/f4/r8/s0", "cells:20/f4/r8/s0")),
    }
    limits = Limits(20.0, 4000)
    rows: list[Row] = []
    for panel, names in panels.items():
        for name in names:
            problem = instance(name)
            blank = Record(name, problem_digest(problem), "exact", limits, len(problem.layers), "unknown")
            rounds = scale.pick(3, 1) if len(problem.layers) < _LONG else 1
            record = min((run(problem, blank) for _ in range(rounds)), key=lambda r: r.seconds)
            rows.append(
                {
                    "panel": panel,
                    "instance": name,
                    "family": short(name),
                    "layers": record.layers,
                    "formats": len(problem.formats),
                    "width": record.width,
                    "status": record.status,
                    "seconds": record.seconds,
                    "memory": record.memory,
                }
            )
    return rows


def table(rows: Sequence[Row]) -> MarkdownTable:
    """The largest instance of each family under each heading."""
    made = MarkdownTable(("varied", "family", ">layers", ">formats", "status", ">width", ">s", ">MiB"))
    for panel in distinct(rows, "panel"):
        for family in distinct([row for row in rows if row["panel"] == panel], "family"):
            some = [row for row in rows if row["panel"] == panel and row["family"] == family]
            row = max(some, key=lambda r: (r["layers"], r["formats"], r["seconds"]))
            width = "-" if row["width"] is None else row["width"]
            figures = number(row["seconds"], ".3f"), number(row["memory"], ".0f")
            made.add(panel, family, row["layers"], row["formats"], row["status"], width, *figures)
    return made


def draw(figure: Figure, rows: Sequence[Row]) -> None:
    """Left: time and memory against layers, time against formats; hollow points are not proven. Right: networks."""
    axes = figure.subplot_mosaic([["layers", "width"], ["memory", "width"], ["formats", "width"]])
    _lines(axes["layers"], rows, "layers", "seconds")
    _lines(axes["memory"], rows, "layers", "memory")
    _lines(axes["formats"], rows, "formats", "seconds")
    axes["layers"].set(xscale="log")
    axes["layers"].legend()
    axes["memory"].set(xscale="log", ylabel="MiB taken")
    axes["formats"].set(ylim=(None, 0.3))
    axes["formats"].legend(ncols=2, loc="upper left")
    wide = {row["family"]: row for row in rows if row["panel"] == "width"}
    slowest = sorted(wide.values(), key=lambda row: row["seconds"])
    labels = [f"{row['family']}, {'-' if row['width'] is None else row['width']}" for row in slowest]
    colors = ["C0" if row["status"] == "optimal" else "C7" for row in slowest]
    axes["width"].barh(labels, [1e3 * row["seconds"] for row in slowest], color=colors)
    axes["width"].set(xscale="log", xlabel="milliseconds", title="networks and wide families, with width")


def _lines(ax: Axes, rows: Sequence[Row], panel: str, field: str) -> None:
    """A line for each family, of a field against what the panel varies."""
    for n, family in enumerate(distinct([row for row in rows if row["panel"] == panel], "family")):
        some = [row for row in rows if (row["panel"], row["family"]) == (panel, family) and row[field] is not None]
        ax.plot([row[panel] for row in some], [row[field] for row in some], color=f"C{n}", label=family)
        for row in some:
            full = "full" if row["status"] == "optimal" else "none"
            ax.plot(row[panel], row[field], "o", color=f"C{n}", markersize=4, fillstyle=full)
    ax.set(xlabel=panel, ylabel=field, yscale="log")


EXPERIMENT = Experiment(
    "scaling",
    "How does the time to a proof grow?",
    "The solver `exact` from problem to proven plan, against the number of layers (6 formats, 40 routines), against "
    "the number of formats (60 routines), and for networks and wide families at 8 formats. Where a graph is too wide, "
    "the width is that of the near-optimal part that had to be eliminated.",
    measure,
    table,
    draw,
    (9.0, 7.0),
)
