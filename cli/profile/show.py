"""`plait profile show`: all measurements of one entry."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plait.cli.common import DATABASE, JSON
from plait.cli.output import Table, print_json
from plait.cli.profile.choice import existing, moment

if TYPE_CHECKING:
    from plait.backends.profiling.machine import Machine
    from plait.backends.profiling.rows import Row
    from plait.backends.profiling.session import Reference, SessionRecord

_BAR = 40
"""Columns of the longest bar."""


@click.command("show")
@click.argument("entry")
@DATABASE
@JSON
def command(entry: str, db: Path | None, as_json: bool) -> None:
    """Show all measurements of ENTRY: its name in `plait profile ls`, or the beginning of that.

    Each with the session it was taken in. `machine` is how much slower the machine was in that session than it mostly
    is with these kernels, by the reference jobs; differences of times below that mean nothing.
    """
    from plait.backends.profiling.database import ProfileDatabase

    with ProfileDatabase(existing(db)) as database:
        rows = [row for row in database.rows() if row.entry.startswith(entry)]
        machines = database.machines()
        sessions = {s.session.id: s for s in database.sessions()}
    names = sorted({row.entry for row in rows})
    if len(names) != 1:
        reason = f"{len(names)} entries begin so: {', '.join(names[:5])}" if names else "`plait profile ls` lists them"
        raise click.BadParameter(f"{entry!r} is the name of no one entry; {reason}", param_hint="ENTRY")
    slowdowns = _slowdowns(sessions)
    if as_json:
        print_json(_data(rows, machines, sessions, slowdowns))
        return
    _show_key(rows[-1], machines.get(rows[-1].machine))
    click.echo()
    _show_rows(rows, slowdowns)
    _show_histogram(rows)


def _slowdowns(sessions: dict[str, SessionRecord]) -> dict[str, float]:
    """By session: the times of the reference jobs by those that are typical of the machine and kernels; of the two
    factors the one that is further from 1."""
    from plait.backends.profiling.session import typical

    groups: dict[tuple[str, str], list[Reference]] = {}
    for one in sessions.values():
        if one.reference is not None:
            groups.setdefault((one.session.machine, one.session.kernels), []).append(one.reference)
    found = {}
    for name, one in sessions.items():
        usual = typical(groups.get((one.session.machine, one.session.kernels), ()))
        if one.reference is not None and usual is not None and usual.gemm_us > 0 and usual.copy_us > 0:
            factors = (one.reference.gemm_us / usual.gemm_us, one.reference.copy_us / usual.copy_us)
            found[name] = max(factors, key=lambda factor: abs(factor - 1))
    return found


def _data(
    rows: list[Row],
    machines: dict[str, Machine],
    sessions: dict[str, SessionRecord],
    slowdowns: dict[str, float],
) -> dict[str, Any]:
    import attrs

    row = rows[-1]
    names = ("entry", "op", "signature", "routine", "version", "threads", "state")
    machine = machines.get(row.machine)
    own = ("session", "status", "samples", "median_us", "cost_us", "spread_us", "message", "error", "taken")
    used = {r.session for r in rows}
    return {
        "schema": "profile-entry/1",
        **{name: getattr(row, name) for name in names},
        "machine": {"instance": row.machine, **(machine._asdict() if machine else {})},
        "measurements": [{name: getattr(r, name) for name in own} for r in rows],
        "sessions": [
            {
                **attrs.asdict(s.session),
                "references": [attrs.asdict(r) for r in s.references],
                "slowdown": slowdowns.get(i),
            }
            for i, s in sessions.items()
            if i in used
        ],
    }


def _show_key(row: Row, machine: Machine | None) -> None:
    table = Table(("entry", row.entry))
    for name in ("signature", "routine", "version", "threads", "state"):
        table.add(name, getattr(row, name))
    about = f" ({machine.host}: {machine.model}, {machine.isa}, {machine.system})" if machine else ""
    table.add("machine", f"{row.machine}{about}")
    table.show()


def _show_rows(rows: list[Row], slowdowns: dict[str, float]) -> None:
    table = Table(
        ("taken", "status", ">samples", ">min us", ">median us", ">spread us", "session", ">machine", "message")
    )
    for row in rows:
        times = (
            [f"{t:.2f}" for t in (min(row.samples) / 1e3, row.median_us or 0.0, row.spread_us or 0.0)]
            if row.ok
            else [""] * 3
        )
        factor = slowdowns.get(row.session)
        change = "" if factor is None else f"{100 * (factor - 1):+.1f}%"
        message = row.message if row.error is None else f"error {row.error:.2e} {row.message}".rstrip()
        table.add(moment(row.taken), row.status, len(row.samples), *times, row.session, change, message)
    table.show()


def _show_histogram(rows: list[Row]) -> None:
    from plait.backends.profiling.entries import all_samples, histogram

    bins = histogram(all_samples([row for row in rows if row.ok]))
    if not bins:
        return
    click.echo()
    table = Table((">from us", ">samples", ""))
    most = max(b.count for b in bins)
    # Nanoseconds where bins are narrow.
    digits = 2 if bins[0].high - bins[0].low >= 20 else 3
    for b in bins:
        table.add(f"{b.low / 1e3:.{digits}f}", b.count, "█" * round(_BAR * b.count / most))
    table.show()
