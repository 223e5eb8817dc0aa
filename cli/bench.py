"""`plait bench`: how fast a tuned model runs, and where the time goes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from plait.cli.common import JSON, MODEL, SEED, THREADS, Count, open_runner
from plait.cli.output import Table, milliseconds, print_json, size

if TYPE_CHECKING:
    from plait.tuning.bench import BenchReport


@click.command("bench")
@click.argument("model", type=MODEL)
@click.option("--threads", type=THREADS, help="Threads (default: those of the fastest plan for this machine).")
@click.option("--runs", type=Count(min=1), help="Number of runs (default: one second of them).")
@SEED
@click.option("--strict", is_flag=True, help="A routine that is not installed is an error.")
@JSON
def command(model: Path, threads: int | None, runs: int | None, seed: int, strict: bool, as_json: bool) -> None:
    """Time MODEL, a .plait package or a tuned .ir file: whole runs after a warm-up, then layer by layer."""
    from plait.tuning.bench import bench

    runner = open_runner(model, threads, strict)
    report = bench(runner, runs=runs, seed=seed)
    if as_json:
        print_json({**report.to_json(), "file": str(model), "seed": seed})
    else:
        show(report)


def show(report: BenchReport) -> None:
    """The layers, the slowest parts of them readable at a glance, and the whole."""
    table = Table((">#", "layer", "op", "routine", ">ms", ">share", ">GFLOP/s"))
    for row in report.layers:
        rate = f"{row.gflops:.1f}" if row.gflops else ""
        table.add(
            row.index,
            row.name,
            row.op,
            row.routine,
            milliseconds(row.time_us),
            f"{row.share:.1%}",
            rate,
            dim=row.op == "adapt",
        )
    table.show()
    click.echo()
    click.echo(
        f"{report.runs} runs, threads {report.threads}: min {milliseconds(report.min_us)} ms, "
        f"median {milliseconds(report.median_us)} ms, p90 {milliseconds(report.p90_us)} ms"
    )
    part = report.layers_us / report.median_us if report.median_us else 0.0
    click.echo(
        f"sum of layers {milliseconds(report.layers_us)} ms, {part:.1%} of the median; "
        f"arena {size(report.arena_bytes)}, constants {size(report.constant_bytes)}"
        + ("" if report.single_call else "; some layers run in Python")
    )
