"""Networks that are wide, and graphs that are long: how long a proof takes, and how memory grows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.selection.records import Limits, Record
from benchmarks.selection.runner import run
from benchmarks.selection.suites import instance
from benchmarks.support.markdown import MarkdownTable, number
from plait.passes.selection import problem_digest

WIDE = tuple(f"{name}/f8/r60/s0" for name in ("nasnet_mobile", "efficientdet_d0", "hrnet_w32", "llama_16"))
LONG = tuple(f"residual:{layers}/f6/r40/s0" for layers in (1_000, 10_000, 100_000))


def measure(instances: Sequence[str] = (*WIDE, *LONG), rounds: int = 3) -> Iterator[Record]:
    """The fastest of some runs of the exact solver on each instance."""
    limits = Limits(60.0, 8000)
    for name in instances:
        problem = instance(name)
        blank = Record(name, problem_digest(problem), "exact", limits, len(problem.layers), "unknown")
        yield min((run(problem, blank) for _ in range(rounds)), key=lambda r: r.seconds)


def markdown(records: Sequence[Record]) -> str:
    """One line for each instance."""
    table = MarkdownTable(("instance", ">layers", "status", ">width", ">s", ">MiB", ">bytes / layer"))
    for r in records:
        each = None if r.memory is None else r.memory * 2**20 / r.layers
        width = "-" if r.width is None else r.width
        table.add(
            r.instance,
            r.layers,
            r.status,
            width,
            number(r.seconds, ".3f"),
            number(r.memory, ".0f"),
            number(each, ".0f"),
        )
    return f"{table}\n"
