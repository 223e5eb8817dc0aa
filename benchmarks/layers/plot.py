"""One figure: shares of the arithmetic peak beside oneDNN's, and shares of the bandwidth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.layers.measure import Row
from benchmarks.layers.shapes import CONVOLUTIONS

KINDS = ("fully connected", "pooling", "element-wise", "adapt")


def plot(rows: Sequence[Row], path: Path) -> None:
    """Write the figure, one column for each number of threads. Needs matplotlib."""
    from matplotlib.figure import Figure

    counts = sorted({row.threads for row in rows})
    most = max(sum(row.shape.kind in CONVOLUTIONS and row.threads == threads for row in rows) for threads in counts)
    figure = Figure(figsize=(max(9, 0.13 * most) * len(counts), 13), layout="constrained")
    grid = figure.subplots(3, len(counts), squeeze=False)
    for column, threads in enumerate(counts):
        some = [row for row in rows if row.threads == threads]
        top, middle, bottom = (grid[i][column] for i in range(3))
        products = [row for row in some if row.shape.kind in CONVOLUTIONS]
        places = range(len(products))
        top.plot(places, [row.peak_share or 0 for row in products], "o", label="Plait")
        theirs = [(i, row.peak_share / row.ratio) for i, row in enumerate(products) if row.peak_share and row.ratio]
        top.plot([i for i, _ in theirs], [share for _, share in theirs], "x", label="oneDNN")
        top.set(title=f"threads: {threads}", ylabel="share of FMA peak (as direct convolution)")
        top.axhline(1, color="black", linewidth=0.8)
        top.set_xticks([])
        top.legend()
        ratios = [(i, row.ratio) for i, row in enumerate(products) if row.ratio]
        middle.bar([i for i, _ in ratios], [ratio for _, ratio in ratios], 0.8)
        middle.set(ylabel="oneDNN's time / ours", yscale="log", xlim=top.get_xlim())
        middle.axhline(1, color="black", linewidth=0.8)
        middle.set_xticks(list(places), [row.shape.text for row in products], rotation=90, fontsize=6)
        for kind in KINDS:
            found = [row for row in some if row.shape.kind == kind]
            sizes = [row.gbs * row.ms * 1e6 for row in found]
            bottom.plot(sizes, [row.bandwidth_share or 0 for row in found], "o", label=kind)
        bottom.set(xlabel="bytes read and written", ylabel="share of bandwidth of its level", xscale="log")
        bottom.axhline(1, color="black", linewidth=0.8)
        bottom.legend()
    figure.savefig(path, dpi=130)
