"""Times and statistics of passes, as tables on standard error or as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plait.cli.output import Table, size

if TYPE_CHECKING:
    from plait.passes.manager.instrumentation import Timing
    from plait.passes.manager.observer import PassRun
    from plait.passes.manager.statistics import PassChange, Statistics


def show_timing(timing: Timing) -> None:
    """A row for each pass; passes within passes are indented, and count in the pass that runs them."""
    table = Table(("pass", ">ms", ">%", "changed", ">layers before", ">after"))
    total = timing.total_seconds

    def row(name: str, seconds: float, *rest: object) -> None:
        table.add(name, f"{seconds * 1e3:.2f}", f"{100 * seconds / total if total else 0:.1f}", *(rest or ("", "", "")))

    for run in timing.runs:
        row(_name(run), run.seconds, "yes" if run.changed else "no", run.layers_before, run.layers_after)
    row("(verifier)", timing.verifier_seconds)
    row("total", total)
    table.show(err=True)


def show_statistics(statistics: Statistics) -> None:
    """Rows for each pass that changed something: what it counted, layers in all and by kind, constants."""
    table = Table(("pass", "what", ">times", ">before", ">after"))
    for change in statistics.changes:
        if change.run.changed:
            for i, row in enumerate(_rows(change)):
                table.add(_name(change.run) if i == 0 else "", *row)
    table.show(err=True)


def _rows(change: PassChange) -> list[tuple[object, ...]]:
    before, after = change.before, change.after
    rows: list[tuple[object, ...]] = [("layers", "", before.layers.total(), after.layers.total())]
    rows += [(f"  {kind}", "", old, new) for kind, old, new in change.kinds()]
    if before.constants != after.constants:
        rows.append(("constants", "", before.constants, after.constants))
    if before.constant_bytes != after.constant_bytes:
        rows.append(("bytes of constants", "", size(before.constant_bytes), size(after.constant_bytes)))
    if before.flops != after.flops:
        rows.append(("flops", "", _known(before.flops), _known(after.flops)))
    if before.peak_bytes != after.peak_bytes:
        rows.append(("peak memory", "", _size(before.peak_bytes), _size(after.peak_bytes)))
    return rows + [(what, times, "", "") for what, times in sorted(change.counts.items())]


def _known(number: int | None) -> str:
    return "?" if number is None else str(number)


def _size(count: int | None) -> str:
    return "?" if count is None else size(count)


def as_json(timing: Timing | None, statistics: Statistics | None) -> dict[str, Any]:
    """The same numbers as one object."""
    found: dict[str, Any] = {"schema": "opt/1"}
    if timing is not None:
        found["timing"] = {
            "passes": [{**_described(run), "seconds": run.seconds} for run in timing.runs],
            "verifier_seconds": timing.verifier_seconds,
            "total_seconds": timing.total_seconds,
        }
    if statistics is not None:
        found["stats"] = [
            {
                **_described(change.run),
                "counts": dict(sorted(change.counts.items())),
                "kinds": {kind: {"before": old, "after": new} for kind, old, new in change.kinds()},
                **{
                    name: {"before": getattr(change.before, name), "after": getattr(change.after, name)}
                    for name in ("constants", "constant_bytes", "flops", "peak_bytes")
                },
            }
            for change in statistics.changes
        ]
    return found


def _described(run: PassRun) -> dict[str, Any]:
    return {
        "pass": run.pass_text,
        "depth": run.depth,
        "changed": run.changed,
        "layers": {"before": run.layers_before, "after": run.layers_after},
    }


def _name(run: PassRun) -> str:
    return "  " * run.depth + run.pass_text
