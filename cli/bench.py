"""`plait bench`: how fast a tuned model runs, and where the time goes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from plait.cli.bench_table import layer_table
from plait.cli.common import DATABASE, FILE, JSON, MODEL, SEED, THREADS, Count, check_output, open_runner
from plait.cli.output import milliseconds, note, print_json, size, warn

if TYPE_CHECKING:
    from plait.backends.profiling.limits import Limits
    from plait.tuning.bench import BenchReport


@click.command("bench")
@click.argument("model", type=MODEL)
@click.option("--threads", type=THREADS, help="Threads (default: those of the fastest plan for this machine).")
@click.option("--runs", type=Count(min=1), help="Number of runs (default: one second of them).")
@click.option(
    "--trace",
    type=FILE,
    help="Also write what each thread does in a few runs, for https://ui.perfetto.dev or chrome://tracing.",
)
@SEED
@DATABASE
@click.option("--strict", is_flag=True, help="A routine that is not installed is an error.")
@JSON
def command(
    model: Path,
    threads: int | None,
    runs: int | None,
    trace: Path | None,
    seed: int,
    db: Path | None,
    strict: bool,
    as_json: bool,
) -> None:
    """Time MODEL, a .plait package or a tuned .ir file: whole runs after a warm-up, then layer by layer.

    Layers are compared with the limits of this machine, which `plait doctor` measures once.
    """
    from plait.tuning.bench import bench
    from plait.tuning.runner_up import tuning_rows

    if trace is not None:
        check_output(trace, inputs=[model])
    runner = open_runner(model, threads, strict)
    limits = _limits(runner.program.threads, db)
    report = bench(runner, runs=runs, seed=seed, limits=limits, tuning=tuning_rows(model, runner))
    if as_json:
        print_json({**report.to_json(), "file": str(model), "seed": seed})
    else:
        show(report)
    if limits is None:
        wanted = f" --threads {report.threads}" if report.threads > 1 else ""
        note(f"`plait doctor{wanted}` measures this machine, for the columns FMA and memory")
    if trace is not None:
        from plait.ir.files import write_text
        from plait.tuning.trace import trace as trace_runs

        data = trace_runs(runner, seed=seed, name=model.name)
        write_text(trace, json.dumps(data))
        click.echo(f"wrote {trace}: {data['otherData']['runs']} runs, for https://ui.perfetto.dev", err=True)


def _limits(threads: int, db: Path | None) -> Limits | None:
    """The limits of this machine. A damaged database of the user is no reason not to time a model."""
    from plait.backends.profiling.database import ProfileError
    from plait.backends.profiling.limits import load_limits

    try:
        return load_limits(threads, db)
    except ProfileError as error:
        if db is not None:
            raise
        warn(error.diagnostics[0].message)
        return None


def show(report: BenchReport) -> None:
    """The layers, the slowest parts of them readable at a glance, and the whole."""
    table, prefix = layer_table(report)
    table.show()
    click.echo()
    if prefix:
        click.echo(f"routines without {prefix}, the device and dtype of most")
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
    if report.limits is not None:
        _show_limits(report.limits, report.constant_bytes + report.arena_bytes)


def _show_limits(limits: Limits, resident: int) -> None:
    far = limits.level_for(resident)
    others = {"bfloat16": limits.bf16, "bytes": limits.gops}
    beside = "".join(f", of {name} {max(rates.values()):.0f}" for name, rates in others.items() if rates)
    click.echo(
        f"100% FMA is {limits.peak:.0f} GFLOP/s{beside}; constants are read from {far.name}, {far.read:.0f} GB/s "
        f"(measured {limits.taken[:10]})"
    )
