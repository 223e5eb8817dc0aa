"""Tables of layers in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.layers.measure import Row
from benchmarks.layers.onednn import FORMS
from benchmarks.layers.shapes import CONVOLUTIONS, PRODUCTS
from benchmarks.support.markdown import MarkdownTable, number


def markdown(rows: Sequence[Row]) -> str:
    """For each number of threads: products beside oneDNN, the families on them, and layers that move data."""
    parts = []
    for threads in sorted({row.threads for row in rows}):
        some = [row for row in rows if row.threads == threads]
        title = "One thread" if threads == 1 else f"{threads} threads"
        products = [row for row in some if row.shape.kind in PRODUCTS]
        moving = [row for row in some if row.shape.kind not in CONVOLUTIONS]
        parts += [f"## {title}: arithmetic", str(_products(products))]
        if call := max((row.call_ms for row in products), default=0.0):
            parts += [f"Times of oneDNN include a call from Python, {call:.4f} ms; the ratio leaves it out."]
        parts += [f"## {title}: families, ms", str(_families(products))]
        parts += [f"## {title}: bandwidth", str(_movement(moving))]
    return "\n\n".join(parts) + "\n"


def _products(rows: Sequence[Row]) -> MarkdownTable:
    forms = [f">oneDNN {form} ms" for form in FORMS]
    table = MarkdownTable(
        ("kind", "layer", "in", "routine", ">ms", ">GFLOP/s", ">of FMA peak", *forms, ">oneDNN / ours")
    )
    for row in rows:
        table.add(
            row.shape.kind,
            row.shape.text,
            ", ".join(f"{name} {n}" for name, n in row.shape.uses.items()),
            _routine(row),
            number(row.ms, ".4f"),
            number(row.gflops, ".1f"),
            number(row.peak_share, ".0%"),
            *(number(row.onednn.get(form), ".4f") for form in FORMS),
            number(row.ratio),
        )
    return table


def _families(rows: Sequence[Row]) -> MarkdownTable:
    names = sorted({name for row in rows for name in row.families})
    table = MarkdownTable(("kind", "layer", *(f">{name.partition('/f32/')[2] or name}" for name in names)))
    for row in rows:
        times = [row.families[name].ms if name in row.families else None for name in names]
        table.add(row.shape.kind, row.shape.text, *(number(ms, ".4f") for ms in times))
    return table


def _movement(rows: Sequence[Row]) -> MarkdownTable:
    table = MarkdownTable(("kind", "layer", "routine", ">ms", ">GB/s", "level", ">of its bandwidth"))
    for row in rows:
        share = number(row.bandwidth_share, ".0%")
        table.add(
            row.shape.kind, row.shape.text, _routine(row), f"{row.ms:.4f}", f"{row.gbs:.1f}", row.level or "-", share
        )
    return table


def _routine(row: Row) -> str:
    variant = row.families[row.routine].variant
    return row.routine + (f"[{variant}]" if variant else "")
