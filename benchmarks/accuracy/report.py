"""Tables of what was measured."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.accuracy.agreement import Row
from benchmarks.accuracy.files import FileRow
from benchmarks.support.markdown import MarkdownTable


def markdown(rows: Sequence[Row], files: Sequence[FileRow]) -> str:
    """A section for each task, and one for quantized files."""
    parts = []
    for task in dict.fromkeys(row.task for row in rows):
        parts += [f"## {task}", str(_agreement([row for row in rows if row.task == task]))]
        parts += [f"{row.by}: {row.note}" for row in rows if row.task == task and row.note]
        parts += [
            f"{row.by}: {len(row.references)} layers run in NumPy: {', '.join(row.references)}"
            for row in rows
            if row.task == task and row.references
        ]
    if files:
        parts += ["## Files of ONNX Runtime", str(_files(files))]
    return "\n\n".join(parts) + "\n"


def _agreement(rows: Sequence[Row]) -> MarkdownTable:
    table = MarkdownTable(("8 bits by", ">same class as float32", ">share", ">SQNR dB", ">seconds to quantize"))
    for row in rows:
        same = f"{row.same} of {row.of}"
        table.add(row.by, same, f"{row.agreement:.3f}", f"{row.sqnr:.1f}", f"{row.seconds:.0f}")
    return table


def _files(rows: Sequence[FileRow]) -> MarkdownTable:
    table = MarkdownTable(
        (
            "file",
            ">samples",
            ">outputs that differ",
            ">by steps at most",
            ">ONNX Runtime from itself",
            ">by steps at most",
            ">layers alone",
            ">elements that differ, at most",
            ">by steps at most",
        )
    )
    for row in rows:
        layers = ("-", "-", "-")
        if row.layer is not None:
            layers = (str(row.layers), f"{row.layer.differing:.2g}", str(row.layer.most))
        ours, itself = row.outputs, row.itself
        table.add(
            row.file,
            row.samples,
            f"{ours.differing:.2g}",
            ours.most,
            f"{itself.differing:.2g}",
            itself.most,
            *layers,
        )
    return table
