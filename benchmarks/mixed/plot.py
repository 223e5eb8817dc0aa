"""One figure: time against loss of all plans."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.mixed.plans import PURE
from benchmarks.mixed.report import threads_text
from benchmarks.mixed.timing import Cell


def plot(cells: Sequence[Cell], path: Path) -> None:
    """Write the figure: a column for each network, a row for each number of threads. Needs matplotlib."""
    from matplotlib.figure import Figure

    networks = list(dict.fromkeys(cell.network for cell in cells))
    counts = sorted({cell.threads for cell in cells})
    figure = Figure(figsize=(4 * len(networks), 3.4 * len(counts)), layout="constrained")
    grid = figure.subplots(len(counts), len(networks), squeeze=False)
    for axes in grid.ravel():
        axes.set_visible(False)
    for cell in cells:
        axes = grid[counts.index(cell.threads)][networks.index(cell.network)]
        axes.set_visible(True)
        mixed = sorted((cell.ms(row.key), row.loss) for row in cell.plans if row.key not in PURE)
        axes.plot(*zip(*mixed, strict=True), "o-", color="tab:blue", label="mixed", zorder=1)
        for colour, row in zip(("0.3", "tab:red", "tab:green"), cell.plans, strict=False):
            axes.plot([cell.ms(row.key)], [row.loss], "s", color=colour, label=row.key, zorder=2)
        axes.set_title(f"{cell.network}, {threads_text(cell.threads)}", fontsize=9)
        axes.set(xlabel="ms", ylabel="noise over signal")
        # Floats lose next to nothing, by another order of sums.
        least = min((row.loss for row in cell.plans if row.loss > 1e-10), default=1e-6)
        axes.set_yscale("symlog", linthresh=least / 3)
        axes.set_xlim(left=0)
    if cells:
        figure.legend(*grid[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    figure.savefig(path, dpi=110)
