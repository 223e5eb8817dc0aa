"""One figure: times of all engines, ours against the best peer, and shares of the roofline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers.engines import ENGINES, OURS
from benchmarks.peers.summary import CellResult

WIDTH = 0.8
"""Of the bars of one network, where networks are 1 apart."""


def plot(cells: Sequence[CellResult], path: Path) -> None:
    """Write the figure, one column for each number of threads. Needs matplotlib."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    counts = sorted({c.cell.threads for c in cells})
    names = [name for name in ENGINES if any(name in c.engines for c in cells)]
    colours = {name: colormaps["tab10"](i % 10) for i, name in enumerate(names)}
    figure = Figure(figsize=(8 * len(counts), 11), layout="constrained")
    grid = figure.subplots(3, len(counts), squeeze=False)
    for column, threads in enumerate(counts):
        some = [c for c in cells if c.cell.threads == threads]
        top, middle, bottom = (grid[row][column] for row in range(3))
        _bars(top, some, colours, lambda c, name: c.engines[name].median_ms if name in c.engines else None)
        top.set(title=f"threads: {threads}", ylabel="median ms", yscale="log")
        top.legend(ncols=3, fontsize="small")
        _bars(middle, some, {"best peer": colours[OURS]} if OURS in colours else {}, lambda c, _: c.best_ratio)
        middle.set(ylabel="best peer's time / ours")
        middle.axhline(1, color="black", linewidth=0.8)
        for place, c in enumerate(some):
            if c.best_peer and c.best_ratio:
                middle.annotate(c.best_peer.engine, (place, c.best_ratio), ha="center", va="bottom", fontsize="small")
        _bars(bottom, some, colours, lambda c, name: c.share_of_floor(name))
        bottom.set(ylabel="roofline (direct convolution) / time")
        bottom.axhline(1, color="black", linewidth=0.8)
    figure.savefig(path, dpi=130)


Height = Callable[[CellResult, str], "float | None"]


def _bars(axes: Any, cells: Sequence[CellResult], colours: dict[str, Any], height: Height) -> None:
    width = WIDTH / max(len(colours), 1)
    for i, (name, colour) in enumerate(colours.items()):
        heights = [(place, h) for place, c in enumerate(cells) if (h := height(c, name)) is not None]
        middles = [place + (i - (len(colours) - 1) / 2) * width for place, _ in heights]
        axes.bar(middles, [h for _, h in heights], width, color=colour, label=name)
    axes.set_xticks(range(len(cells)), [c.cell.network for c in cells])
