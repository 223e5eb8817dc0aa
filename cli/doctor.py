"""`plait doctor`: what this machine can do, and what may spoil measurements on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plait.cli.common import DATABASE, JSON, THREADS
from plait.cli.output import Table, note, print_json, size, warn

if TYPE_CHECKING:
    from plait.backends.profiling.environment import Environment
    from plait.backends.profiling.limits import Limits


@click.command("doctor")
@click.option("--threads", type=THREADS, help="The most threads to measure with (default: all allowed cores).")
@DATABASE
@click.option("--quick", is_flag=True, help="Measure for a moment only, and keep nothing.")
@JSON
def command(threads: int | None, db: Path | None, quick: bool, as_json: bool) -> None:
    """Measure the limits of this machine, and tell of what surrounds measurements.

    Arithmetic at each ISA level, bandwidth of each level of the memory, and what ops and barriers of plans cost, at one
    thread and more. The limits are kept in the profile database: `plait bench` compares layers with them. Warnings on
    standard error name what spoils measurements.
    """
    from plait.backends.profiling.environment import shared_cores, spoilers, this_environment
    from plait.backends.profiling.limits import store
    from plait.backends.profiling.probes import QUICK, measure_limits, thorough, thread_counts

    environment = this_environment()
    most = threads or len(environment.allowed_cores)
    counts = thread_counts(most)
    installation = _installation(db)
    limits = measure_limits(counts, QUICK if quick else thorough(counts))
    warnings = [*spoilers(environment, most), *shared_cores(limits)]
    if as_json:
        print_json(
            {
                "schema": "doctor/1",
                "environment": environment.to_json(),
                "installation": installation,
                "limits": [one.to_json() for one in limits],
                "stored": not quick,
                "warnings": warnings,
            }
        )
    else:
        _show_environment(environment, installation)
        click.echo()
        _show_limits(limits)
    for text in warnings:
        warn(text)
    if not quick:
        store(limits, db)
    else:
        note("the figures of --quick are rough, and are not kept")


def _installation(db: Path | None) -> dict[str, Any]:
    """What of plait is here: version, database, plug-ins."""
    from plait import __version__
    from plait.backends.profiling.database import ProfileDatabase, default_path
    from plait.ir.plugins import installed

    path = db or default_path()
    count = 0
    if path.exists():
        with ProfileDatabase(path) as database:
            count = database.count()
    names = sorted({f"{p.distribution}: {p.name} ({p.group})" for p in installed()})
    return {"plait": __version__, "database": str(path), "measurements": count, "plugins": names}


def _show_environment(e: Environment, installation: dict[str, Any]) -> None:
    cores = f"{e.cores}, allowed {len(e.allowed_cores)}"
    table = Table(("what", "here"))
    table.add("processor", e.processor)
    table.add("ISA levels", ", ".join(e.isas) + (f" (PLAIT_MAX_ISA={e.isa_cap})" if e.isa_cap else ""))
    table.add("cores", cores + ("" if e.quota is None else f", time of {e.quota:.3g}"))
    table.add("caches", e.caches or "unknown")
    table.add("memory", f"{size(e.memory)}, available {size(e.available_memory)}")
    table.add("huge pages", e.huge_pages or "unknown")
    table.add("governor", e.governor or "unknown")
    table.add("load average", f"{e.load:.2f}")
    table.add("system", e.system)
    table.add("versions", f"plait {installation['plait']}, Python {e.python}, NumPy {e.numpy}, kernels {e.kernels}")
    table.add("database", f"{installation['database']}, {installation['measurements']} measurements")
    table.add("plug-ins", "; ".join(installation["plugins"]) or "none")
    table.show()


def _show_limits(limits: tuple[Limits, ...]) -> None:
    """A row for each limit, a column for each number of threads."""
    table = Table(("limit", "unit", *(f">{x.threads} thread{'s' if x.threads > 1 else ''}" for x in limits)))
    for isa in limits[0].gflops:
        table.add(f"float32 multiply-add, {isa}", "GFLOP/s", *(f"{x.gflops[isa]:.1f}" for x in limits))
    for isa in limits[0].gops:
        table.add(f"products of bytes, {isa}", "GOP/s", *(f"{x.gops[isa]:.1f}" for x in limits))
    for isa in limits[0].bf16:
        table.add(f"products of bfloat16, {isa}", "GFLOP/s", *(f"{x.bf16[isa]:.1f}" for x in limits))
    for name in dict.fromkeys(level.name for x in limits for level in x.levels):
        for kind in ("read", "write", "copy"):
            table.add(f"{name} {kind}", "GB/s", *(_bandwidth(x, name, kind) for x in limits))
    table.add("op of a plan", "ns", *(f"{x.op_ns:.1f}" for x in limits))
    table.add("barrier after an op", "ns", *(f"{x.barrier_ns:.0f}" if x.threads > 1 else "" for x in limits))
    table.show()


def _bandwidth(limits: Limits, name: str, kind: str) -> str:
    found = next((level for level in limits.levels if level.name == name), None)
    return "" if found is None else f"{getattr(found, kind):.1f}"
