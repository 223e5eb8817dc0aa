"""Tables of results in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.peers.engines import ENGINES, OURS
from benchmarks.peers.engines.base import BFLOAT16, FLOAT32, INT8
from benchmarks.peers.summary import CellResult
from benchmarks.support.markdown import MarkdownTable, number

SUSPICIOUS = {FLOAT32: 1e-3, BFLOAT16: 0.1, INT8: 0.5}
"""Relative errors above this are marked: the engine computed something else, or in lower precision."""


def markdown(cells: Sequence[CellResult], suspicious: float = SUSPICIOUS[FLOAT32]) -> str:
    """For each number of threads: ours beside the best peer, then the times of all engines; last, what failed."""
    parts = []
    for threads in sorted({c.cell.threads for c in cells}):
        some = [c for c in cells if c.cell.threads == threads]
        title = "One thread" if threads == 1 else f"{threads} threads"
        parts += [f"## {title}", str(_summary(some)), f"### All engines, {title.lower()}, median ms"]
        parts.append(str(_all(some, suspicious)))
    failures = {f"* {c.cell.network}, {name}: {why}" for c in cells for name, why in c.failures.items()}
    if failures:
        parts += ["## Not measured", "\n".join(sorted(failures))]
    return "\n\n".join(parts) + "\n"


def _summary(cells: Sequence[CellResult]) -> MarkdownTable:
    table = MarkdownTable(
        (
            "network",
            ">ours ms",
            "best peer",
            ">its ms",
            ">peer / ours",
            ">one layout / ours",
            ">predicted ms",
            ">roofline ms",
            ">roofline / ours",
            ">error",
            ">load ms",
            ">first run ms",
            ">peak MB",
            ">leanest peer MB",
        )
    )
    for c in cells:
        best, figures = c.best_peer, c.ours.figures if c.ours else {}
        table.add(
            c.cell.network,
            number(c.ours.median_ms if c.ours else None),
            best.engine if best else "-",
            number(best.median_ms if best else None),
            number(c.best_ratio),
            number(c.ratio(f"{OURS}-single-layout")),
            number(figures.get("predicted_ms")),
            number(c.floor_ms),
            number(c.share_of_floor(OURS), ".0%"),
            number(figures.get("error"), ".1e"),
            number(figures.get("load_ms"), ".1f"),
            number(figures.get("first_ms"), ".1f"),
            number(figures.get("memory_mb"), ".0f"),
            number(c.leanest_mb, ".0f"),
        )
    return table


def _all(cells: Sequence[CellResult], suspicious: float) -> MarkdownTable:
    names = [name for name in ENGINES if any(name in c.engines for c in cells)]
    table = MarkdownTable(("network", *(f">{name}" for name in names)))
    for c in cells:
        table.add(c.cell.network, *(_time(c, name, suspicious) for name in names))
    return table


def _time(cell: CellResult, name: str, suspicious: float) -> str:
    found = cell.engines.get(name)
    if found is None:
        return "-"
    mark = "" if found.figures["error"] <= suspicious else f" (error {found.figures['error']:.0e})"
    return f"{found.median_ms:.2f}{mark}"
