"""The table of layers that `plait bench` prints: as much of it as the terminal has room for."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs

from plait.cli.output import Table, milliseconds, size

if TYPE_CHECKING:
    from plait.tuning.bench import BenchReport, LayerTime

TITLES = (">#", "layer", "op", "routine", ">ms", ">share", ">GFLOP/s", ">bytes", ">FMA", ">memory", "runner-up")
WIDTH = 120
"""Columns where nothing is known of a terminal."""


@attrs.frozen
class Detail:
    """How much the cells tell."""

    prefix: bool = True
    """Device and dtype of routines, where they are those of most."""
    variants: bool = True
    name: int = 40
    """Longest name of a layer."""
    op: bool = True
    runner_up: bool = True


DETAILS = (
    Detail(),
    Detail(prefix=False),
    Detail(prefix=False, name=20),
    Detail(prefix=False, variants=False, name=20),
    Detail(prefix=False, variants=False, name=20, op=False),
    Detail(prefix=False, variants=False, name=14, op=False),
    Detail(prefix=False, variants=False, name=14, op=False, runner_up=False),
)
"""From all to the least; the first that fits is shown."""


def layer_table(report: BenchReport, width: int | None = None) -> tuple[Table, str]:
    """The table, and the prefix that its routines are shown without ("": none).

    Args:
        width: columns of the terminal; found out by default.
    """
    room = width or shutil.get_terminal_size((WIDTH, 24)).columns
    prefix = _common_prefix([row.routine for row in report.layers])
    for detail in DETAILS:
        table = _table(report.layers, prefix, detail)
        if table.width <= room:
            break
    return table, "" if detail.prefix else prefix


def _table(rows: Sequence[LayerTime], prefix: str, detail: Detail) -> Table:
    left_out = {title for title, kept in (("op", detail.op), ("runner-up", detail.runner_up)) if not kept}
    titles = [title for title in TITLES if title not in left_out]
    table = Table(titles)
    for row in rows:
        cells = _cells(row, prefix, detail)
        table.add(*(cells[title] for title in titles), dim=row.op == "adapt")
    return table


def _cells(row: LayerTime, prefix: str, detail: Detail) -> dict[str, object]:
    roof = row.roofline
    return {
        ">#": row.index,
        "layer": _end(row.name, detail.name),
        "op": row.op,
        "routine": _routine(row.routine, prefix, detail),
        ">ms": milliseconds(row.time_us),
        ">share": f"{row.share:.1%}",
        ">GFLOP/s": f"{row.gflops:.1f}" if row.gflops else "",
        ">bytes": size(row.nbytes),
        ">FMA": f"{roof.peak:.0%}" if roof and roof.peak else "",
        ">memory": f"{roof.bandwidth:.0%} {roof.level}" if roof else "",
        "runner-up": _runner_up(row, prefix, detail),
    }


def _runner_up(row: LayerTime, prefix: str, detail: Detail) -> str:
    if not row.runner_up or row.runner_up_loss_us is None:
        return ""
    return f"{_routine(row.runner_up, prefix, detail)} +{milliseconds(row.runner_up_loss_us)}"


def _common_prefix(routines: Sequence[str]) -> str:
    """Device and dtype, with the slash after it, of most routines."""
    prefixes = Counter("".join(f"{part}/" for part in routine.split("/")[:2]) for routine in routines)
    return prefixes.most_common(1)[0][0] if prefixes else ""


def _routine(routine: str, prefix: str, detail: Detail) -> str:
    text = routine if detail.prefix else routine.removeprefix(prefix)
    return text if detail.variants else text.partition("[")[0]


def _end(text: str, most: int) -> str:
    """The end of a long name: what tells it from others."""
    return text if len(text) <= most else "…" + text[1 - most :]
