"""Figures: each command draws a row of panels. All need matplotlib."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.tuning.metaschedule import OURS, TVM, Beside
from benchmarks.tuning.prediction import Prediction
from benchmarks.tuning.regret import Regret
from benchmarks.tuning.timing import Timing

Drawing = Callable[[Any], None]
"""Draws into a matplotlib figure."""


def save_figure(path: Path, rows: Sequence[Drawing]) -> None:
    """All rows in one figure, one below the other."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(20, 4.5 * max(1, len(rows))), layout="constrained")
    parts = figure.subfigures(max(1, len(rows)), 1, squeeze=False).ravel()
    for draw, part in zip(rows, parts, strict=False):
        draw(part)
    figure.savefig(path, dpi=80)


def time_plot(cells: Mapping[str, Timing], figure: Any) -> None:
    """Seconds of tuning by network and kind, and the share of entries measured."""
    left, right = _panels(figure, 2)
    kinds = list(dict.fromkeys(kind for cell in cells.values() for kind in cell.runs))
    for place, kind in enumerate(kinds):
        some = [(i + place * 0.2, cell.runs[kind]) for i, cell in enumerate(cells.values()) if kind in cell.runs]
        left.bar([x for x, _ in some], [run.seconds for _, run in some], 0.2, label=kind)
        right.bar([x for x, _ in some], [run.share for _, run in some], 0.2, label=kind)
    left.set(ylabel="seconds of plait tune", yscale="log")
    for limit in (1, 30):
        left.axhline(limit, color="black", linewidth=0.8)
    right.set(ylabel="share of entries measured")
    for axes in (left, right):
        axes.set_xticks([i + 0.3 for i in range(len(cells))], list(cells))
        axes.legend()


def predict_plot(cells: Mapping[str, Prediction], figure: Any) -> None:
    """Predicted against measured for each network, states by colour."""
    panels = _panels(figure, len(cells))
    for axes, (network, cell) in zip(panels, cells.items(), strict=True):
        measured = [plan.measured_ms for plan in cell.plans]
        for state in cell.seconds:
            axes.plot(measured, [plan.predicted_ms[state] for plan in cell.plans], "o", label=state)
        axes.axline((min(measured), min(measured)), slope=1, color="black", linewidth=0.8)
        axes.set(title=network, xlabel="measured ms", ylabel="predicted ms")
        axes.legend()


def regret_plot(cells: Mapping[str, Regret], figure: Any) -> None:
    """All competitors as they were first measured, in order, and the finalists as they were last."""
    panels = _panels(figure, len(cells))
    for axes, (network, cell) in zip(panels, cells.items(), strict=True):
        rivals = sorted(cell.rivals, key=lambda rival: rival.screened)
        axes.plot([rival.screened for rival in rivals], ".", label="first step")
        second = [(i, rival.second) for i, rival in enumerate(rivals) if rival.second is not None]
        axes.plot([i for i, _ in second], [ratio for _, ratio in second], "x", label="second")
        last = [(i, rival) for i, rival in enumerate(rivals) if rival.final is not None]
        middle = [rival.final or 0.0 for _, rival in last]
        reach = [
            [m - min(rival.last) for m, (_, rival) in zip(middle, last, strict=True)],
            [max(rival.last) - m for m, (_, rival) in zip(middle, last, strict=True)],
        ]
        axes.errorbar([i for i, _ in last], middle, reach, fmt="s", label="last")
        axes.axhline(1, color="black", linewidth=0.8)
        axes.axhline(1 / 1.02, color="black", linewidth=0.8, linestyle="--")
        axes.set(title=network, xlabel="competitor", ylabel="its time / the tuned plan's")
        axes.legend()


def tvm_plot(cells: Mapping[str, Beside], figure: Any) -> None:
    """Latency against tuning time."""
    (axes,) = _panels(figure, 1)
    for network, cell in cells.items():
        axes.plot([cell.ours.seconds], [cell.measured_ms[OURS]], "o", label=f"{network}: Plait")
        seconds = cell.tvm_seconds + cell.tvm_compile_seconds
        axes.plot([seconds], [cell.measured_ms[TVM]], "x", label=f"{network}: MetaSchedule")
    axes.set(xlabel="tuning s", ylabel="ms", xscale="log")
    axes.set_ylim(bottom=0)
    axes.legend()


def _panels(figure: Any, count: int) -> Any:
    return figure.subplots(1, count, squeeze=False).ravel()
