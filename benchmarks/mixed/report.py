"""The table of plans."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.mixed.plans import FREE, METRIC, PURE, PlanRow
from benchmarks.mixed.timing import Cell
from benchmarks.support.markdown import MarkdownTable
from plait.tuning.precision.metrics import show_loss


def markdown(cells: Sequence[Cell]) -> str:
    """A section for each network."""
    parts = []
    for cell in cells:
        parts += [f"## {cell.network}, {threads_text(cell.threads)}", str(table(cell))]
    return "\n\n".join(parts) + "\n"


def table(cell: Cell) -> MarkdownTable:
    """The plans of one cell."""
    judge = "other classes" if _by_classes(cell) else "over other samples"
    found = MarkdownTable(
        (
            "plan",
            ">bound",
            ">noise over signal",
            f">{judge}",
            ">ms",
            ">predicted ms",
            "layers",
            "kept",
            ">best of one precision / kept",
        )
    )
    for row in cell.plans:
        kept, gain = "", ""
        if row.key not in PURE:
            kept, gain = kept_text(cell, row), f"{cell.gain(row):.2f}"
        found.add(
            row.kind,
            bound_text(row),
            show_loss(METRIC.name, row.loss),
            show_loss(row.judge, row.judged),
            f"{cell.ms(row.key):.3g}",
            f"{row.predicted_us / 1e3:.3g}",
            ", ".join(f"{n} {precision}" for precision, n in row.layers.items()),
            kept,
            gain,
        )
    return found


def kept_text(cell: Cell, row: PlanRow) -> str:
    """What is kept for the bound of a mixed plan."""
    return "mixed" if (kept := cell.kept(row)) == row.key else kept


def bound_text(row: PlanRow) -> str:
    """The bound of a plan."""
    if row.key in PURE:
        return "-"
    return "none" if row.key == FREE else show_loss(METRIC.name, row.bound)


def _by_classes(cell: Cell) -> bool:
    return any(row.judge == "top1" for row in cell.plans)


def threads_text(threads: int) -> str:
    return "1 thread" if threads == 1 else f"{threads} threads"
