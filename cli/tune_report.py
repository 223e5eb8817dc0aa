"""The report of a tuning run for people: a table of layers, and what the proof of the plan rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from plait.cli.output import Table, milliseconds, note

if TYPE_CHECKING:
    from collections.abc import Sequence

    from plait.tuning import TuningReport
    from plait.tuning.report import Certificate, RaceRow


def show_report(report: TuningReport) -> None:
    """The layers of a plan and the summary."""
    table = Table((">#", "layer", "op", "routine", ">ms", "runner-up", ">loss ms"))
    for row in report.rows:
        adapt = row.op == "adapt"
        least = "" if row.runner_up_measured else "≥"
        loss = "" if row.runner_up_loss_us is None else f"{least}+{milliseconds(row.runner_up_loss_us)}"
        table.add(
            f"+{row.index}" if adapt else row.index,
            row.name,
            row.op,
            row.routine,
            milliseconds(row.cost_us),
            row.runner_up,
            loss,
            dim=adapt,
        )
    table.show()
    click.echo()
    if report.adapts:
        click.echo("+ an adapt: a change of layout that the plan inserts")
    click.echo(report.summary())
    click.echo(
        f"measured {report.measured} entries (a routine or a conversion on one layer) in "
        f"{report.profile_seconds:.1f} s, solved in {report.solve_seconds * 1e3:.0f} ms; {report.device}"
    )
    if report.certificate is not None:
        click.echo(proof(report.certificate, report.entries))
    if len(report.race) > 1:
        click.echo(_race(report.race))
    far = [failure for failure in report.failures if ": inaccurate " in failure]
    if far:
        note(f"{len(far)} measured routines are too far from the reference to be chosen")
    for failure in report.failures:
        if failure not in far:
            note(f"not measured: {failure}")


def proof(certificate: Certificate, entries: int) -> str:
    """What the proof rests on, in plain words."""
    rest = entries - certificate.known
    if not rest:
        text = f"all {entries} entries have been measured"
    else:
        text = f"{certificate.known} of {entries} entries have been measured ({certificate.known / entries:.0%}); "
        if certificate.stopped:
            text += f"when the search was stopped, the other {rest} were neither measured nor all ruled out"
        else:
            text += f"no plan with any of the other {rest} is faster, as lower bounds on their times prove"
    if certificate.repeated:
        text += f"; {certificate.repeated} that were too close to tell apart have been measured twice"
    if certificate.trust < 1:
        text += f"; bounds were lowered to {certificate.trust:.0%}, since a measurement was below its bound"
    return text


def _race(rows: Sequence[RaceRow]) -> str:
    """What plans took that were run in turns, in one line."""
    times = ", ".join(
        f"{milliseconds(row.measured_us)} ms{' (kept)' if row.won else ''}"
        + (f" with {row.layers} other {'routine' if row.layers == 1 else 'routines'}" if row.layers else "")
        for row in rows
    )
    kept, others = next(r for r in rows if r.won), [r.measured_us for r in rows if not r.won]
    ahead = min(others) / kept.measured_us - 1 if kept.measured_us else 0.0
    return f"plans run in turns: {times}; the next is {ahead:+.1%}"
