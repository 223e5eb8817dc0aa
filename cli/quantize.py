"""`plait quantize`: a float network on 8-bit integers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plait.cli.calibration import (
    calibration_options,
    check_calibration,
    given_samples,
    pictures_of,
    quantize_options,
    run_progress,
)
from plait.cli.common import DIMS, FILE, JSON, MODEL, THREADS, check_output, load_static
from plait.cli.output import Table, note, print_json

if TYPE_CHECKING:
    from plait.tuning.quantize_report import LayerReport, QuantizationReport

SHOWN = 12
"""Layers of the table, the worst first, unless all are asked for."""


@click.command("quantize")
@click.argument("model", type=MODEL)
@calibration_options
@click.option(
    "-o",
    "--output",
    type=FILE,
    help="The .ir file to write, weights beside it (default: the model's name with .q8.ir, in this folder).",
)
@click.option("--report", "show", is_flag=True, help="Print all layers, the worst first, rather than a few.")
@click.option("--threads", type=THREADS, default=1, show_default=True, help="Threads that run the network.")
@DIMS
@JSON
def command(
    model: Path,
    output: Path | None,
    show: bool,
    threads: int,
    dims: tuple[tuple[str, int], ...],
    as_json: bool,
    **calibration: Any,
) -> None:
    """Let the layers of MODEL compute on 8-bit integers, as far as they can.

    Writes IR text, in which the scales that were found stand in the types and can be edited, and tells of each layer
    how far its result is from that in floats: the ratio of signal to noise in dB.
    """
    check_calibration(calibration)
    output = check_output(output or Path(f"{model.stem}.q8.ir"), inputs=[model])
    from plait.ir.text.files import save_ir
    from plait.tuning.quantize import quantize_module
    from plait.tuning.samples import samples_of

    module = load_static(model, dims)
    given = samples_of(module.main, given_samples(calibration), pictures_of(calibration), calibration["seed"])
    options = quantize_options(calibration, threads)
    with run_progress() as progress:
        found = quantize_module(module, given, options, progress)
    save_ir(found.module, output)
    if as_json:
        print_json(found.report.to_json())
    else:
        _show(found.report, everything=show)
    click.echo(f"wrote {output}", err=True)


def _show(report: QuantizationReport, everything: bool) -> None:
    worst = report.worst_first
    table = Table(("layer", "kind", ">SQNR dB", "type", "in floats because"))
    for row in worst if everything else worst[:SHOWN]:
        table.add(row.name, row.op, _decibel(row), row.type, row.reason, dim=bool(row.reason))
    table.show()
    if not everything and len(worst) > SHOWN:
        note(f"the {SHOWN} worst of {len(worst)} layers; --report shows all")
    click.echo(report.summary(), err=True)
    if everything:
        for reason in report.skipped:
            click.echo(f"  not equalised: {reason}", err=True)


def _decibel(row: LayerReport) -> str:
    return "" if row.sqnr is None else f"{row.sqnr:.1f}"
